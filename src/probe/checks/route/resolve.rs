//! Does the name lead to addresses?

use super::super::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

pub const CHECK: Check = Check {
    name: "resolve",
    entries: &[&NO_NAME, &NO_ANSWER, &NO_ADDRESS, &SLOW],
    ask,
};

/// A look-up that takes longer is said, in milliseconds.
const SLOW_MS: f64 = 1_500.0;

static NO_NAME: Entry = Entry {
    id: "dns",
    layer: Layer::Dns,
    severity: Severity::Fault,
    title: "The host name does not resolve: there is no such name in DNS",
    evidence: "The resolver answers that the name does not exist (EAI_NONAME, NXDOMAIN).",
    expected: "The name resolves to at least one IPv4 or IPv6 address.",
    causes: &[
        (
            "The name is misspelled, or its DNS record was never made or was removed.",
            "ask another resolver (`dig NAME @1.1.1.1`): it does not know the name either",
        ),
        (
            "The name exists only inside another network (split horizon, VPN, cluster DNS), or the record is new and the old answer is still cached.",
            "the name resolves from inside that network, or once the time to live of the old answer is over",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "correct the host in the URL; to go on without DNS: wsbench probe --resolve HOST:PORT:ADDRESS URL",
        },
        Fix {
            product: Product::Network,
            snippet: "add the record at the DNS provider:\nws.example.com.  300  IN  A     203.0.113.7\nws.example.com.  300  IN  AAAA  2001:db8::7",
        },
    ],
    limits: "The system's resolver was asked, with its hosts file and search domains; other resolvers may know more.",
};

static NO_ANSWER: Entry = Entry {
    id: "dns-no-answer",
    layer: Layer::Dns,
    severity: Severity::Fault,
    title: "DNS gave no usable answer for the host name",
    evidence: "The resolver says that it could not find out (EAI_AGAIN, EAI_FAIL), or says nothing in time.",
    expected: "The resolver answers within milliseconds.",
    causes: &[
        (
            "This machine's resolver is not reachable: wrong /etc/resolv.conf, no network, port 53 blocked.",
            "other names do not resolve from here either",
        ),
        (
            "The name servers of this domain do not answer or answer SERVFAIL (broken delegation, DNSSEC).",
            "other names resolve from here, and `dig +trace NAME` stops at the domain's name servers",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "try `getent hosts example.com` here; check /etc/resolv.conf; to go on without DNS: wsbench probe --resolve HOST:PORT:ADDRESS URL",
        },
        Fix {
            product: Product::Network,
            snippet: "check the domain's name servers: `dig NS DOMAIN`, `dig NAME @EACH-OF-THEM`, and its DNSSEC chain",
        },
    ],
    limits: "Whether the name exists is not known: nobody said that it does not.",
};

static NO_ADDRESS: Entry = Entry {
    id: "dns-no-address",
    layer: Layer::Dns,
    severity: Severity::Fault,
    title: "The host name exists in DNS but has no address",
    evidence: "The resolver knows the name but no A or AAAA record of it (EAI_NODATA).",
    expected: "The name resolves to at least one IPv4 or IPv6 address.",
    causes: &[(
        "The name has other records (MX, TXT, a CNAME to a name without addresses) but neither A nor AAAA.",
        "",
    )],
    fixes: &[Fix {
        product: Product::Network,
        snippet: "add an A and, with IPv6, an AAAA record, or correct the target of the CNAME",
    }],
    limits: "",
};

static SLOW: Entry = Entry {
    id: "dns-slow",
    layer: Layer::Dns,
    severity: Severity::Warning,
    title: "Resolving the host name takes long",
    evidence: "The look-up took more than 1.5 s.",
    expected: "A look-up takes milliseconds, tens of them when nothing is cached.",
    causes: &[
        (
            "The first name server of /etc/resolv.conf does not answer, and the next is asked after its wait (5 s by default).",
            "times near 5 or 10 s; `dig NAME @FIRST-SERVER` is silent",
        ),
        (
            "The question for AAAA is lost on the way (some routers and firewalls do that), or the domain's name servers are far or slow.",
            "`dig A NAME` is fast and `dig AAAA NAME` is not; or all questions about this domain are slow",
        ),
    ],
    fixes: &[Fix {
        product: Product::Client,
        snippet: "put a name server that answers first in /etc/resolv.conf, or run a local cache; `options timeout:1 attempts:2` shortens the wait",
    }],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let resolved = &seen.resolved;
    let took = resolved.took_ms.unwrap_or_default();
    let host = host(seen);
    let Some(error) = &resolved.error else {
        if took.0 < SLOW_MS || resolved.addresses.is_empty() {
            return Vec::new();
        }
        let title = format!("Resolving {host} took {:.1} s", took.seconds());
        let line = format!(
            "{} address(es) after {:.1} s",
            resolved.addresses.len(),
            took.seconds()
        );
        return vec![Finding::new(&SLOW).titled(title).saw(line)];
    };
    let (entry, title) = classify(host, error);
    let line = format!("looking up {host}: {error} (after {:.1} ms)", took.0);
    let finding = Finding::new(entry).titled(title).saw(line);
    if reserved(host) && entry.id == NO_NAME.id {
        let line = "names under .invalid never exist (RFC 6761 6.4)";
        return vec![finding.saw(line).only(&[0])];
    }
    vec![finding]
}

/// By the resolver's words: those of glibc, musl and the BSDs.
fn classify(host: &str, error: &str) -> (&'static Entry, String) {
    let error = error.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["no address", "no data"]) {
        let title = format!("The host name {host} exists in DNS but has no A or AAAA record");
        return (&NO_ADDRESS, title);
    }
    if reserved(host) || says(&["not known", "does not resolve", "not found", "unknown host"]) {
        let title = format!("The host name {host} does not resolve: DNS knows no such name");
        return (&NO_NAME, title);
    }
    let title = format!("The host name {host} could not be resolved: DNS gave no usable answer");
    (&NO_ANSWER, title)
}

/// A name that no DNS ever holds (RFC 6761 6.4).
fn reserved(host: &str) -> bool {
    host.trim_end_matches('.').ends_with(".invalid")
}

/// The name that was looked up.
fn host(seen: &Seen) -> &str {
    match &seen.asked.proxy {
        Some(proxy) => proxy.rsplit_once(':').map_or(proxy, |(host, _)| host),
        None => &seen.asked.host,
    }
}
