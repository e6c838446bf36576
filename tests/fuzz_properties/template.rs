//! Templates: an error has its place, what compiles renders the same twice and reads back.

use wsbench::scenario::{Context, Names, Template};

/// What the longest template of a fuzzer may render to: random text is bounded, the rest is small.
const LARGEST: usize = 64 << 20;

pub fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let captures = ["token", "id", "é"].map(str::to_owned);
    let columns = ["user", "key"].map(str::to_owned);
    for message in [true, false] {
        let names = Names {
            captures: &captures,
            columns: &columns,
            message,
        };
        let template = match Template::parse(&text, &names) {
            Ok(template) => template,
            Err(error) => {
                assert!(error.offset + error.length <= text.len(), "{error:?}");
                assert!(!error.message.is_empty() && !error.hint.is_empty());
                continue;
            }
        };
        let context = Context {
            client: 3,
            seq: u64::MAX,
            intended_us: 7,
            captures: &captures[..2],
            row: &columns,
        };
        let rendered = render(&template, &context);
        assert!(rendered.len() <= LARGEST, "{} bytes", rendered.len());
        let again = Template::parse(&template.to_string(), &names);
        let again = again.unwrap_or_else(|error| panic!("{template}: {error}"));
        assert_eq!(rendered, render(&again, &context), "{template}");
    }
}

fn render(template: &Template, context: &Context<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    template.render(context, &mut fastrand::Rng::with_seed(1), &mut out);
    out
}
