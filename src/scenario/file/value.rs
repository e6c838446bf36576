//! From a value of the tree to a number with a unit: used by the checker (for its errors) and by the
//! builders (for its result).

use std::time::Duration;

use super::spec::Kind;
use super::tree::{Node, Value};
use crate::units::{ByteSize, Count, Rate, Ratio, TimeSpan, UnitError};

/// Why a value is not of its kind.
#[derive(Debug)]
pub(super) enum Mismatch {
    /// Another type of value; the hint may be empty.
    Type { hint: String },
    /// The right type, but not a right value.
    Value(UnitError),
}

impl From<UnitError> for Mismatch {
    fn from(error: UnitError) -> Self {
        Self::Value(error)
    }
}

fn other_type<T>(hint: &str) -> Result<T, Mismatch> {
    Err(Mismatch::Type {
        hint: hint.to_owned(),
    })
}

fn wrong<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Mismatch> {
    Err(Mismatch::Value(UnitError {
        message: message.into(),
        hint: hint.into(),
    }))
}

/// A duration; zero only where it is allowed.
pub(super) fn time(value: &Value, zero: bool) -> Result<Duration, Mismatch> {
    match value {
        Value::Text(text) => {
            let time: TimeSpan = text.parse()?;
            if time.0.is_zero() && !zero {
                return wrong(
                    "the duration must be longer than zero",
                    "write for example \"10s\"",
                );
            }
            Ok(time.0)
        }
        Value::Integer(number) if (0..1_000_000_000).contains(number) => {
            let hint = format!("write it with a unit: \"{number}s\" or \"{number}ms\"");
            other_type(&hint)
        }
        _ => other_type("write for example \"500ms\", \"10s\" or \"1m30s\""),
    }
}

/// A period, or the period of a rate.
pub(super) fn every(value: &Value) -> Result<Duration, Mismatch> {
    match value {
        Value::Text(text) if text.contains('/') => Ok(text.parse::<Rate>()?.period()),
        Value::Integer(number) if (0..1_000_000_000).contains(number) => {
            let hint = format!("write a period \"{number}s\" or a rate \"{number}/s\"");
            other_type(&hint)
        }
        _ => time(value, false),
    }
}

/// A whole number within bounds, also written as a count.
pub(super) fn integer(value: &Value, low: u64, high: u64) -> Result<u64, Mismatch> {
    let number = match value {
        Value::Integer(number) => *number,
        Value::Text(text) => {
            let plain = text.parse::<u64>().is_ok();
            if plain {
                return other_type("write the number without quotes");
            }
            i128::from(text.parse::<Count>()?.0)
        }
        _ => return other_type("write for example 500 or \"10k\""),
    };
    if (i128::from(low)..=i128::from(high)).contains(&number) {
        // In bounds, so it fits.
        return Ok(number as u64);
    }
    wrong("the number is out of range", range(low, high))
}

fn range(low: u64, high: u64) -> String {
    if high == u64::MAX {
        format!("allowed is {low} or more (below 2^64)")
    } else {
        format!("allowed is {low} to {high}")
    }
}

/// A finite number within bounds.
pub(super) fn number(value: &Value, low: f64, high: f64) -> Result<f64, Mismatch> {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Text(text) if text.parse::<f64>().is_ok() => {
            return other_type("write the number without quotes");
        }
        _ => return other_type("write for example 2.5"),
    };
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    wrong(
        "the number is out of range",
        format!("allowed is {low} to {high}"),
    )
}

/// A share of a whole.
pub(super) fn ratio(value: &Value) -> Result<f64, Mismatch> {
    match value {
        Value::Text(text) => Ok(text.parse::<Ratio>()?.share()),
        Value::Integer(number) => Ok(Ratio::new(*number as f64)?.share()),
        Value::Float(number) => Ok(Ratio::new(*number)?.share()),
        _ => other_type("write for example \"0.1%\" or 0.001"),
    }
}

/// A size in bytes within bounds.
pub(super) fn bytes(value: &Value, low: u64, high: u64) -> Result<u64, Mismatch> {
    let size = match value {
        Value::Text(text) => i128::from(text.parse::<ByteSize>()?.0),
        Value::Integer(number) => *number,
        _ => return other_type("write for example \"16KiB\" or 64"),
    };
    if (i128::from(low)..=i128::from(high)).contains(&size) {
        return Ok(size as u64);
    }
    let bounds = format!("allowed is {} to {}", ByteSize(low), ByteSize(high));
    wrong("the size is out of range", bounds)
}

/// Checks a value that is neither table nor list.
pub(super) fn scalar(kind: &Kind, node: &Node) -> Result<(), Mismatch> {
    let value = &node.value;
    match kind {
        Kind::Duration { zero } => time(value, *zero).map(drop),
        Kind::Every => every(value).map(drop),
        Kind::Integer(low, high) => integer(value, *low, *high).map(drop),
        Kind::Number(low, high) => number(value, *low, *high).map(drop),
        Kind::Ratio => ratio(value).map(drop),
        Kind::Bytes(low, high) => bytes(value, *low, *high).map(drop),
        Kind::Bool => match value {
            Value::Bool(_) => Ok(()),
            _ => other_type("write true or false without quotes"),
        },
        Kind::Scalar => match value {
            Value::Text(_) | Value::Integer(_) | Value::Bool(_) => Ok(()),
            Value::Float(number) if number.is_finite() => Ok(()),
            _ => other_type(""),
        },
        _ => match value {
            Value::Text(text) => words(kind, text),
            Value::Integer(number) => other_type(&format!("put it in quotes: \"{number}\"")),
            _ => other_type(""),
        },
    }
}

/// Checks a value that must be text.
fn words(kind: &Kind, text: &str) -> Result<(), Mismatch> {
    match kind {
        Kind::Text(longest) if text.len() > *longest => {
            let message = format!("the text is {} bytes long", text.len());
            wrong(message, format!("allowed are at most {longest} bytes"))
        }
        Kind::Name => name(text),
        Kind::Choice(known) if !known.contains(&text) => {
            let hint = match super::super::nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? allowed are {}", known.join(", ")),
                None => format!("allowed are {}", known.join(", ")),
            };
            wrong("unknown word", hint)
        }
        Kind::Path if text.is_empty() || text.contains('\0') => {
            wrong("not the path of a file", "write for example \"ca.pem\"")
        }
        Kind::Socket if text.parse::<std::net::SocketAddr>().is_err() => wrong(
            "not an address with a port",
            "write for example \"127.0.0.1:9001\" or \"[::1]:9001\"",
        ),
        Kind::Ip if text.parse::<std::net::IpAddr>().is_err() => wrong(
            "not an IP address",
            "write for example \"127.0.0.2\" or \"::1\"",
        ),
        _ => Ok(()),
    }
}

fn name(text: &str) -> Result<(), Mismatch> {
    let hint =
        "a name has 1 to 100 letters, digits, `-`, `_` and `.`, and starts with a letter or digit";
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && text.len() <= 100 && text.chars().all(allowed) {
        return Ok(());
    }
    wrong("not a usable name: it names the results folder", hint)
}
