//! Unsigned decimals (`12`, `1.5`, `1_000`), read exactly.

use std::fmt;
use std::str::FromStr;

use super::UnitError;

/// A number without a unit, not negative: `3`, `1.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Number(pub f64);

impl FromStr for Number {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (value, rest) = split(text, "number", "1.5")?;
        if !rest.is_empty() {
            let hint = "write for example 1.5";
            return Err(UnitError::new("a number here has no unit", hint));
        }
        let divisor = 10f64.powi(i32::try_from(value.scale).unwrap_or(i32::MAX));
        Ok(Self(value.digits as f64 / divisor))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An unsigned decimal: `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// The value times `factor`, when that is a whole number below 2^64.
    pub(super) fn scaled(self, factor: u128) -> Option<u64> {
        let product = self.digits.checked_mul(factor)?;
        let divisor = 10u128.checked_pow(self.scale)?;
        if product % divisor != 0 {
            return None;
        }
        u64::try_from(product / divisor).ok()
    }
}

/// Splits a leading unsigned decimal from what follows it. `what` names the quantity, `example` shows one.
pub(super) fn split<'a>(
    text: &'a str,
    what: &str,
    example: &str,
) -> Result<(Decimal, &'a str), UnitError> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    if text.starts_with('-') {
        return Err(UnitError::new(
            format!("a {what} cannot be negative"),
            format!("write for example {example}"),
        ));
    }
    let decimal = decimal(number).ok_or_else(|| {
        let message = if number.is_empty() {
            format!("not a {what}: it must start with a number")
        } else {
            format!("not a {what}: its number cannot be read")
        };
        UnitError::new(message, format!("write for example {example}"))
    })?;
    Ok((decimal, rest))
}

fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(halves) => halves,
        None => (text, ""),
    };
    if !whole.starts_with(|c: char| c.is_ascii_digit()) || whole.ends_with('_') {
        return None;
    }
    if whole.contains("__") || fraction.contains(['.', '_']) {
        return None;
    }
    let digits: String = whole
        .chars()
        .filter(|c| *c != '_')
        .chain(fraction.chars())
        .collect();
    if digits.len() > 30 {
        return None;
    }
    Some(Decimal {
        digits: digits.parse().ok()?,
        scale: u32::try_from(fraction.len()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_numbers_only() {
        for (text, number) in [("0", 0.0), ("3", 3.0), ("1.5", 1.5), ("1_000", 1000.0)] {
            assert_eq!(text.parse(), Ok(Number(number)), "{text}");
        }
        for text in ["", "-1", "1e9", "NaN", "inf", "1,5", "2x", "1."] {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
    }
}
