//! Does the certificate lead to a root that is trusted?

use super::super::Check;
use super::{described, judged, quoted, shown};
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Certificate, Route, Seen, TlsSeen};

pub const CHECK: Check = Check {
    name: "certificate chain",
    entries: &[&SELF_SIGNED, &INCOMPLETE, &ORDER, &UNTRUSTED],
    ask,
};

static SELF_SIGNED: Entry = Entry {
    id: "tls-selfsigned",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The certificate is self-signed; clients without an exception refuse it",
    evidence: "Subject and issuer of the server's own certificate are the same, and it is not among the trusted ones.",
    expected: "The certificate leads to a root that clients trust.",
    causes: &[(
        "A certificate made by the server itself: for a test, by an installer, or the default of a proxy without one for this host.",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::AnyProxy,
            snippet: "use a certificate of an authority that clients trust: certbot certonly -d ws.example.com",
        },
        Fix {
            product: Product::Client,
            snippet: "when it is meant so: give clients this certificate as trusted, here with --ca cert.pem (or --insecure to look past it)",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "# \"Kubernetes Ingress Controller Fake Certificate\": the Ingress names no secret, or one that does not exist\nspec:\n  tls:\n    - hosts: [ws.example.com]\n      secretName: ws-example-com-tls",
        },
        Fix {
            product: Product::Traefik,
            snippet: "# \"TRAEFIK DEFAULT CERT\": the router has no certificate\ntraefik.http.routers.ws.tls.certresolver=letsencrypt",
        },
    ],
    limits: "",
};

static INCOMPLETE: Entry = Entry {
    id: "tls-chain",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The certificate chain does not lead to a trusted root",
    evidence: "No trusted root signed the last certificate that the server sends.",
    expected: "The server sends its certificate and every intermediate; the root is trusted by clients.",
    causes: &[
        (
            "The server does not send its intermediate certificate: the chain is incomplete. Browsers may hide that, since they remember or fetch it.",
            "the issuer of the last certificate sent is an intermediate of a public authority; `openssl s_client -showcerts` shows one certificate only",
        ),
        (
            "It is complete, and its root is that of a private authority (company, lab, service mesh) that this client does not trust.",
            "with the authority's certificate given as --ca FILE the complaint is gone",
        ),
        (
            "A TLS-inspecting proxy or virus scanner on the way shows a certificate of its own.",
            "the issuer is a security product or the company; from another network the issuer is another",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "ssl_certificate /etc/letsencrypt/live/ws.example.com/fullchain.pem;   # not cert.pem",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "cat fullchain.pem privkey.pem > /etc/haproxy/certs/site.pem\nbind :443 ssl crt /etc/haproxy/certs/site.pem",
        },
        Fix {
            product: Product::Apache,
            snippet: "SSLCertificateFile /etc/letsencrypt/live/ws.example.com/fullchain.pem   # 2.4.8 and later: with the intermediates",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "configure the file that holds the certificate followed by its intermediates (fullchain)",
        },
        Fix {
            product: Product::Client,
            snippet: "for a private authority: --ca root.pem here; in programs their trust store (NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, REQUESTS_CA_BUNDLE)",
        },
    ],
    limits: "Without the issuer's certificate at hand, a missing intermediate cannot be told from a private authority.",
};

static ORDER: Entry = Entry {
    id: "tls-chain-order",
    layer: Layer::Tls,
    severity: Severity::Warning,
    title: "The certificates of the chain are in the wrong order, or one does not belong to it",
    evidence: "A certificate in the chain is not issued by the one that follows it.",
    expected: "Each certificate is followed by the one that signed it (RFC 5246 7.4.2).",
    causes: &[(
        "The file was put together in another order, or with the intermediate of another authority.",
        "",
    )],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "cat server.pem intermediate.pem > fullchain.pem   # own certificate first, then each one's issuer; no root",
    }],
    limits: "TLS 1.3 and most clients sort it themselves; old and embedded ones refuse it.",
};

