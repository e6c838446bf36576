//! Strings that came from elsewhere, made safe to show and to save.
//!
//! A server chooses its close reasons and error bodies; they must not move the cursor, reverse the
//! line, or start a formula in a spreadsheet (RELIABILITY 4.2 no. 12).

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with control characters, line ends and bidirectional overrides written as `\u{1b}`.
/// Applying it twice changes nothing more.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_dangerous(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes every write");
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// [`printable`], and a leading `=`, `+`, `-` or `@` disarmed with an apostrophe, as spreadsheets
/// would run it as a formula (OWASP, CSV injection). Only for text cells: numbers stay numbers.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let text = printable(text);
    if text.starts_with(['=', '+', '-', '@']) {
        return Cow::Owned(format!("'{text}"));
    }
    text
}

/// Control characters, and the format characters that reorder or hide text (Unicode UAX #9, #44).
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        for (raw, shown) in [
            ("plain ünï 東京", "plain ünï 東京"),
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("\u{9b}31m\0", "\\u{9b}31m\\u{0}"),
        ] {
            assert_eq!(printable(raw), shown);
            assert_eq!(printable(&printable(raw)), shown, "twice");
        }
    }

    #[test]
    fn formulas_are_disarmed() {
        for (raw, cell) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("+2", "'+2"),
            ("\t=1", "\\t=1"),
            ("refused", "refused"),
        ] {
            assert_eq!(csv_cell(raw), cell);
        }
    }
}
