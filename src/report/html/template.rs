//! The page around what is shown: the real files beside this one, put together.
//!
//! A placeholder is `{{name}}` in `page.html`. The page may run its own script and use its own style
//! and load nothing: the policy in its head names both by their hashes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::markup::{Element, markup};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("chart.js");

/// What a page holds.
pub struct Page<'a, D> {
    /// Its title, and what is read aloud first.
    pub title: &'a str,
    /// What is seen, in order.
    pub body: &'a [Element],
    /// What the script reads.
    pub data: &'a D,
}

impl<D: Serialize> Page<'_, D> {
    /// The whole document.
    pub fn render(&self) -> String {
        let title = Element::new("title").text(self.title);
        fill(|name| match name {
            "title" => Some(markup([&title])),
            "style" => Some(STYLE.to_owned()),
            "script" => Some(SCRIPT.to_owned()),
            "style_hash" => Some(hash(STYLE)),
            "script_hash" => Some(hash(SCRIPT)),
            "body" => Some(markup(self.body)),
            "data" => Some(data(self.data)),
            _ => None,
        })
    }
}

/// The page with every placeholder replaced, once: what is put in is not looked at again.
fn fill(value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(&value(name).expect("page.html names what is there"));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// As a content security policy wants it.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// JSON that ends no element and opens no comment, whatever its strings hold.
pub fn data<D: Serialize>(data: &D) -> String {
    let json = serde_json::to_string(data).expect("keys are strings and floats finite or null");
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Outside strings JSON has none of these.
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_its_element() {
        let hostile = "</script><!-- ]]> \u{2028} \"quoted\" \0 &lt;";
        let text = data(&[hostile]);
        assert!(!text.contains(['<', '>', '&', '\u{2028}']), "{text}");
        let again: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(again, [hostile]);
    }

    #[test]
    fn every_placeholder_is_filled_once() {
        let body = [Element::new("p").text("{{data}}")];
        let page = Page {
            title: "{{style}}",
            body: &body,
            data: &1,
        };
        let page = page.render();
        assert!(page.contains("<p>{{data}}</p>") && page.contains("<title>{{style}}</title>"));
        assert_eq!(page.matches("{{").count(), 2);
    }

    #[test]
    fn the_page_loads_nothing() {
        for text in [PAGE, STYLE, SCRIPT] {
            for wrong in [
                "http:",
                "https:",
                "url(",
                "@import",
                "src=",
                "innerHTML",
                "eval(",
            ] {
                assert!(!text.contains(wrong), "{wrong}");
            }
        }
        assert!(PAGE.contains("default-src 'none'"));
    }
}
