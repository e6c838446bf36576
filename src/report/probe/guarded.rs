//! Markdown that text from elsewhere cannot break out of: no HTML, no link, no mention, no fence.

use crate::report::view::plain;

/// Marks that mean nothing to Markdown inside a word.
const HARMLESS: &str = ".,;:'()%/+-=?\"–—→…±×";

/// A paragraph: words that could mean something to Markdown or to GitHub stand in code spans, and so
/// does what stands between two backticks already.
pub fn inline(text: &str) -> String {
    let text = plain(text);
    let parts: Vec<&str> = text.split('`').collect();
    // A backtick without its partner is a character like others.
    if parts.len().is_multiple_of(2) {
        return words(&text, true);
    }
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => words(part, index == 0),
        _ => code(part),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Every word guarded; spaces stay as they are. `first`: the line begins here.
fn words(text: &str, first: bool) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut unsafe_words: Vec<&str> = Vec::new();
    for (index, word) in text.split(' ').enumerate() {
        if is_plain(word) && !(first && index == 0 && starts_a_block(word)) {
            flush(&mut out, &mut unsafe_words);
            out.push(word.to_owned());
        } else {
            unsafe_words.push(word);
        }
    }
    flush(&mut out, &mut unsafe_words);
    out.join(" ")
}

/// Several guarded words in a row are one span; marks around it stay outside.
fn flush(out: &mut Vec<String>, words: &mut Vec<&str>) {
    if words.is_empty() {
        return;
    }
    let text = words.join(" ");
    let rest = text.trim_start_matches(['(', '"', '\'']);
    let core = rest.trim_end_matches([',', '.', ';', ':', ')', '"', '\'']);
    let (before, after) = (&text[..text.len() - rest.len()], &rest[core.len()..]);
    out.push(format!("{before}{}{after}", code(core)));
    words.clear();
}

/// Nothing in it starts anything: letters and harmless marks, no number of an issue, no hash of a
/// commit, no name of a site.
fn is_plain(word: &str) -> bool {
    let harmless = |c: char| c.is_alphanumeric() || HARMLESS.contains(c);
    let digits = word.chars().any(|c| c.is_ascii_digit());
    let hash = word.len() >= 7 && digits && word.chars().all(|c| c.is_ascii_hexdigit());
    let lower = word.to_ascii_lowercase();
    word.chars().all(harmless)
        && !hash
        && !lower.contains("www.")
        && !lower.contains("://")
        && !lower.contains("gh-")
}

/// As the first word of a line it would start a list or underline a heading.
fn starts_a_block(word: &str) -> bool {
    let list = word.ends_with(['.', ')']) && word.starts_with(|c: char| c.is_ascii_digit());
    list || word.starts_with(['-', '+', '='])
}

/// A code span. Bars stand outside of it: inside a table they would end the cell.
pub fn code(text: &str) -> String {
    let text = plain(text);
    let parts = text.split('|').map(span);
    parts.collect::<Vec<_>>().join("&#124;")
}

fn span(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let ticks = "`".repeat(longest_run(text) + 1);
    // A backtick beside the fence, or a space on both sides, would be taken for part of it.
    let pad = if text.contains('`') || text.starts_with(' ') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A fenced block; its fence is longer than any in it.
pub fn fenced<'a>(kind: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<_> = lines.into_iter().map(plain).collect();
    let longest = lines.iter().map(|line| longest_run(line)).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    format!("{fence}{kind}\n{}\n{fence}\n", lines.join("\n"))
}

/// Backticks in a row.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_target_is_only_text() {
        for (text, expected) in [
            ("The server answered 426.", "The server answered 426."),
            ("a <script>x</script> b", "a `<script>x</script>` b"),
            (
                "see https://evil.example now",
                "see `https://evil.example` now",
            ),
            ("www.evil.example", "`www.evil.example`"),
            ("ping @team about #12", "ping `@team` about `#12`"),
            ("![x](y) and `tick`", "`![x](y`) and `tick`"),
            ("![x](y) and a ` tick", "`![x](y`) and a `` ` `` tick"),
            ("it (`ss -ltn`): x_y; `a`", "it (`ss -ltn`): `x_y`; `a`"),
            ("```<b>```", "`<b>`"),
            ("(EAI_AGAIN, x)", "(`EAI_AGAIN`, x)"),
            ("proxy_read_timeout 60s;", "`proxy_read_timeout` 60s;"),
            ("a|b", "`a`&#124;`b`"),
            ("GH-12 4f2a9c0012ab", "`GH-12 4f2a9c0012ab`"),
            ("- no list", "`-` no list"),
            ("1. no list", "`1`. no list"),
            ("x\n\n# y", "`x\\n\\n#` y"),
            ("", ""),
        ] {
            assert_eq!(inline(text), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_ends_a_fence_early() {
        let block = fenced("text", ["```", "<b>\x1b[0m"]);
        assert_eq!(block, "````text\n```\n<b>\\u{1b}[0m\n````\n");
        assert_eq!(fenced("text", ["a"]), "```text\na\n```\n");
        assert_eq!(code("a``b"), "``` a``b ```");
    }
}
