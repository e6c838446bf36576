//! Shares of a whole: `0.1%`, or `0.001`.

use std::fmt;
use std::str::FromStr;

use super::UnitError;

/// A share from 0 to 1, kept as percent so that what was written is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ratio {
    percent: f64,
}

const EXAMPLE: &str = "\"0.1%\" or 0.001";

impl Ratio {
    /// From a share; an error outside 0 to 1 and for NaN.
    pub fn new(share: f64) -> Result<Self, UnitError> {
        Self::from_percent(share * 100.0)
    }

    /// 0 to 1.
    pub fn share(self) -> f64 {
        self.percent / 100.0
    }

    fn from_percent(percent: f64) -> Result<Self, UnitError> {
        if (0.0..=100.0).contains(&percent) {
            Ok(Self { percent })
        } else {
            Err(UnitError::new(
                "a share must lie between 0 and 1 (0% and 100%)",
                format!("write for example {EXAMPLE}"),
            ))
        }
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), true),
            None => (text, false),
        };
        let plain = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
        let value = number
            .parse::<f64>()
            .ok()
            .filter(|_| number.chars().all(plain));
        match value {
            Some(value) if percent => Self::from_percent(value),
            Some(value) => Self::new(value),
            None => Err(UnitError::new(
                "not a share",
                format!("write for example {EXAMPLE}"),
            )),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_percent_and_shares() {
        for (text, share) in [
            ("0.1%", 0.001),
            ("0.001", 0.001),
            ("100%", 1.0),
            ("0", 0.0),
            ("1", 1.0),
            ("50 %", 0.5),
        ] {
            assert_eq!(text.parse::<Ratio>().expect(text).share(), share, "{text}");
        }
        for text in [
            "", "%", "101%", "1.1", "-1%", "NaN", "NaN%", "inf", "1e999", "0,1%",
        ] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(percent in 0.0f64..=100.0) {
            let ratio = Ratio { percent };
            proptest::prop_assert_eq!(ratio.to_string().parse::<Ratio>(), Ok(ratio));
        }
    }
}
