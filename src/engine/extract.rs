//! Values at JSON pointers, taken from a text message in one pass.
//!
//! No tree is built: the parser descends only where a pointer leads and skips the rest. A string yields
//! its content, any other value its JSON text exactly as it came (`1.0` stays `1.0`). As in
//! `serde_json::Value`, the last of several equal keys counts. Invalid JSON yields nothing at all, even
//! if a pointer was found before the error. Warm, a message costs no allocation.

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::scenario::Pointer;

/// Extracts the values at a fixed list of pointers; one for each session of a shard.
#[derive(Clone, Debug)]
pub struct Extractor {
    nodes: Vec<Node>,
    /// For each pointer, in the caller's order: its place in `spans`.
    places: Vec<usize>,
    spans: Vec<Span>,
    /// Unescaped strings of the current message.
    unescaped: String,
}

/// A reference token prefix shared by one or more pointers.
#[derive(Clone, Debug, Default)]
struct Node {
    children: Vec<Child>,
    /// Where the value at this node goes, if a pointer ends here.
    place: Option<usize>,
}

#[derive(Clone, Debug)]
struct Child {
    token: String,
    /// The token as an array index (RFC 6901 4: digits without a leading zero).
    index: Option<usize>,
    node: usize,
}

/// Where a value's text is.
#[derive(Clone, Copy, Debug, Default)]
enum Span {
    #[default]
    Missing,
    /// Bytes of the message.
    Message(usize, usize),
    /// Bytes of `unescaped`.
    Unescaped(usize, usize),
}

/// The values of one message, by the index of their pointer.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    extractor: &'a Extractor,
    message: &'a str,
}

impl<'a> Values<'a> {
    /// The text of the value at pointer `index`; `None` when the message has none there.
    pub fn get(&self, index: usize) -> Option<&'a str> {
        let place = *self.extractor.places.get(index)?;
        match *self.extractor.spans.get(place)? {
            Span::Missing => None,
            Span::Message(start, end) => self.message.get(start..end),
            Span::Unescaped(start, end) => self.extractor.unescaped.get(start..end),
        }
    }
}

impl Extractor {
    /// Compiles pointers; equal ones share their work.
    pub fn new(pointers: &[Pointer]) -> Self {
        let mut extractor = Self {
            nodes: vec![Node::default()],
            places: Vec::with_capacity(pointers.len()),
            spans: Vec::new(),
            unescaped: String::new(),
        };
        for pointer in pointers {
            let leaf = pointer
                .tokens
                .iter()
                .fold(0, |node, token| extractor.descend(node, token));
            let fresh = extractor.spans.len();
            let place = *extractor.nodes[leaf].place.get_or_insert(fresh);
            if place == fresh {
                extractor.spans.push(Span::Missing);
            }
            extractor.places.push(place);
        }
        extractor
    }

    /// Parses a message; `None` when it is not valid JSON.
    pub fn extract<'a>(&'a mut self, message: &'a str) -> Option<Values<'a>> {
        self.parse(message).then(|| self.values(message))
    }

    /// The first half of [`Extractor::extract`]: whether `message` is valid JSON.
    pub fn parse(&mut self, message: &str) -> bool {
        self.spans.fill(Span::Missing);
        self.unescaped.clear();
        let mut walk = Walk {
            nodes: &self.nodes,
            spans: &mut self.spans,
            unescaped: &mut self.unescaped,
            message,
        };
        let parsed = walk.value(0, message);
        if parsed.is_err() {
            self.spans.fill(Span::Missing);
        }
        parsed.is_ok()
    }

    /// The second half: the values of the message parsed last, which must be given again.
    pub fn values<'a>(&'a self, message: &'a str) -> Values<'a> {
        Values {
            extractor: self,
            message,
        }
    }

    fn descend(&mut self, node: usize, token: &str) -> usize {
        let children = &self.nodes[node].children;
        if let Some(known) = children.iter().find(|child| child.token == token) {
            return known.node;
        }
        let fresh = self.nodes.len();
        self.nodes.push(Node::default());
        self.nodes[node].children.push(Child {
            token: token.to_owned(),
            index: array_index(token),
            node: fresh,
        });
        fresh
    }
}

