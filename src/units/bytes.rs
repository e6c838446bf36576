//! Sizes in bytes: `64B`, `16KiB`, `1MB`.

use std::fmt;
use std::str::FromStr;

use super::{UnitError, number};

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const EXAMPLE: &str = "\"64B\", \"16KiB\" or \"1MB\"";
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (value, unit) = number::split(text, "size", EXAMPLE)?;
        if unit.is_empty() {
            return Err(UnitError::new(
                "a size needs a unit",
                format!("write for example {EXAMPLE}"),
            ));
        }
        let unit = if unit == "KB" { "kB" } else { unit };
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(UnitError::new(
                "unknown unit of a size",
                format!("the units are B, kB, KiB, MB, MiB, GB, GiB; write for example {EXAMPLE}"),
            ));
        };
        value.scaled(u128::from(*factor)).map(Self).ok_or_else(|| {
            UnitError::new(
                "a size must be a whole number of bytes below 2^64",
                format!("write for example {EXAMPLE}"),
            )
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, factor) in UNITS {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{name}", self.0 / factor);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_kinds_of_unit_and_refuses_the_rest() {
        for (text, bytes) in [
            ("64B", 64),
            ("16KiB", 16_384),
            ("1MB", 1_000_000),
            ("1KB", 1_000),
            ("0.5KiB", 512),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for (text, reason) in [
            ("64", "needs a unit"),
            ("1kb", "unknown unit"),
            ("0.3B", "whole number"),
            ("-1B", "negative"),
            ("17179869184GiB", "below 2^64"),
        ] {
            let error = text.parse::<ByteSize>().expect_err(text);
            assert!(error.message.contains(reason), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes: u64, shift in 0u32..40) {
            let size = ByteSize(bytes.wrapping_shl(shift));
            proptest::prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }
    }
}
