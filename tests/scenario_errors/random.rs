//! Whatever the text or the flag: an answer, never a panic.

use wsbench::scenario::Overrides;

use super::{echo, read};

fn scenario_like() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let word = prop::sample::select(vec![
        "name",
        "target",
        "url",
        "load",
        "stages",
        "clients",
        "duration",
        "session",
        "step",
        "send",
        "every",
        "expect",
        "json",
        "heartbeat",
        "style",
        "thresholds",
        "data",
        "repeat",
        "steps",
        "\"ws://h/\"",
        "\"1s\"",
        "\"x\"",
        "5",
        "-1",
        "1e999",
        "nan",
        "true",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\n",
        "[[",
        "]]",
        "\"${\"",
        "\"{{\"",
        "'{{seq % 0}}'",
        "\"\"\"",
        "#",
        "\r\n",
        "\u{feff}",
        "é",
        "1979-05-27",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.join(" "))
}

proptest::proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,200}") {
        let _ = read("x.toml", &text, &Overrides::default()).map_err(|problems| problems.render(true));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = read("x.toml", &text, &Overrides::default()).map_err(|problems| problems.render(false));
    }

    #[test]
    fn ends_of_lines_of_any_kind_never_panic(text in "[a=\u{1}\r\n]{0,12}") {
        let _ = read("x.toml", &text, &Overrides::default()).map_err(|problems| problems.render(false));
    }

    #[test]
    fn likely_mistakes_never_panic(text in scenario_like()) {
        let _ = read("x.toml", &text, &Overrides::default()).map_err(|problems| problems.render(false));
    }

    #[test]
    fn mutated_scenarios_never_panic(at in 0usize..2000, cut in 0usize..20, insert in "\\PC{0,5}") {
        let mut text = std::fs::read_to_string("scenarios/chat.toml").expect("readable");
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        if text.is_char_boundary(start) && text.is_char_boundary(end) {
            text.replace_range(start..end, &insert);
        }
        let _ = read("x.toml", &text, &Overrides::default()).map_err(|problems| problems.render(false));
    }

    #[test]
    fn any_set_flag_never_panics(path in "[a-z.0-9\"]{0,20}", value in "\\PC{0,10}") {
        let overrides = Overrides { set: vec![(path, value)], ..Overrides::default() };
        let _ = echo(&overrides).map_err(|problems| problems.render(false));
    }
}
