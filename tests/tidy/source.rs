//! A source file as the rules see it: words and signs with their lines; no comments, no tests.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A word, a sign, a literal or a bracket.
#[derive(Clone, Debug)]
pub struct Lexeme {
    pub text: String,
    pub line: usize,
}

/// One file of code.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// As written.
    pub text: String,
    /// Without comments, doc comments and what is `#[cfg(test)]`.
    pub lexemes: Vec<Lexeme>,
    /// Names of `#[cfg(test)] mod NAME;`: files of tests.
    pub test_modules: Vec<String>,
}

impl Source {
    /// Reads `text` as Rust.
    pub fn new(path: &str, text: &str) -> Self {
        let tokens: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("read {path} as Rust: {error}"));
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            lexemes: Vec::new(),
            test_modules: Vec::new(),
        };
        source.flatten(tokens);
        source
    }

    /// The words that stand at `index` and after.
    pub fn is_at(&self, index: usize, words: &[&str]) -> bool {
        let here = self.lexemes.get(index..).unwrap_or_default();
        here.len() >= words.len()
            && here
                .iter()
                .zip(words)
                .all(|(have, want)| have.text == *want)
    }

    fn flatten(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            index += 1;
            if let Some(attribute) = attribute(&tokens[index - 1..]) {
                let name = attribute.stream().to_string();
                if name.starts_with("doc") {
                    index += 1;
                    continue;
                }
                if name.replace(' ', "") == "cfg(test)" {
                    index += 1;
                    index += self.skip_item(&tokens[index..]);
                    continue;
                }
            }
            match token {
                TokenTree::Group(group) => self.push_group(group),
                other => self.push(other.to_string(), other.span().start().line),
            }
        }
    }

    /// How many tokens the item takes that begins here.
    fn skip_item(&mut self, tokens: &[TokenTree]) -> usize {
        let ends = |token: &TokenTree| match token {
            TokenTree::Punct(sign) => sign.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            _ => false,
        };
        let length = tokens.iter().position(ends).map_or(tokens.len(), |i| i + 1);
        if let [.., keyword, name, TokenTree::Punct(_)] = &tokens[..length]
            && keyword.to_string() == "mod"
        {
            self.test_modules.push(name.to_string());
        }
        length
    }

    fn push_group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.push(open.to_owned(), group.span_open().start().line);
        self.flatten(group.stream());
        self.push(close.to_owned(), group.span_close().start().line);
    }

    fn push(&mut self, text: String, line: usize) {
        self.lexemes.push(Lexeme { text, line });
    }
}

/// The brackets of an outer attribute, when one begins here.
fn attribute(tokens: &[TokenTree]) -> Option<&Group> {
    match tokens {
        [TokenTree::Punct(sign), TokenTree::Group(group), ..]
            if sign.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group)
        }
        _ => None,
    }
}
