//! `[server]`: the built-in reference server.

use std::net::{IpAddr, SocketAddr};

use super::super::address::Address;
use super::super::server::Stall;
use super::super::{Behaviour, Fault, ServerPlan};
use super::builder::Builder;
use super::section::Section;
use super::tree::Node;

/// Where clients reach the built-in server when the target does not say.
pub(super) struct ServerAddress {
    /// With the token in its query, if the server wants one.
    pub url: String,
    /// Its certificate is made on the spot.
    pub self_signed: bool,
}

/// Where the built-in server listens when nothing says where.
const DEFAULT: ([u8; 4], u16) = ([127, 0, 0, 1], 9_001);

impl Builder<'_> {
    pub(super) fn server_address(&self, section: &Section<'_>) -> ServerAddress {
        let listen = listen(section).unwrap_or_else(|| SocketAddr::from(DEFAULT));
        let ip = match listen.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        };
        let tls = section.flag("tls");
        let scheme = if tls { "wss" } else { "ws" };
        let mut url = format!("{scheme}://{}/", SocketAddr::new(ip, listen.port()));
        if let Some(token) = section.optional_text("token") {
            url.push_str("?token=");
            push_encoded(token, &mut url);
        }
        ServerAddress {
            url,
            self_signed: tls && section.get("cert").is_none(),
        }
    }

    pub(super) fn server(
        &mut self,
        section: &Section<'_>,
        url: Option<&Address>,
        seed: u64,
    ) -> ServerPlan {
        let (max_message, max_frame) = self.limits(section);
        self.pair(section, "cert", "key");
        self.pair(section, "stall", "stall_every");
        let listen = listen(section);
        if url.is_some_and(|url| listen.is_none() && !url.is_local()) {
            let message = "[server] starts on this machine, but the URL names another";
            let hint = "give server.listen, use a URL of this machine, or remove [server]";
            self.findings.contradiction(section.owner(), message, hint);
        }
        if let Some(url) = url.filter(|url| listen.is_none() && url.tls != section.flag("tls")) {
            let (has, wants) = if url.tls {
                ("wss", "true")
            } else {
                ("ws", "false")
            };
            let message = format!("the URL starts with {has}:// but server.tls does not fit it");
            let hint = format!("set server.tls = {wants}, or change the URL");
            self.findings
                .contradiction(section.place("tls"), message, hint);
        }
        if !section.flag("tls") && section.get("cert").is_some() {
            let hint = "set server.tls = true";
            self.findings
                .contradiction(section.key_place("cert"), "`cert` without `tls`", hint);
        }
        let token = section.optional_text("token").map(str::to_owned);
        self.findings
            .secrets
            .extend(token.clone().filter(|token| !token.is_empty()));
        ServerPlan {
            listen,
            behaviour: behaviour(section.text("behaviour")),
            echo_prefix: section.text("echo_prefix").to_owned(),
            greeting: section.optional_text("greeting").map(str::to_owned),
            token,
            reject_with_401: section.flag("reject_with_401"),
            origins: texts(section.list("origins")),
            subprotocols: texts(section.list("subprotocols")),
            ping_interval: section.optional_time("ping_interval"),
            max_connections: section.optional_u32("max_connections"),
            max_message,
            max_frame,
            delay: section.time("delay"),
            stall: self.stall(section),
            faults: self.server_faults(section),
            seed: section.optional_integer("seed").unwrap_or(seed),
            tls: section.flag("tls"),
            cert: self.file(section, "cert"),
            key: self.file(section, "key"),
            threads: section.optional_u16("threads"),
            processes: section.optional_u16("processes"),
        }
    }

    /// Several processes were asked for, and something needs one.
    pub(super) fn processes(&mut self, section: &Section<'_>, plan: &ServerPlan, faults: &[Fault]) {
        if plan.processes.is_none_or(|processes| processes == 1) {
            return;
        }
        if let Some(single) = plan.single(faults) {
            let message = format!("`processes` is above 1, but {single}");
            self.findings
                .contradiction(section.key_place("processes"), message, single.hint());
        }
    }

    fn stall(&mut self, section: &Section<'_>) -> Option<Stall> {
        let duration = section.optional_time("stall")?;
        let every = section.optional_time("stall_every")?;
        if duration >= every {
            let hint = "make server.stall shorter than server.stall_every";
            let message = "the server would stall for ever";
            self.findings
                .contradiction(section.place("stall"), message, hint);
        }
        Some(Stall { duration, every })
    }
}

fn listen(section: &Section<'_>) -> Option<SocketAddr> {
    section
        .optional_text("listen")
        .and_then(|text| text.parse().ok())
}

fn behaviour(text: &str) -> Behaviour {
    match text {
        "chat" => Behaviour::Chat,
        "broadcast" => Behaviour::Broadcast,
        "ack" => Behaviour::Ack,
        _ => Behaviour::Echo,
    }
}

fn texts(nodes: &[Node]) -> Vec<String> {
    nodes
        .iter()
        .filter_map(Node::as_text)
        .map(str::to_owned)
        .collect()
}

/// RFC 3986 2.1: all but the unreserved characters.
fn push_encoded(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}