/// RFC 6901 4: `0`, or digits that do not begin with `0`.
fn array_index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = token.len() > 1 && token.starts_with('0');
    if !digits || leading_zero {
        return None;
    }
    token.parse().ok()
}

/// What one pass over a message needs.
struct Walk<'w, 'm> {
    nodes: &'w [Node],
    spans: &'w mut [Span],
    unescaped: &'w mut String,
    message: &'m str,
}

impl<'m> Walk<'_, 'm> {
    /// Walks a complete JSON text, which is the message or a part of it.
    fn value(&mut self, node: usize, text: &'m str) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_str(text);
        Seat { walk: self, node }.deserialize(&mut json)?;
        json.end()
    }

    /// Stores a value's raw JSON text.
    fn store(&mut self, place: usize, raw: &'m str) -> serde_json::Result<()> {
        let start = raw.as_ptr() as usize - self.message.as_ptr() as usize;
        let end = start + raw.len();
        self.spans[place] = match raw.strip_prefix('"') {
            None => Span::Message(start, end),
            Some(content) if !content.contains('\\') => Span::Message(start + 1, end - 1),
            Some(_) => {
                let from = self.unescaped.len();
                let mut json = serde_json::Deserializer::from_str(raw);
                json.deserialize_str(Append(self.unescaped))?;
                Span::Unescaped(from, self.unescaped.len())
            }
        };
        Ok(())
    }

    /// Forgets what an earlier equal key left at and below a node.
    fn forget(&mut self, node: usize) {
        let nodes = self.nodes;
        if let Some(place) = nodes[node].place {
            self.spans[place] = Span::Missing;
        }
        for child in &nodes[node].children {
            self.forget(child.node);
        }
    }
}

/// The parser's place in the tree of pointers.
struct Seat<'s, 'w, 'm> {
    walk: &'s mut Walk<'w, 'm>,
    node: usize,
}

impl<'m> DeserializeSeed<'m> for Seat<'_, '_, 'm> {
    type Value = ();

    fn deserialize<D: Deserializer<'m>>(self, json: D) -> Result<(), D::Error> {
        let node = &self.walk.nodes[self.node];
        let Some(place) = node.place else {
            return json.deserialize_any(self);
        };
        let raw = <&RawValue as de::Deserialize>::deserialize(json)?.get();
        self.walk.store(place, raw).map_err(de::Error::custom)?;
        if node.children.is_empty() || !raw.starts_with(['{', '[']) {
            return Ok(());
        }
        // Another pointer leads further down: the value is read a second time, without its text.
        let mut json = serde_json::Deserializer::from_str(raw);
        json.deserialize_any(self).map_err(de::Error::custom)
    }
}

impl<'m> Visitor<'m> for Seat<'_, '_, 'm> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'m>>(self, mut map: A) -> Result<(), A::Error> {
        let nodes = self.walk.nodes;
        let children = &nodes[self.node].children;
        while let Some(key) = map.next_key_seed(Key(children))? {
            let Some(node) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.walk.forget(node);
            map.next_value_seed(Seat {
                walk: &mut *self.walk,
                node,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'m>>(self, mut seq: A) -> Result<(), A::Error> {
        let nodes = self.walk.nodes;
        let children = &nodes[self.node].children;
        for index in 0.. {
            let child = children.iter().find(|child| child.index == Some(index));
            let more = match child {
                None => seq.next_element::<IgnoredAny>()?.is_some(),
                Some(child) => {
                    let seat = Seat {
                        walk: &mut *self.walk,
                        node: child.node,
                    };
                    seq.next_element_seed(seat)?.is_some()
                }
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Finds the node an object's key leads to.
struct Key<'k>(&'k [Child]);

impl<'m> DeserializeSeed<'m> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'m>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        let child = self.0.iter().find(|child| child.token == key);
        Ok(child.map(|child| child.node))
    }
}

/// Appends a string's content without a temporary one.
struct Append<'b>(&'b mut String);

impl Visitor<'_> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
