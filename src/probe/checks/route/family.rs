//! Do all addresses of the name work?

use std::net::SocketAddr;

use super::super::Check;
use super::local;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Route, Seen};

pub const CHECK: Check = Check {
    name: "addresses",
    entries: &[&FAMILY, &ADDRESS],
    ask,
};

static FAMILY: Entry = Entry {
    id: "address-family",
    layer: Layer::Tcp,
    severity: Severity::Warning,
    title: "The name has IPv4 and IPv6 addresses, but only one address family works",
    evidence: "TCP opens to addresses of one family and to none of the other, although this machine has routes for both.",
    expected: "Every address that DNS gives accepts connections.",
    causes: &[
        (
            "The server or proxy listens on one family only.",
            "`ss -ltn` on the server shows 0.0.0.0:PORT without [::]:PORT, or the reverse",
        ),
        (
            "A firewall, security group or route exists for one family only, or the DNS record of the other is stale.",
            "the listener is there for both, yet its packets do not arrive",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "listen 443 ssl;\nlisten [::]:443 ssl;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "bind :::443 v4v6 ssl crt /etc/haproxy/certs/",
        },
        Fix {
            product: Product::Server,
            snippet: "listen on :: with IPv6-only off, or on both 0.0.0.0 and ::",
        },
        Fix {
            product: Product::Network,
            snippet: "open the port for both families, or remove the A or AAAA record that leads nowhere",
        },
    ],
    limits: "Browsers and many libraries try the other family after a moment (RFC 8305) and hide this; clients that take the first address do not connect.",
};

static ADDRESS: Entry = Entry {
    id: "address-down",
    layer: Layer::Tcp,
    severity: Severity::Warning,
    title: "Some addresses of the name do not accept connections",
    evidence: "TCP opens to some addresses of a family and not to others.",
    expected: "Every address that DNS gives accepts connections.",
    causes: &[
        (
            "A node behind the name is down or was removed, and its DNS record is still there.",
            "always the same address",
        ),
        (
            "The node is overloaded, or a packet was lost.",
            "the address works when tried again",
        ),
    ],
    fixes: &[Fix {
        product: Product::Network,
        snippet: "remove the record of the dead address, or put health-checked DNS or a load balancer in front",
    }],
    limits: "Clients that try the next address hide this; others do not connect, in proportion.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let tried: Vec<(&Route, SocketAddr)> = (seen.routes.iter())
        .filter(|route| local(route).is_none())
        .filter_map(|route| Some((route, route.address.parse().ok()?)))
        .collect();
    let (good, bad): (Vec<_>, Vec<_>) = tried
        .iter()
        .copied()
        .partition(|(route, _)| route.tcp.is_some());
    if good.is_empty() || bad.is_empty() {
        return Vec::new();
    }
    let only_six = good.iter().all(|(_, address)| address.is_ipv6());
    let one_family = |list: &[(&Route, SocketAddr)], six: bool| {
        list.iter().all(|(_, address)| address.is_ipv6() == six)
    };
    let split = one_family(&good, only_six) && one_family(&bad, !only_six);
    let all_loopback = tried.iter().all(|(_, address)| address.ip().is_loopback());
    // A server of this machine that listens on 127.0.0.1 alone is what most do on purpose.
    if all_loopback && split && !only_six {
        return Vec::new();
    }
    let name = |six: bool| if six { "IPv6" } else { "IPv4" };
    let mut finding = if split {
        Finding::new(&FAMILY).titled(format!(
            "{} works over {} only: the {} address{} of the name {} not accept connections",
            seen.asked.host,
            name(only_six),
            name(!only_six),
            if bad.len() == 1 { "" } else { "es" },
            if bad.len() == 1 { "does" } else { "do" },
        ))
    } else {
        Finding::new(&ADDRESS).titled(format!(
            "{} of {} addresses of {} do not accept connections",
            bad.len(),
            tried.len(),
            seen.asked.host,
        ))
    };
    for (route, _) in bad {
        let fault = route.fault.as_deref().unwrap_or("not opened");
        finding = finding.saw(format!(
            "{}: {fault} after {:.1} ms",
            route.address, route.took_ms.0
        ));
    }
    for (route, _) in good {
        let took = route.tcp.as_ref().map_or(0.0, |tcp| tcp.took_ms.0);
        finding = finding.saw(format!("{}: open after {took:.1} ms", route.address));
    }
    vec![finding]
}
