//! A policy in words: "after 1s, then x 2, full jitter, never longer than 30s".

use std::fmt;

use super::{Factors, Jitter, Reconnect, ReconnectPolicy};
use crate::units::TimeSpan;

/// Delays of a list that are named; the rest is counted.
const NAMED: usize = 12;

impl fmt::Display for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.policy == ReconnectPolicy::None {
            return f.write_str("never");
        }
        write!(f, "{}{}", self.policy, self.jitter)?;
        if let ReconnectPolicy::List { delays } = &self.policy
            && self
                .max_attempts
                .is_none_or(|most| most as usize > delays.len())
        {
            f.write_str(", the last again and again")?;
        }
        let (low, high) = self.added;
        if low < high {
            write!(f, ", plus {} to {}", TimeSpan(low), TimeSpan(high))?;
        } else if !low.is_zero() {
            write!(f, ", plus {}", TimeSpan(low))?;
        }
        if let Some(longest) = self.max_wait {
            write!(f, ", never longer than {}", TimeSpan(longest))?;
        }
        if let Some(attempts) = self.max_attempts {
            write!(f, ", at most {attempts} attempts in a row")?;
        }
        Ok(())
    }
}

impl fmt::Display for ReconnectPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("never"),
            Self::Fixed { delay } => write!(f, "after {}", TimeSpan(*delay)),
            Self::Linear { step } => {
                let step = TimeSpan(*step);
                write!(f, "after {step}, then {step} longer each time")
            }
            Self::Exponential {
                initial,
                factor,
                max_delay,
            } => {
                write!(f, "after {}, then x {factor}", TimeSpan(*initial))?;
                if *max_delay < std::time::Duration::MAX {
                    write!(f, " up to {}", TimeSpan(*max_delay))?;
                }
                Ok(())
            }
            Self::Decorrelated { initial, max_delay } => {
                let (initial, longest) = (TimeSpan(*initial), TimeSpan(*max_delay));
                write!(
                    f,
                    "after {initial} to 3 x the wait before, up to {longest} (decorrelated)"
                )
            }
            Self::List { delays } => {
                let named = delays.iter().take(NAMED);
                let named: Vec<_> = named.map(|delay| TimeSpan(*delay).to_string()).collect();
                write!(f, "after {}", named.join(", "))?;
                if delays.len() > NAMED {
                    write!(f, " and {} more", delays.len() - NAMED)?;
                }
                Ok(())
            }
        }
    }
}

/// With the comma before it; nothing without jitter.
impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each(factors) if *factors == Factors::ONE => Ok(()),
            Self::Each(factors) if *factors == Factors::FULL => f.write_str(", full jitter"),
            Self::Each(factors) if *factors == Factors::EQUAL => f.write_str(", equal jitter"),
            Self::Each(factors) => write!(f, ", each x {factors}"),
            Self::FirstThen(first, then) => {
                write!(f, ", the first x {first}, the others x {then}")
            }
            Self::Once(factors) => write!(f, ", all x {factors} drawn once for each client"),
            Self::Backo2 => f.write_str(", each +-50 % (backo2)"),
        }
    }
}

impl fmt::Display for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            return write!(f, "{}", self.low);
        }
        write!(f, "{} to {}", self.low, self.high)
    }
}
