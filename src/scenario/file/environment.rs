//! `${NAME}` and `${NAME:-default}` in text; `$${` stands for `${`.

/// Looks a variable up.
pub(super) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A text with its references replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expansion {
    pub text: String,
    /// Values that came from the environment (not defaults: those stand in the file).
    pub from_environment: Vec<String>,
}

/// A reference that cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExpansionError {
    pub offset: usize,
    pub length: usize,
    pub message: String,
    pub hint: String,
}

/// Replaces every reference; `env` looks a variable up.
pub(super) fn expand(text: &str, env: &Environment<'_>) -> Result<Expansion, ExpansionError> {
    let mut out = Expansion {
        text: String::new(),
        from_environment: Vec::new(),
    };
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            out.text.push_str(&text[at..start - 1]);
            out.text.push_str("${");
            at = start + 2;
            continue;
        }
        out.text.push_str(&text[at..start]);
        let length = text[start..].find('}').ok_or_else(|| ExpansionError {
            offset: start,
            length: 2,
            message: "`${` is not closed".to_owned(),
            hint: "close it with `}`; to send `${` itself write `$${`".to_owned(),
        })?;
        let reference = &text[start + 2..start + length];
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(is_name)
        {
            return Err(ExpansionError {
                offset: start,
                length: length + 1,
                message: "not the name of an environment variable".to_owned(),
                hint: "write ${NAME} or ${NAME:-default}; to send `${` itself write `$${`"
                    .to_owned(),
            });
        }
        match (env(name), default) {
            // As in a shell, `:-` also replaces an empty value.
            (Some(value), default) if !value.is_empty() || default.is_none() => {
                out.text.push_str(&value);
                out.from_environment.push(value);
            }
            (_, Some(default)) => out.text.push_str(default),
            (_, None) => {
                return Err(ExpansionError {
                    offset: start,
                    length: length + 1,
                    message: format!("the environment variable {name} is not set"),
                    hint: format!("set it, or give a default: ${{{name}:-default}}"),
                });
            }
        }
        at = start + length + 1;
    }
    out.text.push_str(&text[at..]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced_and_remembered() {
        for (text, expected, from_environment) in [
            ("plain", "plain", vec![]),
            ("a ${TOKEN} b", "a s3cret b", vec!["s3cret"]),
            ("${NONE:-x y}", "x y", vec![]),
            ("${TOKEN:-x}", "s3cret", vec!["s3cret"]),
            ("${EMPTY:-x}", "x", vec![]),
            ("${EMPTY}", "", vec![""]),
            ("$${TOKEN} $5", "${TOKEN} $5", vec![]),
        ] {
            let expansion = expand(text, &env).expect(text);
            assert_eq!(expansion.text, expected, "{text}");
            assert_eq!(expansion.from_environment, from_environment, "{text}");
        }
    }

    #[test]
    fn bad_references_name_their_place() {
        for (text, offset, message) in [
            ("a ${NONE}", 2, "NONE is not set"),
            ("${TOKEN", 0, "not closed"),
            ("${}", 0, "not the name"),
            ("${a b}", 0, "not the name"),
            ("${1A}", 0, "not the name"),
        ] {
            let error = expand(text, &env).expect_err(text);
            assert_eq!(error.offset, offset, "{text}");
            assert!(error.message.contains(message), "{}", error.message);
        }
    }
}
