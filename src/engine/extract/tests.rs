//! Agreement with a tree, and survival of anything.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn pointer(text: &str) -> Pointer {
    let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
    Pointer {
        text: text.into(),
        tokens: text.split('/').skip(1).map(unescape).collect(),
    }
}

fn extractor(pointers: &[&str]) -> Extractor {
    let pointers: Vec<Pointer> = pointers.iter().map(|text| pointer(text)).collect();
    Extractor::new(&pointers)
}

fn one(text: &str, at: &str) -> Option<String> {
    let mut extractor = extractor(&[at]);
    let values = extractor.extract(text)?;
    values.get(0).map(str::to_owned)
}

#[test]
fn scalars_containers_and_places() {
    for (text, at, expected) in [
        (r#"{"a":"x"}"#, "/a", Some("x")),
        (r#"{"a": 7 }"#, "/a", Some("7")),
        (r#"{"a":1.50}"#, "/a", Some("1.50")),
        (r#"{"a":null}"#, "/a", Some("null")),
        (r#"{"a":"\u00e9\n\"z"}"#, "/a", Some("é\n\"z")),
        (r#"{"a":""}"#, "/a", Some("")),
        (r#"{"a":{"b":[ 1, 2]}}"#, "/a", Some(r#"{"b":[ 1, 2]}"#)),
        (r#"{"a":{"b":[1,"two"]}}"#, "/a/b/1", Some("two")),
        (r#"[["x"]]"#, "/0/0", Some("x")),
        (r#"[1]"#, "/00", None),
        (r#"[1]"#, "/1", None),
        (r#"{"a":1}"#, "/b", None),
        (r#"{"a":1}"#, "/a/b", None),
        (r#"{"a/b":{"c~d":1}}"#, "/a~1b/c~0d", Some("1")),
        (r#"{"":1}"#, "/", Some("1")),
        ("  \"all\" ", "", Some("all")),
        (r#"{"a":1,"a":2}"#, "/a", Some("2")),
        (r#"{"a":{"b":1},"a":{}}"#, "/a/b", None),
        (r#"{"a":1} x"#, "/a", None),
        (r#"{"a":1,"#, "/a", None),
        ("", "", None),
    ] {
        assert_eq!(one(text, at).as_deref(), expected, "{at} in {text}");
    }
}

#[test]
fn pointers_may_share_and_nest() {
    let mut extractor = extractor(&["/a", "/a/b", "/c", "/a", ""]);
    let text = r#"{"c":"\t","a":{"b":"q\\"}}"#;
    let values = extractor.extract(text).unwrap();
    let got: Vec<_> = (0..6).map(|index| values.get(index)).collect();
    let a = Some(r#"{"b":"q\\"}"#);
    assert_eq!(got, [a, Some("q\\"), Some("\t"), a, Some(text), None]);
    assert!(extractor.extract("{\"a\":{\"b\":1}").is_none());
    assert_eq!(
        extractor.extract("{}").unwrap().get(0),
        None,
        "nothing is left over"
    );
}

#[test]
fn deep_nesting_is_refused_or_skipped_without_a_panic() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        one(&format!(r#"{{"x":{deep},"a":1}}"#), "/a").as_deref(),
        Some("1")
    );
    assert_eq!(
        one(&deep, "/0/0/0/0").map(|text| text.len()),
        Some(200_000 - 8)
    );
    let path = "/0".repeat(1000);
    assert_eq!(one(&deep, &path), None);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c\"\\\\\n/é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = "[ab/~\"]{0,1}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..4)
                .prop_map(|pairs| { Value::Object(pairs.into_iter().collect()) }),
        ]
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn agrees_with_a_tree(
        value in json(),
        paths in proptest::collection::vec("(/(a|b|0|1|~0|~1|\"|)){0,3}", 1..5),
        pretty: bool,
    ) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        let pointers: Vec<&str> = paths.iter().map(String::as_str).collect();
        let mut extractor = extractor(&pointers);
        let values = extractor.extract(&text).unwrap();
        for (index, path) in paths.iter().enumerate() {
            let tree = value.pointer(path);
            let ours = values.get(index);
            let container = tree.is_some_and(|v| v.is_object() || v.is_array());
            if pretty && container {
                let read: Option<Value> = ours.and_then(|raw| serde_json::from_str(raw).ok());
                prop_assert_eq!(read.as_ref(), tree);
            } else {
                prop_assert_eq!(ours.map(str::to_owned), tree.map(shown));
            }
        }
    }

    #[test]
    fn any_text_is_survived(text in "[\\[\\]{}:,\"\\\\a01 -]{0,24}", at in "(/(a|0|)){0,2}") {
        let tree = serde_json::from_str::<Value>(&text);
        let ours = one(&text, &at);
        match tree {
            Ok(tree) => prop_assert_eq!(ours.is_some(), tree.pointer(&at).is_some()),
            Err(_) => prop_assert_eq!(ours, None),
        }
    }
}
