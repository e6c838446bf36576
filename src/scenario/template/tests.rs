use super::*;

fn names(columns: &[String]) -> Names<'_> {
    Names {
        captures: &[],
        columns,
        message: true,
    }
}

fn parse(text: &str) -> Template {
    Template::parse(text, &names(&[])).expect(text)
}

fn render(template: &Template, context: &Context<'_>) -> String {
    let mut out = Vec::new();
    template.render(context, &mut fastrand::Rng::with_seed(7), &mut out);
    String::from_utf8(out).expect("templates render text")
}

#[test]
fn holes_render_their_values() {
    let context = Context {
        client: 73,
        seq: 4,
        intended_us: 1_700_000_000_000_001,
        captures: &["secret".to_owned()],
        row: &["alice".to_owned(), "t0".to_owned()],
    };
    let captures = ["token".to_owned()];
    let columns = ["name".to_owned(), "key".to_owned()];
    let names = Names {
        captures: &captures,
        columns: &columns,
        message: true,
    };
    for (text, expected) in [
        ("plain", "plain"),
        ("", ""),
        (
            "{{client}}/{{ seq }}/{{intended_us}}",
            "73/4/1700000000000001",
        ),
        ("{{client % 50}}", "23"),
        ("{{(client + 1) * 2 - 3}}", "145"),
        ("{{client - 2 - 1}}", "70"),
        ("{{10 - 2 * 3}}", "4"),
        ("{{0 - client}}", "-73"),
        ("{{(seq - 10) % 4}}", "2"),
        ("{{client / (seq - 4)}}", "0"),
        ("{{9223372036854775807 + seq}}", "0"),
        ("{{row.key}}:{{row.name}}:{{token}}", "t0:alice:secret"),
        ("{{random 5 5}}", "5"),
        ("{{{{client}}", "{{client}}"),
        (r#"{"a":{"b":{{seq}}}}"#, r#"{"a":{"b":4}}"#),
        ("{{{seq}}}", "{4}"),
        ("{{{{{{seq}}", "{{4"),
        ("a } }} b", "a } }} b"),
    ] {
        let template = Template::parse(text, &names).expect(text);
        assert_eq!(render(&template, &context), expected, "{text}");
    }
}

#[test]
fn a_value_not_captured_yet_renders_as_nothing() {
    let captures = ["token".to_owned()];
    let names = Names {
        captures: &captures,
        ..Names::default()
    };
    let template = Template::parse("[{{token}}]", &names).expect("known name");
    assert_eq!(render(&template, &Context::default()), "[]");
}

#[test]
fn the_symbols_of_random_text_are_those_of_base64url() {
    let symbols: String = (0..64).map(|value| char::from(symbol(value))).collect();
    assert_eq!(symbols, base64::alphabet::URL_SAFE.as_str());
}

#[test]
fn random_holes_have_their_shape() {
    let mut rng = fastrand::Rng::with_seed(1);
    let draw = |text: &str, rng: &mut fastrand::Rng| {
        let mut out = Vec::new();
        parse(text).render(&Context::default(), rng, &mut out);
        String::from_utf8(out).expect("text")
    };
    let symbols = base64::alphabet::URL_SAFE.as_str();
    for length in [1, 9, 10, 11, 64, 1000] {
        let text = draw(&format!("{{{{text {length}}}}}"), &mut rng);
        assert_eq!(text.len(), length);
        assert!(text.chars().all(|c| symbols.contains(c)), "{text}");
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let uuid = draw("{{uuid}}", &mut rng);
        let bytes = uuid.as_bytes();
        assert_eq!(uuid.len(), 36);
        assert_eq!(bytes[14], b'4', "version of {uuid}");
        assert!(b"89ab".contains(&bytes[19]), "variant of {uuid}");
        seen.insert(uuid);
    }
    assert_eq!(seen.len(), 200);
    let faces: std::collections::BTreeSet<_> = (0..500)
        .map(|_| draw("{{random -1 2}}", &mut rng))
        .collect();
    assert_eq!(faces.into_iter().collect::<Vec<_>>(), ["-1", "0", "1", "2"]);
}

#[test]
fn errors_name_the_place() {
    for (text, offset, message) in [
        ("ab{{seq", 2, "not closed"),
        ("{{sqe}}", 2, "unknown name `sqe`"),
        ("x{{row.name}}", 7, "no column `name`"),
        ("{{row}}", 2, "needs a column"),
        ("{{}}", 2, "missing"),
        ("{{seq +}}", 7, "missing"),
        ("{{seq 3}}", 6, "`3` is not part"),
        ("{{(seq}}", 2, "bracket is not closed"),
        ("{{seq / 0}}", 6, "division by zero"),
        ("{{seq % (1 - 1)}}", 6, "division by zero"),
        ("{{9223372036854775807 + 1}}", 2, "64 bits"),
        ("{{9223372036854775808}}", 2, "64 bits"),
        ("{{random 6 1}}", 2, "larger than the second"),
        ("{{random 6}}", 2, "two whole numbers"),
        ("{{text}}", 6, "needs its length"),
        ("{{text 0}}", 7, "length from 1"),
        ("{{text 99999999999}}", 7, "length from 1"),
        ("{{uuid + 1}}", 7, "numbers only"),
        ("{{seq + uuid}}", 8, "not a number"),
    ] {
        let error = Template::parse(text, &names(&[])).expect_err(text);
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!(error.offset, offset, "{text}: {error}");
    }
    let deep = format!("{{{{{}seq{}}}}}", "(".repeat(5_000), ")".repeat(5_000));
    let wide = format!("{{{{seq{}}}}}", " + seq".repeat(5_000));
    for text in [deep, wide] {
        let error = Template::parse(&text, &names(&[])).expect_err("too deep");
        assert!(error.message.contains("deeper than 32"), "{error}");
    }
    let quiet = Names::default();
    let error = Template::parse("{{seq}}", &quiet).expect_err("no message");
    assert!(error.message.contains("no message"), "{error}");
}

#[test]
fn properties_are_seen_through_arithmetic() {
    assert!(parse("{{client % 50}} x").is_constant());
    assert!(!parse("{{client % 50}} x").is_literal());
    assert!(parse("x").is_literal());
    for text in [
        "{{seq}}",
        "{{uuid}}",
        "{{text 3}}",
        "{{random 1 2}}",
        "{{intended_us}}",
    ] {
        assert!(!parse(text).is_constant(), "{text}");
    }
    assert!(parse("{{1 + (seq * 2)}}").uses_seq());
    assert!(parse("{{intended_us / 1000}}").uses_intended());
    assert!(!parse("{{client}} seq").uses_seq());
}

proptest::proptest! {
    #[test]
    fn what_is_printed_reads_back(text in "([{}]{1,5}|[a-c \"]|\\{\\{(seq|client % 5|text 3|uuid|random -1 4|\\(seq \\+ 1\\) \\* 2|3 - \\(seq - 1\\))\\}\\}){0,8}") {
        if let Ok(template) = Template::parse(&text, &names(&[])) {
            let again = Template::parse(&template.to_string(), &names(&[]));
            proptest::prop_assert_eq!(again, Ok(template));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let text = format!("{{{{{text}");
        if let Err(error) = Template::parse(&text, &names(&[])) {
            proptest::prop_assert!(text.is_char_boundary(error.offset));
            proptest::prop_assert!(text.is_char_boundary(error.offset + error.length));
        }
    }
}
