//! The catalogue of findings as a document and as a list, made of the entries that the checks use.

use super::guarded::{code, inline};
use super::markdown::push_remedies;
use super::words;
use crate::probe::Finding;
use crate::probe::entry::{Entry, Layer};

/// The Markdown document: every entry whole, from the lowest layer up. It stands in the rustdoc of
/// `probe`.
pub fn markdown(entries: &[&'static Entry]) -> String {
    let mut text = String::from(
        "# What a probe can find\n\n\
         Made of the entries that the checks use; `wsbench probe --explain` prints them.\n\n",
    );
    for (layer, entries) in by_layer(entries) {
        text += &format!("- {layer}: ");
        let names: Vec<_> = entries.iter().map(|entry| code(entry.id)).collect();
        text += &names.join(", ");
        text.push('\n');
    }
    text.push('\n');
    for (layer, entries) in by_layer(entries) {
        text += &format!("## {layer}\n\n");
        for entry in entries {
            text += &format!("### {}\n\n{}\n\n", code(entry.id), inline(entry.title));
            text += &format!("Recognised by: {}\n\n", inline(entry.evidence));
            text += &format!("Expected: {}\n\n", inline(entry.expected));
            push_remedies(&mut text, &Finding::new(entry));
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// One line an entry, by layer.
pub fn list(entries: &[&'static Entry]) -> String {
    let width = entries.iter().map(|e| e.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (layer, entries) in by_layer(entries) {
        text += &format!("{layer}\n");
        for entry in entries {
            text += &format!("  {:<width$}  {}\n", entry.id, entry.title);
        }
    }
    text
}

/// Layers that have entries, from the bottom.
fn by_layer(entries: &[&'static Entry]) -> Vec<(&'static str, Vec<&'static Entry>)> {
    let mut layers: Vec<Layer> = entries.iter().map(|entry| entry.layer).collect();
    layers.sort();
    layers.dedup();
    let of = |layer: Layer| entries.iter().copied().filter(move |e| e.layer == layer);
    layers
        .into_iter()
        .map(|layer| (words::layer(layer), of(layer).collect()))
        .collect()
}
