//! Elements of a page, written so that no text can become markup.
//!
//! Text and attributes pass [`printable`] and are escaped here and nowhere else, so that a string a
//! server chose stays a string whatever it holds.

use std::fmt::Display;

use crate::result::text::printable;

/// An element with what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// An empty one.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// With an attribute.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// With classes of the style sheet.
    pub fn class(self, classes: impl Display) -> Self {
        self.with("class", classes)
    }

    /// With text after what it holds already.
    pub fn text(mut self, text: impl Display) -> Self {
        self.children.push(Node::Text(text.to_string()));
        self
    }

    /// With one more child.
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// With more children.
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children
            .extend(children.into_iter().map(Node::Element));
        self
    }

    /// Appends its markup.
    pub fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => escape(text, out),
            }
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }
}

/// The markup of elements one after another.
pub fn markup<'a>(elements: impl IntoIterator<Item = &'a Element>) -> String {
    let mut out = String::new();
    for element in elements {
        element.write(&mut out);
        out.push('\n');
    }
    out
}

/// Text that is neither a tag nor an entity; line ends stay, other control characters are shown.
pub fn escape(text: &str, out: &mut String) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for c in printable(line).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c => out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_end_early() {
        let element = Element::new("p")
            .with("title", "\"><script>'")
            .text("</p><img onerror=x>\u{202e}\0&\nnext")
            .child(Element::new("b").text("bold"));
        assert_eq!(
            markup([&element]),
            "<p title=\"&quot;&gt;&lt;script&gt;&#39;\">&lt;/p&gt;&lt;img onerror=x&gt;\\u{202e}\\u{0}\
             &amp;\nnext<b>bold</b></p>\n"
        );
    }
}
