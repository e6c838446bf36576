//! What flags changed about a scenario, for its readers: the text alone does not tell what was run.

use std::collections::BTreeMap;

use super::Overrides;
use super::redact::{REDACTED, redact_url};

impl Overrides {
    /// The keys that flags gave another value, in the form of `--set`, the last of several winning.
    /// Values of headers are hidden, secrets elsewhere are not: redact before use.
    pub fn changes(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut change = |key: &str, value: String| {
            all.insert(key.to_owned(), value);
        };
        for (key, value) in &self.set {
            let hidden = key.starts_with("target.headers");
            change(
                key,
                if hidden {
                    REDACTED.to_owned()
                } else {
                    value.clone()
                },
            );
        }
        if let Some(url) = &self.target {
            change("target.url", redact_url(url));
        }
        for (name, _) in &self.headers {
            change(&format!("target.headers.{name}"), REDACTED.to_owned());
        }
        for (key, values) in [
            ("target.subprotocols", &self.subprotocols),
            ("target.source_addresses", &self.source_addresses),
        ] {
            if !values.is_empty() {
                change(key, values.join(", "));
            }
        }
        if self.insecure {
            change("target.tls.insecure", true.to_string());
        }
        for (key, path) in [
            ("target.tls.ca", &self.ca),
            ("target.tls.cert", &self.cert),
            ("target.tls.key", &self.key),
        ] {
            if let Some(path) = path {
                change(key, path.display().to_string());
            }
        }
        if let Some(name) = &self.server_name {
            change("target.tls.server_name", name.clone());
        }
        for (key, number) in [
            ("seed", self.seed),
            ("limits.dials_per_s", self.max_dials_per_s),
            ("limits.messages_per_s", self.max_messages_per_s),
            ("limits.clients", self.max_clients),
        ] {
            if let Some(number) = number {
                change(key, number.to_string());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_a_change_and_headers_are_hidden() {
        assert!(Overrides::default().changes().is_empty());
        let text = |text: &str| Some(text.to_owned());
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let overrides = Overrides {
            set: vec![
                set("load.drain", "1s"),
                set("load.drain", "2s"),
                set("target.headers.Cookie", "s3cret"),
            ],
            target: text("ws://h/chat?token=s3cret"),
            headers: vec![set("Authorization", "s3cret")],
            subprotocols: vec!["a".to_owned(), "b".to_owned()],
            insecure: true,
            ca: Some("ca.pem".into()),
            cert: Some("cert.pem".into()),
            key: Some("key.pem".into()),
            server_name: text("name"),
            source_addresses: vec!["127.0.0.2".to_owned()],
            seed: Some(7),
            max_dials_per_s: Some(1),
            max_messages_per_s: Some(2),
            max_clients: Some(3),
        };
        let changes = overrides.changes();
        let lines: Vec<_> = (changes.iter().map(|(key, value)| format!("{key}={value}"))).collect();
        let lines = lines.join("\n");
        assert!(!lines.contains("s3cret"), "{lines}");
        insta::assert_snapshot!(lines);
    }
}
