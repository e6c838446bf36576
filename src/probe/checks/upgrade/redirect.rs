//! Redirects: no WebSocket client follows one by itself.

use super::picture::Picture;
use super::tree::Cause;
use super::{decided, finding, status};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

/// The question.
pub const CHECK: Check = Check {
    name: "no redirect",
    entries: &[&HTTPS, &HOST, &PATH, &LOGIN, &OTHER],
    ask,
};

/// Where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The same place with TLS.
    Https,
    /// Another host.
    Host,
    /// The same path but for a slash at its end.
    Slash,
    /// Another path of the same host.
    Path,
    /// A page for logging in.
    Login,
}

const RULE: &str = "browsers and most libraries refuse a redirect in a WebSocket handshake";
const EXPECTED: &str = "101 at the URL that was asked for";

static HTTPS: Entry = Entry {
    id: "redirect-https",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The handshake is redirected to HTTPS: use wss:// instead of ws://",
    evidence: "3xx with a Location that is the same place by https",
    expected: EXPECTED,
    causes: &[("plain HTTP is redirected to HTTPS, upgrades too", "")],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "use the wss:// URL",
        },
        Fix {
            product: Product::Caddy,
            snippet: "# wss:// on 443; for plain ws:// write the site as http://host",
        },
        Fix {
            product: Product::Nginx,
            snippet: "# wss:// on 443; for plain ws:// a location before the redirect\n\
                      location /ws { proxy_pass http://app; proxy_http_version 1.1;\n\
                      \x20 proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; }",
        },
    ],
    limits: RULE,
};

static HOST: Entry = Entry {
    id: "redirect-host",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The handshake is redirected to another host: use the canonical one",
    evidence: "3xx with a Location on another host",
    expected: EXPECTED,
    causes: &[(
        "requests for this host are redirected to the canonical one",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "use the host of the Location header",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "serve WebSocket paths under every name before the redirect",
        },
    ],
    limits: RULE,
};

static PATH: Entry = Entry {
    id: "redirect-path",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The handshake is redirected to another path",
    evidence: "3xx with a Location on the same host, often the same path with a slash at its end",
    expected: EXPECTED,
    causes: &[(
        "the location is configured with a slash at its end, or the application normalises paths",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "use the path of the Location header",
        },
        Fix {
            product: Product::Nginx,
            snippet: "location /ws { ... }    # not: location /ws/ { ... }",
        },
    ],
    limits: RULE,
};

static LOGIN: Entry = Entry {
    id: "redirect-login",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The handshake is redirected to a login page: it carries no valid login",
    evidence: "3xx with a Location that is a login page or an identity provider",
    expected: "101, or 401 without a login",
    causes: &[
        (
            "no session cookie or token was sent",
            "with a valid one (-H 'Cookie: ...') it opens",
        ),
        (
            "what was sent is not valid any more, or is lost on the way",
            "the same to the server directly",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "send the login: -H 'Cookie: session=...' or -H 'Authorization: Bearer ...'",
        },
        Fix {
            product: Product::Server,
            snippet: "answer 401 to an upgrade without a login instead of a redirect",
        },
    ],
    limits: RULE,
};

static OTHER: Entry = Entry {
    id: "redirect",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The handshake is redirected",
    evidence: "3xx without a Location that can be read",
    expected: EXPECTED,
    causes: &[("the server or a proxy redirects this URL", "")],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "answer upgrades of this path directly",
    }],
    limits: RULE,
};

/// Where the Location leads; `None` when there is none.
pub fn kind(picture: &Picture<'_>) -> Option<Kind> {
    let location = picture.answer.header("location")?;
    let asked = &picture.seen.asked;
    let lower = location.to_ascii_lowercase();
    let login = [
        "login", "log-in", "signin", "sign-in", "sign_in", "oauth", "/auth", "sso", "saml", "/cas",
    ];
    if login.iter().any(|word| lower.contains(word)) {
        return Some(Kind::Login);
    }
    let Some((scheme, rest)) = lower.split_once("://") else {
        return Some(by_path(&asked.path, location));
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let same_host = host.trim_start_matches('[').trim_end_matches(']') == asked.host;
    match (same_host, asked.secure, scheme) {
        (true, false, "https" | "wss") => Some(Kind::Https),
        (true, ..) => Some(by_path(&asked.path, path)),
        (false, ..) => Some(Kind::Host),
    }
}

fn by_path(asked: &str, location: &str) -> Kind {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let bare = |path: &str| path.trim_end_matches('/').to_ascii_lowercase();
    if bare(path) == bare(asked) {
        Kind::Slash
    } else {
        Kind::Path
    }
}

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((Cause::Redirect(_) | Cause::Unknown, picture)) = decided(seen) else {
        return Vec::new();
    };
    if !(300..400).contains(&picture.answer.status) {
        return Vec::new();
    }
    let answered = status(&picture);
    let to = picture.answer.header("location").unwrap_or_default();
    let found = match kind(&picture) {
        None => finding(&OTHER, &picture),
        Some(Kind::Https) => {
            let (host, path) = (&seen.asked.host, &seen.asked.path);
            finding(&HTTPS, &picture).titled(format!(
                "The handshake is redirected to HTTPS ({answered}): use wss://{host}{path} instead of ws://"
            ))
        }
        Some(Kind::Host) => finding(&HOST, &picture).titled(format!(
            "The handshake is redirected to another host ({answered} to {to}): use the canonical host"
        )),
        Some(Kind::Slash) => finding(&PATH, &picture).titled(format!(
            "The handshake is redirected to the same path but for a slash ({answered} to {to})"
        )),
        Some(Kind::Path) => finding(&PATH, &picture).titled(format!(
            "The handshake is redirected to another path ({answered} to {to})"
        )),
        Some(Kind::Login) => finding(&LOGIN, &picture).titled(format!(
            "The handshake is redirected to a login page ({answered} to {to}): it carries no valid login"
        )),
    };
    vec![found]
}
