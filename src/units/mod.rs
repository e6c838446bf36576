//! Numbers with units, as people write them in scenarios and flags: `1m30s`, `50/s`, `10k`, `16KiB`,
//! `0.1%`, `p99.9`.
//!
//! Every type reads with `FromStr` and prints with `Display`, and what is printed reads back as the
//! same value. A number without its unit, a negative one, one that is not a number or does not fit is
//! an error that says what to write; nothing wraps or saturates silently.

mod bytes;
mod count;
mod number;
mod quantile;
mod rate;
mod ratio;
mod time;

pub use bytes::ByteSize;
pub use count::Count;
pub use number::Number;
pub use quantile::Quantile;
pub use rate::{Rate, RateUnit};
pub use ratio::Ratio;
pub use time::TimeSpan;

/// Why a text is not a quantity, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    /// What is wrong; does not repeat the text that was read (it may be a secret).
    pub message: String,
    /// An example of a right value.
    pub hint: String,
}

impl UnitError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}
