//! Does the server want a certificate of the client?

use super::super::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Answer, Outcome, Seen, TlsProblem};

pub const CHECK: Check = Check {
    name: "client certificate",
    entries: &[&WANTED, &REFUSED],
    ask,
};

static WANTED: Entry = Entry {
    id: "tls-client-cert",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The server demands a client certificate (mutual TLS), and none was given",
    evidence: "The server sends a CertificateRequest, then a fatal alert (certificate_required in TLS 1.3, handshake_failure or bad_certificate before) or an HTTP answer about a certificate.",
    expected: "The handshake ends without a certificate of the client, or the client has one.",
    causes: &[
        (
            "Mutual TLS is switched on for this host, and the client has no certificate for it.",
            "with --cert and --key of a known client the path works",
        ),
        (
            "The certificate is only asked for, and the answer has another reason (a rule about addresses, a token).",
            "the answer stays the same with a client certificate",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "give a certificate that the server's authority signed: --cert client.pem --key client.key (browsers: import it as PKCS#12)",
        },
        Fix {
            product: Product::Nginx,
            snippet: "ssl_verify_client off;   # or `optional`, and decide by $ssl_client_verify in the location",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "bind :443 ssl crt site.pem ca-file clients.pem verify optional   # instead of `verify required`",
        },
        Fix {
            product: Product::Apache,
            snippet: "SSLVerifyClient none   # or `optional`, in the virtual host: WebSocket clients do no renegotiation",
        },
        Fix {
            product: Product::Caddy,
            snippet: "tls {\n    client_auth {\n        mode request   # instead of require_and_verify\n    }\n}",
        },
        Fix {
            product: Product::Envoy,
            snippet: "require_client_certificate: false   # DownstreamTlsContext",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "nginx.ingress.kubernetes.io/auth-tls-verify-client: \"off\"   # or \"optional\"",
        },
    ],
    limits: "",
};

static REFUSED: Entry = Entry {
    id: "tls-client-cert-refused",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The server does not accept our client certificate",
    evidence: "The server asks for a certificate, gets ours, and ends with an alert or an HTTP answer about it.",
    expected: "The server accepts the client certificate.",
    causes: &[
        (
            "The server does not know the authority that signed it, or its intermediate was not sent.",
            "alert unknown_ca; the file of --cert holds one certificate only",
        ),
        (
            "It has expired, is revoked, or is not made for clients (extendedKeyUsage clientAuth).",
            "alert certificate_expired, certificate_revoked or bad_certificate; openssl x509 -noout -dates -ext extendedKeyUsage",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "give a valid client certificate with its intermediates: cat client.pem intermediate.pem > chain.pem; --cert chain.pem --key client.key",
        },
        Fix {
            product: Product::Nginx,
            snippet: "ssl_client_certificate /etc/nginx/clients-ca.pem;   # must hold the client's authority\nssl_verify_depth 2;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "bind :443 ssl crt site.pem ca-file clients-ca.pem verify required",
        },
    ],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let asked = seen.routes.iter().filter_map(|route| route.tls.as_ref());
    if !asked.clone().any(|tls| tls.client_certificate_asked) && alert_after(seen).is_none() {
        return Vec::new();
    }
    let version = asked.clone().find_map(|tls| tls.version.as_deref());
    let during = asked
        .filter(|tls| tls.client_certificate_asked)
        .find_map(|tls| match &tls.problem {
            Some(TlsProblem::Alert(alert)) => Some(alert.as_str()),
            _ => None,
        });
    if let Some(alert) = during.or_else(|| alert_after(seen)) {
        if !speaks_of_certificates(alert) {
            return Vec::new();
        }
        let when = if during.is_some() {
            "during the handshake"
        } else {
            "on the first read after a handshake that looked good"
        };
        let version = version.unwrap_or("TLS");
        let line = format!(
            "{version}: CertificateRequest from the server, then the fatal alert {alert} {when}"
        );
        return vec![
            named(seen, &format!("TLS alert {alert}"))
                .saw(line)
                .only(&[0]),
        ];
    }
    let Some(answer) = seen.answer().filter(|answer| matters(answer)) else {
        return Vec::new();
    };
    let line = format!(
        "CertificateRequest from the server; the handshake is answered with {} {}: {}",
        answer.status,
        answer.reason,
        start(&answer.body)
    );
    let finding = named(seen, &format!("{} {}", answer.status, answer.reason)).saw(line);
    let text = answer.body.to_ascii_lowercase() + &answer.reason.to_ascii_lowercase();
    if text.contains("certificate") || answer.status != 403 {
        return vec![finding.only(&[0])];
    }
    if seen.asked.client_certificate {
        return Vec::new();
    }
    // One reason of several for a 403: those who judge the answer say the others.
    let title = format!(
        "The server asked for a client certificate and got none; that may be the reason of its {}",
        answer.status
    );
    vec![finding.titled(title).severity(Severity::Note)]
}

fn named(seen: &Seen, answer: &str) -> Finding {
    if seen.asked.client_certificate {
        let title =
            format!("The server does not accept our client certificate: it answers with {answer}");
        return Finding::new(&REFUSED).titled(title);
    }
    Finding::new(&WANTED).titled(format!(
        "The server demands a client certificate (mutual TLS) and got none: it answers with {answer}"
    ))
}

/// An alert that ended the handshake of HTTP, after that of TLS was done.
fn alert_after(seen: &Seen) -> Option<&str> {
    match &seen.handshake.as_ref()?.outcome {
        Outcome::NoBytes { end: Some(end) } => {
            let alert = end.strip_prefix("alert ")?;
            speaks_of_certificates(alert).then_some(alert)
        }
        _ => None,
    }
}

/// Alerts by which servers refuse a client for its missing or bad certificate (RFC 8446 6.2).
fn speaks_of_certificates(alert: &str) -> bool {
    let alert = alert.to_ascii_lowercase();
    let words = [
        "certificate",
        "unknownca",
        "handshakefailure",
        "accessdenied",
    ];
    words.iter().any(|word| alert.contains(word))
}

/// Statuses by which a certificate that was only asked for is missed: nginx's 400, 495 and 496, and
/// the 403 of a rule.
fn matters(answer: &Answer) -> bool {
    let text = answer.body.to_ascii_lowercase() + &answer.reason.to_ascii_lowercase();
    match answer.status {
        495 | 496 => true,
        400 => text.contains("certificate"),
        403 => true,
        _ => false,
    }
}

/// The first words of a page, without its markup.
fn start(body: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let text = text.replace("\\r", " ").replace("\\n", " ");
    let words: Vec<&str> = text.split_whitespace().take(16).collect();
    words.join(" ")
}
