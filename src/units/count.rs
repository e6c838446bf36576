//! Whole numbers with an optional multiplier: `10k`, `1.5M`.

use std::fmt;
use std::str::FromStr;

use super::{UnitError, number};

/// A whole number below 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

const EXAMPLE: &str = "500, \"10k\" or \"1.5M\"";

impl FromStr for Count {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (value, suffix) = number::split(text, "count", EXAMPLE)?;
        let factor: u128 = match suffix {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            _ => {
                return Err(UnitError::new(
                    "unknown multiplier of a count",
                    format!("the multipliers are k, M and G; write for example {EXAMPLE}"),
                ));
            }
        };
        value.scaled(factor).map(Self).ok_or_else(|| {
            UnitError::new(
                "a count must be a whole number below 2^64",
                format!("write for example {EXAMPLE}"),
            )
        })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, suffix) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{suffix}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_multipliers_and_refuses_the_rest() {
        for (text, count) in [
            ("0", 0),
            ("10k", 10_000),
            ("1.5M", 1_500_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Count(count)), "{text}");
        }
        for text in [
            "",
            "-1",
            "1.5",
            "10K",
            "1e9",
            "18446744073709551616",
            "20000000000G",
            "NaN",
        ] {
            assert!(text.parse::<Count>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(count: u64, zeros in 0u32..12) {
            let count = Count(count.saturating_mul(10u64.pow(zeros)));
            proptest::prop_assert_eq!(count.to_string().parse::<Count>(), Ok(count));
        }
    }
}
