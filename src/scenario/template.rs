//! Text with holes, compiled once and rendered without parsing.

/// A compiled template. `{{...}}` holes: `client`, `seq`, `intended_us`, `uuid`, `text N`,
/// `random A B`, `row.COLUMN`, captured names, whole numbers, and `+ - * / %` with brackets on numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Box<str>),
}

/// What holes are filled from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Number of the client, from 0.
    pub client: u64,
    /// Number of this message among the client's messages, from 0.
    pub seq: u64,
    /// Unix time in microseconds at which the message was due.
    pub intended_us: u64,
    /// The client's captured values by slot; one not captured yet renders as nothing.
    pub captures: &'a [String],
    /// The client's row of the data set.
    pub row: &'a [String],
}

impl Template {
    /// A template without holes.
    pub fn literal(text: &str) -> Self {
        Self {
            parts: vec![Part::Literal(text.into())],
        }
    }

    /// Appends the rendered text. Allocates only when `out` has to grow.
    pub fn render(&self, context: &Context<'_>, rng: &mut fastrand::Rng, out: &mut Vec<u8>) {
        let _ = (context, rng);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
            }
        }
    }

    /// Whether rendering can differ between messages of one client.
    pub fn is_constant(&self) -> bool {
        true
    }
}
