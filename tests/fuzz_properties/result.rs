//! Saved results: read, shown and written again, or refused with a reason and a hint.

use std::path::Path;

use wsbench::report::markdown;
use wsbench::report::terminal::{self, Look};
use wsbench::result::RunResult;

pub fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("result.json");
    let result = match RunResult::parse(&text, path) {
        Ok(result) => result,
        Err(error) => return assert!(error.to_string().contains("hint: "), "{error}"),
    };
    let look = Look {
        width: 80,
        color: false,
    };
    let shown = terminal::render(&result, look, None);
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(control), "{shown:?}");
    assert!(!markdown::render(&result).contains('\u{1b}'));
    let _ = (result.length(), wsbench::compare::exit(&result));
    for metric in result.summary.metrics.values() {
        super::histogram::decode(&metric.histogram);
    }
    RunResult::parse(&result.to_json(), path).expect("what we write, we read");
}