static UNTRUSTED: Entry = Entry {
    id: "tls-untrusted",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "A careful client does not trust the server's certificate",
    evidence: "The verifier (rustls with the trusted roots) refuses the chain; nothing else found in the certificates explains it.",
    expected: "The certificate is accepted for this host by clients.",
    causes: &[("The verifier's words name it.", "")],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "look at the certificate: openssl s_client -connect HOST:PORT -servername HOST -showcerts | openssl x509 -noout -text; issue it anew as a server certificate (extendedKeyUsage serverAuth, basicConstraints CA:FALSE)",
    }],
    limits: "Another TLS library may be more lenient or stricter than the one used here (rustls).",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    for (route, tls) in shown(seen) {
        let own = &tls.chain[0];
        let finding = match &tls.chain_distrust {
            None => Vec::from_iter(disordered(tls)),
            Some(_) if own.self_issued => vec![judged(self_signed(own), seen, Severity::Fault)],
            Some(_) if tls.unknown_issuer => vec![judged(incomplete(tls), seen, Severity::Fault)],
            Some(reason) => vec![judged(untrusted(reason), seen, Severity::Fault)],
        };
        found.extend(finding.into_iter().map(|f| with_chain(f, route, tls)));
    }
    // Whatever else the verifier complains of must not be lost.
    for route in &seen.routes {
        let Some(tls) = &route.tls else { continue };
        if let Some(reason) = unexplained(tls, seen) {
            let finding = untrusted(reason).saw(format!("certificate at {}", route.address));
            found.push(judged(finding, seen, Severity::Fault));
            break;
        }
    }
    found
}

/// The verifier's reason, when none of the questions here and beside has an answer to it.
fn unexplained<'a>(tls: &'a TlsSeen, seen: &Seen) -> Option<&'a str> {
    let reason = tls.distrust.as_deref()?;
    let Some(own) = tls.chain.first() else {
        return Some(reason);
    };
    let now = seen.asked.at;
    let dated = tls
        .chain
        .iter()
        .any(|c| c.not_after < now || c.not_before > now);
    let named = crate::probe::certificate::is_for(&own.names, &seen.asked.host);
    (tls.chain_distrust.is_none() && !dated && named).then_some(reason)
}

fn self_signed(own: &Certificate) -> Finding {
    Finding::new(&SELF_SIGNED).titled(format!(
        "The certificate is self-signed (subject and issuer are both {}): clients without an exception refuse it",
        quoted(&own.subject)
    ))
}

fn incomplete(tls: &TlsSeen) -> Finding {
    let sent = tls.chain.len();
    let last = tls.chain.last().unwrap_or(&tls.chain[0]);
    let issuer = quoted(&last.issuer);
    let finding = Finding::new(&INCOMPLETE);
    if last.self_issued {
        // The root was sent along: nothing is missing between.
        return finding
            .titled(format!(
                "The certificate comes from an authority that is not trusted here: the chain is complete up to its root {issuer}"
            ))
            .only(&[1, 2]);
    }
    let sent = match sent {
        1 => "the server sends one certificate, without an intermediate".to_owned(),
        sent => format!("the server sends {sent} certificates"),
    };
    let finding = finding.titled(format!(
        "The certificate chain does not lead to a trusted root: {sent}, and the issuer {issuer} is not known here (incomplete chain, or a private authority)"
    ));
    match &last.issuer_url {
        Some(url) => finding.saw(format!(
            "the issuer can be fetched at {url} (AIA): public authorities say so, which speaks for a missing intermediate"
        )),
        None => finding.saw("the certificate does not say where its issuer can be fetched (no AIA)"),
    }
}

fn untrusted(reason: &str) -> Finding {
    Finding::new(&UNTRUSTED)
        .titled(format!(
            "A careful client does not trust the server's certificate: {reason}"
        ))
        .saw(format!("the verifier says: {reason}"))
}

/// A chain that is trusted although its order is wrong.
fn disordered(tls: &TlsSeen) -> Option<Finding> {
    let pairs = tls.chain.windows(2);
    let broken = pairs
        .into_iter()
        .position(|pair| pair[0].issuer != pair[1].subject)?;
    let (one, next) = (&tls.chain[broken], &tls.chain[broken + 1]);
    Some(Finding::new(&ORDER).saw(format!(
        "certificate {} is issued by {}, but {} follows it",
        broken + 1,
        quoted(&one.issuer),
        quoted(&next.subject)
    )))
}

fn with_chain(mut finding: Finding, route: &Route, tls: &TlsSeen) -> Finding {
    finding = finding.saw(described(route, &tls.chain[0]));
    for (index, certificate) in tls.chain.iter().enumerate().skip(1) {
        finding = finding.saw(format!(
            "certificate {} sent: subject {}, issuer {}",
            index + 1,
            quoted(&certificate.subject),
            quoted(&certificate.issuer)
        ));
    }
    finding
}
