//! An entry of the catalogue, whole, for the terminal.

use super::super::Look;
use super::super::page::{BOLD, DIM, Page};
use crate::probe::Finding;
use crate::probe::entry::Entry;
use crate::report::probe::words;

/// The page of one entry: all causes, all snippets.
pub fn explain(entry: &'static Entry, look: Look) -> String {
    let mut page = Page {
        text: String::new(),
        look,
    };
    page.line(BOLD, entry.title);
    let (layer, severity) = (words::layer(entry.layer), words::severity(entry.severity));
    page.line(DIM, &format!("  {layer}, {}, {severity}", entry.id));
    page.labelled("seen", [entry.evidence]);
    let finding = Finding::new(entry);
    let products: Vec<_> = entry.fixes.iter().map(|fix| fix.product).collect();
    page.body(&finding, &products);
    page.text
}
