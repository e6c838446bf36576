//! The catalogue of findings as a document is what the entries say. After a change of an entry:
//! `UPDATE_README=1 cargo test --test probe_catalogue`.

use wsbench::probe::entry;
use wsbench::report::probe::catalogue;

/// It stands in the rustdoc of `probe`.
const PATH: &str = "src/probe/catalogue.md";

#[test]
fn the_document_is_what_the_entries_say() {
    let new = catalogue::markdown(&entry::all());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(PATH, new).expect("writable");
        return;
    }
    let old = std::fs::read_to_string(PATH).expect("the document is there");
    assert!(
        old == new,
        "run UPDATE_README=1 cargo test --test probe_catalogue"
    );
}

#[test]
fn every_entry_is_in_the_list_and_in_the_document() {
    let entries = entry::all();
    let (list, document) = (catalogue::list(&entries), catalogue::markdown(&entries));
    for entry in entries {
        assert!(list.contains(entry.id), "{}", entry.id);
        assert!(
            document.contains(&format!("### `{}`", entry.id)),
            "{}",
            entry.id
        );
    }
}
