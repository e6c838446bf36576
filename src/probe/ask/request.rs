//! The bytes of each request: the handshake, or one that differs from it in one thing. Pure.

use crate::probe::Settings;
use crate::probe::seen::Variation;

/// What Sec-WebSocket-Version no server supports.
const NO_VERSION: &str = "99";

/// The line of PROXY protocol v1 (haproxy.org, proxy-protocol.txt 2.1) that a balancer would send.
pub const PROXY_LINE: &str = "PROXY TCP4 127.0.0.1 127.0.0.1 40000 80\r\n";

/// The request for a variation; a PROXY line goes before it, or before TLS. Values cannot start another header: control characters are left out.
pub fn request(settings: &Settings, variation: &Variation, key: &str) -> Vec<u8> {
    match variation {
        Variation::Garbage => return b"WSBENCH PROBE\r\n\r\n".to_vec(),
        Variation::Listen => return Vec::new(),
        Variation::Connect => return connect(settings),
        _ => {}
    }
    let upgrade = !matches!(variation, Variation::PlainGet | Variation::GetPath(_));
    let mut head = Head::default();
    let path: &str = match variation {
        Variation::Path(path) | Variation::GetPath(path) => path,
        _ if in_the_clear(settings, variation) => {
            let path = settings.url.path.split('?').next();
            path.unwrap_or("/")
        }
        _ => &settings.url.path,
    };
    let version = if *variation == Variation::Http10 {
        0
    } else {
        1
    };
    head.0 += &format!("GET {path} HTTP/1.{version}\r\n");
    head.line("Host", &host(settings, variation));
    if upgrade {
        head.line("Upgrade", "websocket");
        head.line("Connection", "Upgrade");
        let version = match variation {
            Variation::Version99 => NO_VERSION,
            _ => "13",
        };
        head.line("Sec-WebSocket-Version", version);
        if *variation != Variation::NoKey {
            head.line("Sec-WebSocket-Key", key);
        }
        let offered = match variation {
            Variation::WithoutSubprotocols => String::new(),
            Variation::Subprotocol(name) => name.clone(),
            _ => settings.subprotocols.join(", "),
        };
        if !offered.is_empty() {
            head.line("Sec-WebSocket-Protocol", &offered);
        }
    } else {
        head.line("Connection", "close");
    }
    let origin = match variation {
        Variation::WithoutOrigin => None,
        Variation::Origin(origin) => Some(origin),
        _ => settings.origin.as_ref(),
    };
    if let Some(origin) = origin {
        head.line("Origin", origin);
    }
    own_headers(settings, variation, &mut head);
    head.0 += "\r\n";
    head.0.into_bytes()
}

#[derive(Default)]
struct Head(String);

impl Head {
    fn line(&mut self, name: &str, value: &str) {
        let value: String = value
            .chars()
            .filter(|c| *c == '\t' || !c.is_control())
            .collect();
        self.0 += &format!("{name}: {value}\r\n");
    }
}

fn host(settings: &Settings, variation: &Variation) -> String {
    let own = settings
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("host"));
    match (variation, own) {
        (Variation::Host(host) | Variation::ServerName(host), _) => host.clone(),
        (_, Some((_, host))) => host.clone(),
        _ => settings.url.host_header(),
    }
}

fn own_headers(settings: &Settings, variation: &Variation, head: &mut Head) {
    let credentials = settings.credentials();
    for (name, value) in &settings.headers {
        let secret = credentials.contains(name);
        match variation {
            _ if name.eq_ignore_ascii_case("host") => {}
            _ if in_the_clear(settings, variation) => {}
            Variation::WithoutHeaders => {}
            Variation::WithoutCredentials if secret => {}
            Variation::WrongCredentials if secret => head.line(name, &wrong(value)),
            _ => head.line(name, value),
        }
    }
}

/// A `wss` target asked without TLS: what may be secret is not sent.
fn in_the_clear(settings: &Settings, variation: &Variation) -> bool {
    settings.url.secure && *variation == Variation::OtherScheme
}

/// A value of the same form that cannot be right: letters and digits of the last word are turned.
fn wrong(value: &str) -> String {
    let last = value.rfind([' ', '=', ':']).map_or(0, |at| at + 1);
    let turned = value[last..].chars().map(|c| match c {
        'a'..='y' | 'A'..='Y' | '0'..='8' => char::from_u32(u32::from(c) + 1).unwrap_or(c),
        'z' => 'a',
        'Z' => 'A',
        '9' => '0',
        other => other,
    });
    value[..last].chars().chain(turned).collect()
}

fn connect(settings: &Settings) -> Vec<u8> {
    let url = &settings.url;
    let fixed = settings.fixed_address().map(|a| a.to_string());
    let host = fixed.unwrap_or_else(|| url.host.clone());
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    let mut head = Head(format!("CONNECT {host}:{} HTTP/1.1\r\n", url.port));
    head.line("Host", &format!("{host}:{}", url.port));
    let authorization = settings
        .proxy
        .as_ref()
        .and_then(|p| p.authorization.as_ref());
    if let Some(value) = authorization {
        head.line("Proxy-Authorization", value);
    }
    head.0 += "\r\n";
    head.0.into_bytes()
}
