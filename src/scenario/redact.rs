//! Keeps secrets out of what is printed and saved.
//!
//! Covers what a scenario knows to be secret: text from the environment, the server's token, query values
//! and credentials in headers. It does not know secrets inside payloads or data rows.

use std::borrow::Cow;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// `text` with every secret replaced. Secrets shorter than 8 bytes are replaced only where they stand by
/// themselves, so that a short one does not eat parts of other words and numbers.
pub fn redact<'a>(text: &'a str, secrets: &[String]) -> Cow<'a, str> {
    let mut longest_first: Vec<&str> = secrets.iter().map(String::as_str).collect();
    longest_first.retain(|secret| !secret.is_empty() && text.contains(*secret));
    longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut out = Cow::Borrowed(text);
    for secret in longest_first {
        if let Some(replaced) = replace(&out, secret) {
            out = Cow::Owned(replaced);
        }
    }
    out
}

fn replace(text: &str, secret: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for (at, _) in text.match_indices(secret) {
        let end = at + secret.len();
        let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let inside_a_word =
            joins(text[..at].chars().next_back()) || joins(text[end..].chars().next());
        if secret.len() < 8 && inside_a_word {
            continue;
        }
        out.push_str(&text[copied..at]);
        out.push_str(REDACTED);
        copied = end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// A URL with its query values, user name and password replaced; the names of parameters stay.
pub fn redact_url(url: &str) -> String {
    let (url, fragment) = match url.split_once('#') {
        Some((url, _)) => (url, "#[redacted]"),
        None => (url, ""),
    };
    let (base, query) = match url.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (url, None),
    };
    let mut out = match base.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            match authority.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://{REDACTED}@{host}{path}"),
                None => base.to_owned(),
            }
        }
        None => base.to_owned(),
    };
    for (index, pair) in query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .enumerate()
    {
        out.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) => out.push_str(&format!("{name}={REDACTED}")),
            // A bare word may be a token itself.
            None if pair.is_empty() => {}
            None => out.push_str(REDACTED),
        }
    }
    out.push_str(fragment);
    out
}

/// Parameters whose values are public facts about a protocol, not credentials.
const PUBLIC: [&str; 9] = [
    "eio",
    "transport",
    "vsn",
    "v",
    "version",
    "protocol",
    "format",
    "encoding",
    "room",
];

/// The values of a URL's query that may be credentials: four bytes and more, of parameters that are not
/// known to be public.
pub(super) fn query_secrets(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, value)| {
            value.len() >= 4 && !PUBLIC.contains(&name.to_ascii_lowercase().as_str())
        })
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// The credentials in a header's value, if the header carries any.
pub(super) fn header_secrets(name: &str, value: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let mut secrets = Vec::new();
    if name == "cookie" {
        let values = value.split(';').filter_map(|pair| pair.split_once('='));
        secrets.extend(values.map(|(_, value)| value.trim().to_owned()));
    } else if ["authorization", "token", "key", "secret"]
        .iter()
        .any(|part| name.contains(part))
    {
        // `Bearer x`: the token alone may show up elsewhere.
        secrets.extend(
            value
                .split_once(' ')
                .map(|(_, token)| token.trim().to_owned()),
        );
    } else {
        return secrets;
    }
    secrets.push(value.to_owned());
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_everywhere() {
        let secrets = [
            "my-secret".to_owned(),
            "my-secret-2".to_owned(),
            "abc".to_owned(),
            String::new(),
        ];
        for (text, expected) in [
            ("nothing here", "nothing here"),
            ("x my-secret y my-secret", "x [redacted] y [redacted]"),
            ("my-secret-2", "[redacted]"),
            ("token=abc&x", "token=[redacted]&x"),
            ("abcdef", "abcdef"),
            ("xmy-secretx", "x[redacted]x"),
        ] {
            assert_eq!(redact(text, &secrets), expected);
        }
        assert!(matches!(redact("plain", &secrets), Cow::Borrowed(_)));
    }

    #[test]
    fn urls_keep_their_shape() {
        for (url, expected) in [
            (
                "ws://h:1/p?token=x&a=b",
                "ws://h:1/p?token=[redacted]&a=[redacted]",
            ),
            ("ws://h/", "ws://h/"),
            ("ws://me:pw@h/p", "ws://[redacted]@h/p"),
            ("ws://h?raw", "ws://h?[redacted]"),
        ] {
            assert_eq!(redact_url(url), expected);
        }
    }

    #[test]
    fn credentials_are_found() {
        assert_eq!(
            query_secrets("ws://h/?EIO=4&transport=websocket&token=tttt&x=1"),
            ["tttt"]
        );
        assert_eq!(
            header_secrets("Authorization", "Bearer t0k"),
            ["t0k", "Bearer t0k"]
        );
        assert_eq!(
            header_secrets("cookie", "a=1234; b=x y"),
            ["1234", "x y", "a=1234; b=x y"]
        );
        assert!(header_secrets("Origin", "https://x").is_empty());
    }
}
