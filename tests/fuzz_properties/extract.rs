//! Values at JSON pointers, against the tree of serde_json. First pointers, one a line, then a line
//! of `---`, then the message.

use serde_json::Value;
use wsbench::engine::extract::Extractor;
use wsbench::scenario::Pointer;

pub fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pointers, message) = text.split_once("\n---\n").unwrap_or(("\n/a", &text));
    let pointers: Vec<Pointer> = pointers
        .split('\n')
        .filter_map(|line| match Pointer::parse(line) {
            Ok(pointer) => Some(pointer),
            Err(error) => {
                assert!(error.offset + error.length <= line.len(), "{error:?}");
                None
            }
        })
        .collect();
    let mut extractor = Extractor::new(&pointers);
    let values = extractor.extract(message);
    // Its errors are not ours: what no pointer leads to is skipped without looking inside.
    let Ok(tree) = serde_json::from_str::<Value>(message) else {
        return;
    };
    let values = values.expect("what is valid for a tree is valid");
    for (index, pointer) in pointers.iter().enumerate() {
        match (values.get(index), tree.pointer(&pointer.text)) {
            (None, None) => {}
            (Some(text), Some(Value::String(expected))) => assert_eq!(text, expected),
            (Some(text), Some(expected)) => {
                let value: Value = serde_json::from_str(text).expect("a value is JSON");
                assert_eq!(&value, expected);
            }
            (got, expected) => panic!("{:?}: {got:?}, expected {expected:?}", pointer.text),
        }
    }
}
