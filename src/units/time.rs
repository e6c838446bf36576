//! Lengths of time: `1m30s`, `250ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{UnitError, number};

/// A length of time, exact to a nanosecond, at most ten years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

const EXAMPLE: &str = "\"500ms\", \"10s\" or \"1m30s\"";
const LONGEST: u64 = 10 * 365 * 86_400 * 1_000_000_000;
/// From the largest; a text must use them in this order.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut rest = text;
        let mut nanos: u64 = 0;
        let mut smallest = None;
        loop {
            let (value, tail) = number::split(rest, "duration", EXAMPLE)?;
            let end = tail
                .find(|c: char| !(c.is_alphabetic() || c == 'µ'))
                .unwrap_or(tail.len());
            let (name, tail) = tail.split_at(end);
            let index = unit(name)?;
            if smallest.is_some_and(|previous| index <= previous) {
                return Err(UnitError::new(
                    "the units of a duration go from the largest to the smallest, each once",
                    format!("write for example {EXAMPLE}"),
                ));
            }
            smallest = Some(index);
            let part = value
                .scaled(u128::from(UNITS[index].1))
                .ok_or_else(too_fine_or_long)?;
            nanos = nanos.checked_add(part).ok_or_else(too_fine_or_long)?;
            if tail.is_empty() {
                break;
            }
            rest = tail;
        }
        if nanos > LONGEST {
            return Err(too_fine_or_long());
        }
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

fn unit(name: &str) -> Result<usize, UnitError> {
    if name.is_empty() {
        return Err(UnitError::new(
            "a duration needs a unit",
            format!("write for example {EXAMPLE}"),
        ));
    }
    let name = if name == "µs" { "us" } else { name };
    UNITS
        .iter()
        .position(|(known, _)| *known == name)
        .ok_or_else(|| {
            UnitError::new(
                "unknown unit of a duration",
                format!("the units are d, h, m, s, ms, us, ns; write for example {EXAMPLE}"),
            )
        })
}

fn too_fine_or_long() -> UnitError {
    UnitError::new(
        "a duration must be a whole number of nanoseconds and at most ten years",
        format!("write for example {EXAMPLE}"),
    )
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, nanos) in UNITS {
            let count = rest / u128::from(nanos);
            rest %= u128::from(nanos);
            if count > 0 {
                write!(f, "{count}{name}")?;
            }
        }
        Ok(())
    }
}

impl From<Duration> for TimeSpan {
    fn from(value: Duration) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, nanos) in [
            ("0s", 0),
            ("1m30s", 90_000_000_000),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("1h", 3_600_000_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("1_000ms", 1_000_000_000),
            ("2d1ns", 172_800_000_000_001),
        ] {
            let read: TimeSpan = text.parse().expect(text);
            assert_eq!(read.0, Duration::from_nanos(nanos), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_with_a_reason() {
        for (text, reason) in [
            ("", "must start with a number"),
            ("10", "needs a unit"),
            ("-1s", "negative"),
            ("1e3s", "unknown unit"),
            ("NaN", "must start with a number"),
            ("inf", "must start with a number"),
            ("1s1m", "largest to the smallest"),
            ("1s1s", "largest to the smallest"),
            ("1sec", "unknown unit"),
            ("1 s", "needs a unit"),
            ("0.1ns", "whole number of nanoseconds"),
            ("99999999999999999999d", "at most ten years"),
            ("5000d", "at most ten years"),
            ("1..5s", "cannot be read"),
            ("1._5s", "cannot be read"),
        ] {
            let error = text.parse::<TimeSpan>().expect_err(text);
            assert!(error.message.contains(reason), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(nanos in 0..=LONGEST) {
            let span = TimeSpan(Duration::from_nanos(nanos));
            proptest::prop_assert_eq!(span.to_string().parse::<TimeSpan>(), Ok(span));
        }
    }
}
