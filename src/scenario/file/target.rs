//! `[target]`: URLs, headers, subprotocols, TLS.

use std::net::IpAddr;

use super::super::address::Address;
use super::super::problem::{Kind as ProblemKind, Place};
use super::super::redact::{header_secrets, query_secrets};
use super::super::{ResolveOverride, Target, Template, TlsPlan, Warning};
use super::builder::{Builder, Scope};
use super::section::Section;
use super::server::ServerAddress;
use super::tables;
use super::tree::{Entry, Node};

/// Headers that the handshake writes itself, and where to set what they say.
const OWN_HEADERS: [(&str, &str); 9] = [
    ("connection", "the handshake needs its own value"),
    ("upgrade", "the handshake needs its own value"),
    ("sec-websocket-key", "it is drawn anew for every handshake"),
    ("sec-websocket-version", "it is always 13"),
    ("sec-websocket-accept", "only servers send it"),
    (
        "sec-websocket-protocol",
        "write target.subprotocols instead",
    ),
    (
        "sec-websocket-extensions",
        "extensions are not supported yet",
    ),
    ("content-length", "the upgrade request has no body"),
    ("transfer-encoding", "the upgrade request has no body"),
];

impl Builder<'_> {
    /// The target; its URL is the server's when it has none. Also gives the first URL.
    pub(super) fn target(
        &mut self,
        section: &Section<'_>,
        server: Option<&ServerAddress>,
    ) -> (Target, Option<Address>) {
        let (urls, addresses) = self.urls(section, server);
        let headers = self.headers(section.entries("headers"));
        let subprotocols = self.subprotocols(section.list("subprotocols"));
        let mut tls = self.tls(&section.child("tls", &tables::TLS));
        let uses_tls = addresses.iter().any(|address| address.tls);
        if !uses_tls && section.child("tls", &tables::TLS).is_there() && !addresses.is_empty() {
            self.findings.warnings.push(Warning::TlsUnused);
        }
        let self_signed = uses_tls && server.is_some_and(|s| s.self_signed) && tls.ca.is_none();
        if self_signed || (tls.insecure && uses_tls) {
            let self_signed = self_signed && !tls.insecure;
            tls.insecure = true;
            self.findings
                .warnings
                .push(Warning::Insecure { self_signed });
        }
        let (max_message, max_frame) = self.limits(section);
        let target = Target {
            urls,
            headers,
            subprotocols,
            tls,
            connect_timeout: section.time("connect_timeout"),
            close_timeout: section.time("close_timeout"),
            nodelay: section.flag("nodelay"),
            source_addresses: ips(section.list("source_addresses")),
            resolve: self.resolve(section.list("resolve")),
            max_message,
            max_frame,
        };
        (target, addresses.into_iter().next())
    }

    /// `max_message` and `max_frame` with what is left out or cannot be.
    pub(super) fn limits(&mut self, section: &Section<'_>) -> (usize, usize) {
        let max_message = section.optional_bytes("max_message").unwrap_or_default();
        let max_frame = section.optional_bytes("max_frame").unwrap_or(max_message);
        if max_frame > max_message {
            let effective = max_message;
            self.findings
                .warnings
                .push(Warning::FrameLimit { effective });
        }
        (max_message, max_frame.min(max_message))
    }

    fn urls(
        &mut self,
        section: &Section<'_>,
        server: Option<&ServerAddress>,
    ) -> (Vec<Template>, Vec<Address>) {
        let (one, many) = (section.get("url"), section.get("urls"));
        if one.is_some() && many.is_some() {
            let place = section.key_place("urls");
            let hint = "keep one of them";
            self.findings
                .contradiction(place, "the target has both `url` and `urls`", hint);
        }
        let nodes: Vec<&Node> = one.into_iter().chain(section.list("urls")).collect();
        if nodes.is_empty() && one.is_none() && many.is_none() {
            let Some(server) = server else {
                let hint = "write url = \"ws://...\" under [target], add a [server] table, or give --target";
                let message = "the scenario has no URL to test";
                self.findings
                    .add(ProblemKind::Missing, section.owner(), message, hint);
                return (Vec::new(), Vec::new());
            };
            self.findings.secrets.extend(query_secrets(&server.url));
            let addresses = Address::parse(&server.url).into_iter().collect();
            return (vec![Template::literal(&server.url)], addresses);
        }
        if nodes.is_empty() && many.is_some() {
            let hint = "list at least one URL";
            self.findings
                .value(section.place("urls"), "`target.urls` is empty", hint);
        }
        let mut urls = Vec::new();
        let mut addresses = Vec::new();
        for node in nodes
            .into_iter()
            .filter(|node| node.as_text().is_some() && !node.unresolved)
        {
            let before = self.findings.problems.len();
            let url = self.template(node, &Scope::default());
            if self.findings.problems.len() == before {
                addresses.extend(self.address(node, &url));
            }
            urls.push(url);
        }
        (urls, addresses)
    }

    fn address(&mut self, node: &Node, url: &Template) -> Option<Address> {
        let mut first = None;
        let checked = self.samples(url, |text, row| match Address::parse(text) {
            Ok(address) => {
                first.get_or_insert((text.to_owned(), address));
                Ok(())
            }
            Err(error) => Err((error, row)),
        });
        if let Err((error, row)) = checked {
            let message = with_row(error.message, row);
            self.findings.value(&node.place, message, error.hint);
        }
        let (text, address) = first?;
        // Values that differ between clients are not listed: nothing prints them.
        if url.is_literal() {
            self.findings.secrets.extend(query_secrets(&text));
        }
        Some(address)
    }

    fn headers(&mut self, entries: &[Entry]) -> Vec<(String, Template)> {
        let mut headers: Vec<(String, Template)> = Vec::new();
        for entry in entries {
            let name = entry.key.as_str();
            if let Err((message, hint)) = header_name(name) {
                self.findings.value(&entry.place, message, hint);
                continue;
            }
            let twice = headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name));
            let repeatable = entry.place.source != 0 && !name.eq_ignore_ascii_case("host");
            if twice && !repeatable {
                let message = format!("the header `{name}` stands there twice");
                self.findings.value(
                    &entry.place,
                    message,
                    "names of headers ignore case; keep one",
                );
                continue;
            }
            let value = self.template(&entry.node, &Scope::default());
            let checked = self.samples(&value, |text, row| match header_value(text) {
                Ok(()) => Ok(()),
                Err(message) => Err(with_row(message, row)),
            });
            if let Err(message) = checked {
                let hint = "a header's value is one line without control characters";
                self.findings.value(&entry.node.place, message, hint);
            }
            if let Some(text) = entry.node.as_text().filter(|_| value.is_literal()) {
                self.findings.secrets.extend(header_secrets(name, text));
            }
            headers.push((name.to_owned(), value));
        }
        headers
    }

    fn subprotocols(&mut self, nodes: &[Node]) -> Vec<Template> {
        let mut seen: Vec<&str> = Vec::new();
        let mut subprotocols = Vec::new();
        for node in nodes {
            let Some(text) = node.as_text().filter(|_| !node.unresolved) else {
                continue;
            };
            if seen.contains(&text) {
                let hint = "each may be offered once (RFC 6455 4.1)";
                self.findings
                    .value(&node.place, "this subprotocol stands there twice", hint);
            }
            seen.push(text);
            let template = self.template(node, &Scope::default());
            let checked = self.samples(&template, |text, row| match is_token(text) {
                true => Ok(()),
                false => Err(with_row("not the name of a subprotocol".to_owned(), row)),
            });
            if let Err(message) = checked {
                let hint =
                    "a subprotocol is a token: letters, digits and !#$%&'*+-.^_`|~ (RFC 6455 4.1)";
                self.findings.value(&node.place, message, hint);
            }
            subprotocols.push(template);
        }
        subprotocols
    }

    fn tls(&mut self, section: &Section<'_>) -> TlsPlan {
        let tls = TlsPlan {
            ca: self.file(section, "ca"),
            cert: self.file(section, "cert"),
            key: self.file(section, "key"),
            server_name: section.optional_text("server_name").map(str::to_owned),
            insecure: section.flag("insecure"),
            tls13_only: section.text("min_version") == "1.3",
            resumption: section.flag("resumption"),
        };
        self.pair(section, "cert", "key");
        if let Some(name) = &tls.server_name
            && Address::parse(&format!("wss://{name}")).map(|a| a.host)
                != Ok(name.to_ascii_lowercase())
        {
            let hint = "write for example \"api.example.com\"";
            self.findings.value(
                section.place("server_name"),
                "not the name of a server",
                hint,
            );
        }
        tls
    }

    /// Two keys that only make sense together.
    pub(super) fn pair(&mut self, section: &Section<'_>, one: &str, other: &str) {
        for (there, absent) in [(one, other), (other, one)] {
            if section.get(there).is_some() && section.get(absent).is_none() {
                let message = format!("`{there}` needs `{absent}` beside it");
                let place: &Place = section.key_place(there);
                self.findings.contradiction(
                    place,
                    message,
                    format!("add `{absent}`, or remove `{there}`"),
                );
            }
        }
    }

    fn resolve(&mut self, nodes: &[Node]) -> Vec<ResolveOverride> {
        let mut overrides = Vec::new();
        for node in nodes {
            let Some(text) = node.as_text().filter(|_| !node.unresolved) else {
                continue;
            };
            match resolve(text) {
                Some(entry) => overrides.push(entry),
                None => {
                    let hint = "write for example \"api.example.com:443:10.0.0.1\"";
                    self.findings
                        .value(&node.place, "not \"host:port:address\"", hint);
                }
            }
        }
        overrides
    }
}

