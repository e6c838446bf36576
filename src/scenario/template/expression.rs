//! Arithmetic on whole numbers inside a hole.

use std::fmt;

use super::Context;

/// A tree of checked 64-bit arithmetic; at most [`MAX_DEPTH`] deep, so that evaluation cannot overflow
/// the stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Literal(i64),
    Client,
    Seq,
    Intended,
    Random { low: i64, high: i64 },
    Binary(Operator, Box<(Self, Self)>),
}

/// Deepest tree the parser makes.
pub(super) const MAX_DEPTH: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(super) const fn apply(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            // Never negative for a positive divisor: what dealing into groups wants.
            Self::Remainder => left.checked_rem_euclid(right),
        }
    }

    /// `*`, `/` and `%` bind tighter than `+` and `-`.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Add | Self::Subtract => 1,
            Self::Multiply | Self::Divide | Self::Remainder => 2,
        }
    }

    pub(super) const fn from_symbol(symbol: u8) -> Option<Self> {
        match symbol {
            b'+' => Some(Self::Add),
            b'-' => Some(Self::Subtract),
            b'*' => Some(Self::Multiply),
            b'/' => Some(Self::Divide),
            b'%' => Some(Self::Remainder),
            _ => None,
        }
    }

    const fn symbol(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
            Self::Remainder => '%',
        }
    }
}

impl Expression {
    /// The value, or `None` on overflow or division by zero.
    pub(super) fn value(&self, context: &Context<'_>, rng: &mut fastrand::Rng) -> Option<i64> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Client => i64::try_from(context.client).ok(),
            Self::Seq => i64::try_from(context.seq).ok(),
            Self::Intended => i64::try_from(context.intended_us).ok(),
            Self::Random { low, high } => Some(rng.i64(*low..=*high)),
            Self::Binary(operator, sides) => {
                let left = sides.0.value(context, rng)?;
                operator.apply(left, sides.1.value(context, rng)?)
            }
        }
    }

    pub(super) fn uses_seq(&self) -> bool {
        self.any(|leaf| matches!(leaf, Self::Seq))
    }

    pub(super) fn uses_intended(&self) -> bool {
        self.any(|leaf| matches!(leaf, Self::Intended))
    }

    pub(super) fn is_constant(&self) -> bool {
        !self.any(|leaf| !matches!(leaf, Self::Literal(_) | Self::Client))
    }

    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Binary(_, sides) => 1 + sides.0.depth().max(sides.1.depth()),
            _ => 1,
        }
    }

    /// Whether any leaf passes.
    fn any(&self, test: fn(&Self) -> bool) -> bool {
        match self {
            Self::Binary(_, sides) => sides.0.any(test) || sides.1.any(test),
            leaf => test(leaf),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => write!(f, "{value}"),
            Self::Client => f.write_str("client"),
            Self::Seq => f.write_str("seq"),
            Self::Intended => f.write_str("intended_us"),
            Self::Random { low, high } => write!(f, "random {low} {high}"),
            Self::Binary(operator, sides) => {
                let bracket = |side: &Self, least: u8| match side {
                    Self::Binary(inner, _) if inner.rank() < least => format!("({side})"),
                    _ => side.to_string(),
                };
                let rank = operator.rank();
                let (left, right) = (bracket(&sides.0, rank), bracket(&sides.1, rank + 1));
                write!(f, "{left} {} {right}", operator.symbol())
            }
        }
    }
}
