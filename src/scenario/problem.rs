//! What is wrong with a scenario: every problem at once, each with file, line, column, a caret and a hint.
//!
//! A problem points into a text: the scenario file or one flag of the command line. Texts are shown as
//! they were written, with `${ENV}` unexpanded, so no secret from the environment is printed.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

/// A text that problems point into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceText {
    /// The file's name or the flag.
    pub name: String,
    /// As written.
    pub text: String,
}

/// Where something stands: which text, and the bytes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the [`SourceText`]; 0 is the file.
    pub source: usize,
    /// Bytes.
    pub span: Range<usize>,
}

/// How a problem came about; decides what to leave out when the syntax is broken too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not TOML, or not readable at all.
    Syntax,
    /// Something needed is not there.
    Missing,
    /// One key or value is wrong by itself.
    Value,
    /// Values that are right alone do not fit together.
    Contradiction,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) kind: Kind,
    pub(super) place: Option<Place>,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Problem {
    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead; may be empty.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// Everything that is wrong with a scenario; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    sources: Vec<SourceText>,
    list: Vec<Problem>,
}

const WHOLE: Place = Place {
    source: 0,
    span: 0..0,
};
/// Problems looked for; a file with more is not one that was meant to be a scenario.
pub(super) const MAX_KEPT: usize = 200;
/// Problems shown in full; the rest are counted.
const MAX_SHOWN: usize = 50;
/// Lines longer than this are shown without their text.
const MAX_LINE: usize = 2_000;

impl Problems {
    pub(super) fn new(sources: Vec<SourceText>, mut list: Vec<Problem>) -> Self {
        let order = |p: &Problem| p.place.as_ref().map(|at| (at.source, at.span.start));
        list.sort_by_key(|p| order(p).unwrap_or((0, usize::MAX)));
        list.dedup();
        Self { sources, list }
    }

    /// A problem with the scenario as a whole, before any of it was read.
    pub fn whole(name: &str, message: String, hint: &str) -> Self {
        let source = SourceText {
            name: name.to_owned(),
            text: String::new(),
        };
        let problem = Problem {
            kind: Kind::Syntax,
            place: None,
            message,
            hint: hint.to_owned(),
        };
        Self::new(vec![source], vec![problem])
    }

    /// In the order of the file, then of the flags.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// All problems as text for a terminal: file:line:column, the line, a caret and a hint for each.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut out = String::new();
        for problem in self.list.iter().take(MAX_SHOWN) {
            out.push_str(&self.render_one(problem, &renderer));
            out.push_str("\n\n");
        }
        let count = self.list.len();
        if count > MAX_SHOWN {
            out.push_str(&format!("... and {} more\n", count - MAX_SHOWN));
        }
        let noun = if count == 1 { "problem" } else { "problems" };
        let name = self.sources.first().map_or("the scenario", |s| &s.name);
        let least = if count >= MAX_KEPT { "at least " } else { "" };
        out.push_str(&format!("{least}{count} {noun} in {name}; nothing was run"));
        out
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let mut group = Level::ERROR
            .primary_title(problem.message.as_str())
            .elements(std::iter::empty::<Origin<'_>>());
        // The file as a whole stands nowhere in it.
        let at = problem.place.as_ref().filter(|at| *at != &WHOLE);
        let source = at.map_or(0, |place| place.source);
        match (at, self.sources.get(source)) {
            (Some(place), Some(source)) => {
                let span = on_boundaries(&source.text, &place.span);
                let start = source.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
                let end = source.text[start..]
                    .find('\n')
                    .map_or(source.text.len(), |n| start + n);
                let line = source.text[..start].matches('\n').count() + 1;
                if end - start > MAX_LINE {
                    let column = source.text[start..span.start].chars().count() + 1;
                    let origin = Origin::path(source.name.as_str())
                        .line(line)
                        .char_column(column);
                    group = group.element(origin);
                } else {
                    let shown = source.text[start..end].trim_end_matches('\r');
                    // One behind the last character is as far as a caret goes.
                    let last = shown.len() + 1;
                    let from = (span.start - start).min(last);
                    let within = from..(span.end.min(end).max(start) - start).clamp(from, last);
                    let snippet = Snippet::source(shown)
                        .path(source.name.as_str())
                        .line_start(line)
                        .annotation(AnnotationKind::Primary.span(within));
                    group = group.element(snippet);
                }
            }
            (None, Some(source)) => group = group.element(Origin::path(source.name.as_str())),
            (_, None) => {}
        }
        if !problem.hint.is_empty() {
            group = group.element(Level::HELP.with_name("hint").message(problem.hint.as_str()));
        }
        renderer.render(&[group])
    }
}

/// The span cut to the text and widened to whole characters.
fn on_boundaries(text: &str, span: &Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}