fn resolve(text: &str) -> Option<ResolveOverride> {
    let mut parts = text.splitn(3, ':');
    let (host, port, address) = (parts.next()?, parts.next()?, parts.next()?);
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let url = Address::parse(&format!("ws://{host}:{port}/")).ok()?;
    Some(ResolveOverride {
        host: url.host,
        port: url.port,
        address: bare.unwrap_or(address).parse().ok()?,
    })
}

fn ips(nodes: &[Node]) -> Vec<IpAddr> {
    let texts = nodes.iter().filter_map(Node::as_text);
    texts.filter_map(|text| text.parse().ok()).collect()
}

fn with_row(message: String, row: Option<usize>) -> String {
    match row {
        Some(row) => format!("{message} (with data row {row})"),
        None => message,
    }
}

fn header_name(name: &str) -> Result<(), (String, String)> {
    if !is_token(name) {
        let hint = "letters, digits and !#$%&'*+-.^_`|~ only (RFC 9110 5.1)";
        return Err(("not the name of a header".to_owned(), hint.to_owned()));
    }
    let own = OWN_HEADERS
        .iter()
        .find(|(own, _)| name.eq_ignore_ascii_case(own));
    match own {
        Some((_, why)) => {
            let message = format!("the header `{name}` is written by the handshake itself");
            Err((message, format!("remove it: {why}")))
        }
        None => Ok(()),
    }
}

fn header_value(text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_control() && *c != '\t') {
        Some(bad) => Err(format!("the header's value holds the character {bad:?}")),
        None => Ok(()),
    }
}

/// RFC 9110 5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}
