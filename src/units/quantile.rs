//! Names of quantiles: `p50`, `p99`, `p99.9` (also written `p999`).

use std::fmt;
use std::str::FromStr;

use super::UnitError;

/// A quantile by its name; kept in millionths, so that equal names are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantile {
    millionths: u32,
}

const EXAMPLE: &str = "p50, p99 or p99.9";

impl Quantile {
    /// Above 0, below 1.
    pub fn share(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }

    /// The name without a dot, as results spell it: `p999`.
    pub fn key(self) -> String {
        self.to_string().replace('.', "")
    }
}

impl FromStr for Quantile {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refuse =
            |message: &str| UnitError::new(message, format!("write for example {EXAMPLE}"));
        let digits = text
            .strip_prefix('p')
            .ok_or_else(|| refuse("a quantile's name starts with p"))?;
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(refuse("a digit must follow the dot of a quantile")),
            Some(halves) => halves,
            // p999 is p99.9: only names that start with 99 have more than two digits.
            None if digits.len() > 2 && digits.starts_with("99") => digits.split_at(2),
            None => (digits, ""),
        };
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.is_empty() {
            return Err(refuse("not a quantile's name"));
        }
        if whole.len() > 2 || fraction.len() > 4 {
            return Err(refuse(
                "a quantile lies below p100 and has at most four decimals (the largest value is `max`)",
            ));
        }
        let millionths = format!("{whole}{fraction:0<4}").parse().unwrap_or(0);
        if millionths == 0 {
            return Err(refuse(
                "a quantile lies above p0 (the smallest value is `min`)",
            ));
        }
        Ok(Self { millionths })
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.millionths / 10_000;
        let fraction = format!("{:04}", self.millionths % 10_000);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "p{whole}"),
            fraction => write!(f, "p{whole}.{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_spellings() {
        for (text, share, shown, key) in [
            ("p50", 0.5, "p50", "p50"),
            ("p99.9", 0.999, "p99.9", "p999"),
            ("p999", 0.999, "p99.9", "p999"),
            ("p9999", 0.9999, "p99.99", "p9999"),
            ("p5", 0.05, "p5", "p5"),
            ("p0.1", 0.001, "p0.1", "p01"),
        ] {
            let quantile: Quantile = text.parse().expect(text);
            assert_eq!(quantile.share(), share, "{text}");
            assert_eq!(quantile.to_string(), shown);
            assert_eq!(quantile.key(), key);
        }
        for text in [
            "",
            "99",
            "p",
            "p0",
            "p100",
            "p101",
            "p99.",
            "p.9",
            "p-1",
            "p99.99999",
            "pNaN",
            "p500",
        ] {
            assert!(text.parse::<Quantile>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(millionths in 1u32..1_000_000) {
            let quantile = Quantile { millionths };
            proptest::prop_assert_eq!(quantile.to_string().parse::<Quantile>(), Ok(quantile));
        }
    }
}
