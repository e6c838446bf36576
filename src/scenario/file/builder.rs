//! What all builders share: the findings so far, the data set, the folder of the scenario.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::template::{Names, Template};
use super::super::{Context, DataSet};
use super::findings::Findings;
use super::section::Section;
use super::tree::Node;

/// Builds the domain types; each of them has its own file with more methods.
pub(super) struct Builder<'a> {
    /// Relative paths in the file start here.
    pub folder: &'a Path,
    /// Rows for `{{row.COLUMN}}`.
    pub data: Option<Arc<DataSet>>,
    pub findings: Findings,
    /// Steps so far, in all sessions.
    pub steps: usize,
    /// Regular expressions read so far.
    pub regexes: usize,
}

/// What a template may use where it stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Scope<'a> {
    /// Captured in earlier steps, by slot.
    pub captures: &'a [String],
    /// Captured anywhere in the session.
    pub all_captures: &'a [String],
    /// Whether there is a message (`seq`, `intended_us`).
    pub message: bool,
}

impl Builder<'_> {
    /// Compiles a template; one that is wrong is reported and becomes empty.
    pub(super) fn template(&mut self, node: &Node, scope: &Scope<'_>) -> Template {
        let empty = Template::literal("");
        let Some(text) = node.as_text().filter(|_| !node.unresolved) else {
            return empty;
        };
        let columns: &[String] = self.data.as_ref().map_or(&[], |data| &data.columns);
        let names = Names {
            captures: scope.captures,
            columns,
            message: scope.message,
        };
        match Template::parse(text, &names) {
            Ok(template) => template,
            Err(error) => {
                let place = node.place_within(error.offset, error.length);
                let name = text.get(error.offset..error.offset + error.length);
                let hint = match name {
                    Some(name) if scope.all_captures.iter().any(|known| known == name) => {
                        "it is captured in a later step only; move this step behind it".to_owned()
                    }
                    _ => error.hint,
                };
                // What the environment put there must not be shown.
                let message = if node.expanded.is_empty() {
                    error.message
                } else {
                    "the template is wrong after its variables were replaced".to_owned()
                };
                self.findings.value(&place, message, hint);
                empty
            }
        }
    }

    /// Renders a template of the target as clients will: once for each row if it uses rows.
    /// `check` gets the text and, if it uses rows, the row's number from 1; the first error ends it.
    pub(super) fn samples<E>(
        &self,
        template: &Template,
        mut check: impl FnMut(&str, Option<usize>) -> Result<(), E>,
    ) -> Result<(), E> {
        let rows: &[Vec<String>] = self.data.as_ref().map_or(&[], |data| &data.rows);
        let count = if template.uses_row() { rows.len() } else { 1 };
        let mut rng = fastrand::Rng::with_seed(1);
        let mut out = Vec::new();
        for index in 0..count {
            out.clear();
            let context = Context {
                client: index as u64,
                row: rows.get(index).map_or(&[], Vec::as_slice),
                ..Context::default()
            };
            template.render(&context, &mut rng, &mut out);
            let number = template.uses_row().then_some(index + 1);
            check(&String::from_utf8_lossy(&out), number)?;
        }
        Ok(())
    }

    /// The path of a file that must be there.
    pub(super) fn file(&mut self, section: &Section<'_>, key: &str) -> Option<PathBuf> {
        let path = section.path(key, self.folder)?;
        if section.get(key).is_some_and(|node| node.unresolved) {
            return None;
        }
        if let Err(error) = std::fs::File::open(&path) {
            let message = format!("cannot read the file: {}", reason(&error));
            let hint = "paths in a scenario are relative to the scenario's folder";
            self.findings.value(section.place(key), message, hint);
        }
        Some(path)
    }
}

/// Reads a whole file; what has no size, such as a device, may not have more than `limit` bytes either.
pub(super) fn read_at_most(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path)?.take(limit + 1);
    file.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("it has more than {limit} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// The operating system's reason without its number.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_ascii_lowercase()
}
