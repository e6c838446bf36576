//! Whoever listens waits for a PROXY protocol line that nobody sends.

use super::picture::{Picture, picture};
use super::words::{all_told, ending, outcome, span};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "proxy protocol",
    entries: &[&MISSING],
    ask,
};

static MISSING: Entry = Entry {
    id: "proxy-protocol-missing",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The server expects a PROXY protocol line before the request, and nobody sends one",
    evidence: "connections end without a byte; behind a PROXY protocol v1 line the same handshake \
               is answered",
    expected: "the balancer in front sends the PROXY protocol header, or the server does not ask \
               for it",
    causes: &[(
        "the listener has PROXY protocol switched on, and whoever connects (a balancer, or a \
         client that goes past it) does not send the header",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "listen 80;  # without `proxy_protocol`, unless a balancer in front sends it",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "# balancer in front: send it\n\
                      server app1 10.0.0.5:80 send-proxy\n\
                      # or, where it is received: do not ask for it\n\
                      bind :80  # without accept-proxy",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "# ConfigMap; or switch PROXY protocol on in the load balancer in front\n\
                      use-proxy-protocol: \"false\"",
        },
        Fix {
            product: Product::AwsAlb,
            snippet: "# Network Load Balancer in front: send it (version 2)\n\
                      aws elbv2 modify-target-group-attributes --target-group-arn ARN \\\n\
                      \x20 --attributes Key=proxy_protocol_v2.enabled,Value=true",
        },
        Fix {
            product: Product::Envoy,
            snippet: "# listener filter envoy.filters.listener.proxy_protocol: remove it, or\n\
                      allow_requests_without_proxy_protocol: true",
        },
        Fix {
            product: Product::Apache,
            snippet: "RemoteIPProxyProtocol Off",
        },
    ],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((handshake, Picture::WantsProxyLine)) = picture(seen) else {
        return Vec::new();
    };
    let Some(line) = seen.to(&Variation::ProxyProtocol) else {
        return Vec::new();
    };
    let without = match &seen.handshake {
        Some(_) => ending(handshake),
        None => "TLS is closed at the ClientHello".to_owned(),
    };
    let with = match line.spoke() {
        true => outcome(line),
        false => format!("TLS comes up, in {}", span(line.took_ms)),
    };
    let mut finding = Finding::new(&MISSING).titled(format!(
        "The server expects a PROXY protocol line that nobody sends: without one it is {without}; \
         behind one it is {with}"
    ));
    if seen.handshake.is_none() {
        finding = finding.titled(format!(
            "The server expects a PROXY protocol line that nobody sends: without one {without}, \
             behind one {with}"
        ));
    }
    finding.observed.extend(all_told(seen));
    vec![finding]
}
