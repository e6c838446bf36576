//! `report.html`: a result as one page that needs no network and works without scripts.
//!
//! Everything is drawn and written here; `chart.js` only adds values on hover and lines that can be
//! hidden. The page's frame, style and script are the real files beside this one.

mod comparison;
pub mod markup;
mod plot;
mod run;
mod spectrum;
mod storms;
mod tables;
mod template;
mod timeline;

pub use comparison::render as comparison;
pub use run::render as run;

use markup::Element;
use plot::{Figure, Values};
use serde::Serialize;

/// What the script reads.
#[derive(Debug, Default, Serialize)]
struct Data {
    charts: Vec<Values>,
}

/// The page's body while it grows.
#[derive(Default)]
struct Body {
    elements: Vec<Element>,
    data: Data,
}

impl Body {
    /// A chapter, unless it is empty.
    fn section(&mut self, title: &str, content: Vec<Element>) {
        if !content.is_empty() {
            let heading = Element::new("h2").text(title);
            let section = Element::new("section").child(heading).children(content);
            self.elements.push(section);
        }
    }

    /// Charts side by side where there is room; `None` without any.
    fn figures(&mut self, figures: impl IntoIterator<Item = Figure>) -> Option<Element> {
        let mut drawn = Vec::new();
        for figure in figures {
            self.data.charts.extend(figure.values);
            drawn.push(figure.element);
        }
        (!drawn.is_empty()).then(|| Element::new("div").class("figures").children(drawn))
    }
}

#[cfg(test)]
mod tests;
