//! Events per time: `50/s`, `10/m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::UnitError;

/// A rate above zero that is at most a thousand million a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    count: f64,
    unit: RateUnit,
}

/// What the events of a rate are counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

const EXAMPLE: &str = "\"50/s\", \"1.5k/s\" or \"10/m\"";

impl RateUnit {
    const fn seconds(self) -> f64 {
        match self {
            Self::Second => 1.0,
            Self::Minute => 60.0,
            Self::Hour => 3_600.0,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }
}

impl Rate {
    /// Events per second.
    pub fn per_second(self) -> f64 {
        self.count / self.unit.seconds()
    }

    /// Mean gap between events, rounded to a nanosecond, never zero.
    pub fn period(self) -> Duration {
        let seconds = self.unit.seconds() / self.count;
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(Duration::MAX)
            .max(Duration::from_nanos(1))
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let hint = || format!("write for example {EXAMPLE}");
        let Some((number, unit)) = text.split_once('/') else {
            return Err(UnitError::new("a rate needs a time to count over", hint()));
        };
        let unit = match unit {
            "s" => RateUnit::Second,
            "m" => RateUnit::Minute,
            "h" => RateUnit::Hour,
            _ => {
                let hint = format!("a rate ends in /s, /m or /h; {}", hint());
                return Err(UnitError::new("unknown unit of a rate", hint));
            }
        };
        let (number, factor) = match number.strip_suffix('k') {
            Some(number) => (number, 1e3),
            None => match number.strip_suffix('M') {
                Some(number) => (number, 1e6),
                None => (number, 1.0),
            },
        };
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            let message = if number.starts_with('-') {
                "a rate cannot be negative"
            } else {
                "not a rate: it must start with a number"
            };
            return Err(UnitError::new(message, hint()));
        }
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let count = number
            .parse::<f64>()
            .ok()
            .filter(|_| plain)
            .map(|n| n * factor);
        let Some(count) = count else {
            return Err(UnitError::new(
                "not a rate: its number cannot be read",
                hint(),
            ));
        };
        let rate = Self { count, unit };
        let bounds = 1e-9..=1e9;
        if !bounds.contains(&rate.per_second()) {
            return Err(UnitError::new(
                "a rate must be above zero and at most 1000M/s",
                hint(),
            ));
        }
        Ok(rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rates_and_their_periods() {
        for (text, per_second, period) in [
            ("50/s", 50.0, Duration::from_millis(20)),
            ("10/m", 10.0 / 60.0, Duration::from_secs(6)),
            ("0.5/s", 0.5, Duration::from_secs(2)),
            ("1.5k/s", 1_500.0, Duration::from_nanos(666_667)),
            ("36/h", 0.01, Duration::from_secs(100)),
        ] {
            let rate: Rate = text.parse().expect(text);
            assert_eq!(rate.per_second(), per_second, "{text}");
            assert_eq!(rate.period(), period, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "", "50", "0/s", "-1/s", "NaN/s", "inf/s", "1e999/s", "1e3/s", "50/d", "/s", "1..2/s",
            "2000M/s",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(count in 0.001f64..1e9, unit in 0usize..3) {
            let unit = [RateUnit::Second, RateUnit::Minute, RateUnit::Hour][unit];
            let rate = Rate { count, unit };
            proptest::prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }
    }
}
