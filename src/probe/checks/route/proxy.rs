//! Does the forward proxy open the tunnel?

use super::super::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Answer, Outcome, Seen};

pub const CHECK: Check = Check {
    name: "forward proxy",
    entries: &[&REFUSES, &NO_TARGET, &NO_PROXY],
    ask,
};

const EXPECTED: &str =
    "The proxy answers CONNECT host:port with 200 and passes bytes on from then on.";

static REFUSES: Entry = Entry {
    id: "corp-proxy",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The forward proxy refuses the CONNECT",
    evidence: "407, 403 or another 4xx of the forward proxy in answer to CONNECT.",
    expected: EXPECTED,
    causes: &[
        (
            "The proxy wants a login (407), and none or a wrong one was sent.",
            "the answer is 407 with a Proxy-Authenticate header",
        ),
        (
            "A rule of the proxy forbids this port, host or client.",
            "the answer is 403 (or 405); port 443 is allowed where others are not",
        ),
        (
            "The proxy does not do CONNECT at all.",
            "the answer is 405, 501 or 400, for every target",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "give credentials: --proxy http://USER:PASSWORD@HOST:PORT; use wss:// on port 443, which proxies allow by default",
        },
        Fix {
            product: Product::Squid,
            snippet: "acl SSL_ports port 443 8443        # add the port\nacl CONNECT method CONNECT\nhttp_access deny CONNECT !SSL_ports\nhttp_access allow localnet          # or proxy_auth REQUIRED with auth_param",
        },
        Fix {
            product: Product::Apache,
            snippet: "ProxyRequests On\nAllowCONNECT 443 8443   # mod_proxy_connect",
        },
    ],
    limits: "Why a rule forbids it is known to the proxy's administrator alone.",
};

static NO_TARGET: Entry = Entry {
    id: "proxy-no-target",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The forward proxy could not reach the target",
    evidence: "A 5xx of the forward proxy in answer to CONNECT.",
    expected: EXPECTED,
    causes: &[
        (
            "Nothing accepts connections on the target's port, or a firewall stands between proxy and target.",
            "a 502 or 503 at once: refused; after seconds, or 504: silence",
        ),
        (
            "The proxy cannot resolve the target's name.",
            "its error page says so; the name is known only in another network",
        ),
        (
            "A rule of the proxy or its parent, answered with a 5xx.",
            "other targets work through it, and this one works without it",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "correct host and port of the URL, as the proxy sees them; try without --proxy",
        },
        Fix {
            product: Product::Network,
            snippet: "from the proxy's machine: curl -v telnet://HOST:PORT must connect",
        },
    ],
    limits: "What lies behind the proxy is seen only through its answer.",
};

static NO_PROXY: Entry = Entry {
    id: "proxy-not-http",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "What listens at the forward proxy's address does not answer CONNECT as an HTTP proxy does",
    evidence: "No HTTP answer to CONNECT: other bytes, an end, or silence.",
    expected: EXPECTED,
    causes: &[
        (
            "The address or port of --proxy is not that of an HTTP proxy (a SOCKS proxy, another service, the target itself).",
            "`curl -v -x http://HOST:PORT https://example.com` is not answered either",
        ),
        (
            "The proxy wants TLS from its clients (an https:// proxy).",
            "`openssl s_client -connect HOST:PORT` succeeds",
        ),
        (
            "The proxy hangs, or waits for the target without an end.",
            "a CONNECT to another target is answered",
        ),
    ],
    fixes: &[Fix {
        product: Product::Client,
        snippet: "check the proxy setting: `env | grep -i proxy`, or the system's PAC file; --proxy takes an http:// proxy that does CONNECT",
    }],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some(connect) = &seen.connect else {
        return Vec::new();
    };
    let proxy = seen.asked.proxy.as_deref().unwrap_or_default();
    let target = format!("{}:{}", seen.asked.host, seen.asked.port);
    let asked = format!("CONNECT {target} to {proxy}");
    let took = connect.took_ms.seconds();
    let finding = match &connect.outcome {
        Outcome::Answer(answer) => match answer.status {
            200..300 => return Vec::new(),
            502..=504 => no_target(answer, &target, took),
            status if status >= 400 && status != 501 => refuses(answer, proxy, &target),
            501 => refuses(answer, proxy, &target),
            status => Finding::new(&NO_PROXY).titled(format!(
                "{proxy} answers CONNECT with {status}, which is no answer of an HTTP proxy"
            )),
        },
        Outcome::NoBytes { end: None } => Finding::new(&NO_PROXY).titled(format!(
            "The forward proxy {proxy} does not answer the CONNECT within {took:.1} s"
        )),
        Outcome::NoBytes { end: Some(end) } => Finding::new(&NO_PROXY)
            .titled(format!(
                "The forward proxy {proxy} ends the connection ({end}) in answer to the CONNECT"
            ))
            .only(&[0, 1]),
        Outcome::NotHttp { bytes, .. } | Outcome::PartialHead { bytes, .. } => {
            Finding::new(&NO_PROXY)
                .titled(format!(
                    "There is no HTTP proxy at {proxy}: it answers the CONNECT with other bytes"
                ))
                .saw(format!("first bytes: {bytes}"))
                .only(&[0, 1])
        }
        Outcome::NotOpened(_) | Outcome::NoTls(_) => return Vec::new(),
    };
    let line = match connect.answer() {
        Some(answer) => format!(
            "{asked}: {} {} after {took:.1} s",
            answer.status, answer.reason
        ),
        None => format!("{asked}: no HTTP answer after {took:.1} s"),
    };
    let mut finding = finding.saw(line);
    let names = ["via", "server", "x-squid-error", "proxy-authenticate"];
    for (name, value) in connect.answer().iter().flat_map(|answer| &answer.headers) {
        if names.contains(&name.as_str()) {
            finding = finding.saw(format!("{name}: {value}"));
        }
    }
    vec![finding]
}

fn refuses(answer: &Answer, proxy: &str, target: &str) -> Finding {
    let finding = Finding::new(&REFUSES);
    match answer.status {
        407 => finding
            .titled(format!(
                "The forward proxy {proxy} wants a login before it opens a tunnel: CONNECT is answered with 407 Proxy Authentication Required"
            ))
            .only(&[0]),
        403 => finding
            .titled(format!(
                "The forward proxy {proxy} forbids CONNECT to {target} (403): a rule of the proxy, not of the target"
            ))
            .only(&[1]),
        status => finding
            .titled(format!(
                "The forward proxy {proxy} refuses CONNECT to {target} with {status}"
            ))
            .only(&[1, 2]),
    }
}

fn no_target(answer: &Answer, target: &str, took: f64) -> Finding {
    Finding::new(&NO_TARGET).titled(format!(
        "The forward proxy could not reach {target}: it answers CONNECT with {} after {took:.1} s",
        answer.status
    ))
}
