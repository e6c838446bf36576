//! Is the certificate valid now, and for how long?

use super::super::Check;
use super::{date, described, judged, shown};
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Certificate, Seen};

pub const CHECK: Check = Check {
    name: "certificate dates",
    entries: &[&EXPIRED, &NOT_YET, &SOON],
    ask,
};

const DAY: i64 = 86_400;
/// A certificate that ends within so many days is said, if most of its life is over.
const SOON_DAYS: i64 = 21;
/// The same as a warning: renewal should have happened.
const VERY_SOON_DAYS: i64 = 7;

/// Renewal, for each product.
const RENEW: &[Fix] = &[
    Fix {
        product: Product::Nginx,
        snippet: "certbot renew --deploy-hook \"nginx -s reload\"   # a renewed file is not used before a reload",
    },
    Fix {
        product: Product::Haproxy,
        snippet: "certbot renew --deploy-hook \"cat fullchain.pem privkey.pem > /etc/haproxy/certs/site.pem && systemctl reload haproxy\"",
    },
    Fix {
        product: Product::Apache,
        snippet: "certbot renew --deploy-hook \"apachectl graceful\"",
    },
    Fix {
        product: Product::Caddy,
        snippet: "# automatic, unless `tls CERT KEY` names files: renew those, or remove the line; see the log for ACME errors",
    },
    Fix {
        product: Product::IngressNginx,
        snippet: "kubectl get certificate,certificaterequest,order,challenge   # cert-manager: why it was not renewed",
    },
    Fix {
        product: Product::AnyProxy,
        snippet: "renew the certificate and reload whatever terminates TLS; then check: openssl s_client -connect HOST:PORT -servername HOST | openssl x509 -noout -dates",
    },
];

static EXPIRED: Entry = Entry {
    id: "tls-expired",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The TLS certificate has expired",
    evidence: "notAfter of a certificate that the server sends lies in the past.",
    expected: "Every certificate of the chain is valid now.",
    causes: &[(
        "The certificate was not renewed, or it was and the proxy was not reloaded.",
        "",
    )],
    fixes: RENEW,
    limits: "",
};

static NOT_YET: Entry = Entry {
    id: "tls-not-yet-valid",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The TLS certificate is not valid yet",
    evidence: "notBefore of a certificate that the server sends lies in the future.",
    expected: "Every certificate of the chain is valid now.",
    causes: &[
        (
            "The certificate was made with a start in the future, or by a machine whose clock is wrong.",
            "the date of its start is wrong for everybody",
        ),
        (
            "The clock of this machine is behind.",
            "`date -u` here differs from the time of others",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::AnyProxy,
            snippet: "install a certificate that is valid already; check the clock (NTP) of the machine that made it",
        },
        Fix {
            product: Product::Client,
            snippet: "timedatectl   # is this machine's clock right and synchronised?",
        },
    ],
    limits: "",
};

static SOON: Entry = Entry {
    id: "tls-expires-soon",
    layer: Layer::Tls,
    severity: Severity::Warning,
    title: "The TLS certificate ends soon",
    evidence: "notAfter lies less than 21 days ahead and more than two thirds of the validity are over.",
    expected: "Certificates are renewed when a third of their validity is left.",
    causes: &[(
        "Renewal did not happen yet; where it is automatic it may be stuck.",
        "",
    )],
    fixes: RENEW,
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    for (route, tls) in shown(seen) {
        for (index, certificate) in tls.chain.iter().enumerate() {
            let root = index > 0 && certificate.self_issued;
            // A root that is sent along is not used: clients have their own.
            if root {
                continue;
            }
            if let Some(finding) = judge(certificate, index, seen) {
                found.push(finding.saw(described(route, certificate)));
            }
        }
    }
    found
}

fn judge(certificate: &Certificate, index: usize, seen: &Seen) -> Option<Finding> {
    let now = seen.asked.at;
    let which = if index == 0 {
        "TLS certificate".to_owned()
    } else {
        format!("intermediate certificate {} of the chain", index + 1)
    };
    let days = |seconds: i64| match seconds / DAY {
        0 => format!("{} hours", seconds / 3_600),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if certificate.not_after < now {
        let since = days(now - certificate.not_after);
        let until = date(certificate.not_after);
        let title = format!("The {which} expired on {until}, {since} ago");
        return Some(judged(
            Finding::new(&EXPIRED).titled(title),
            seen,
            Severity::Fault,
        ));
    }
    if certificate.not_before > now {
        let from = date(certificate.not_before);
        let title = format!(
            "The {which} is not valid yet: its validity starts on {from}, in {}",
            days(certificate.not_before - now)
        );
        return Some(judged(
            Finding::new(&NOT_YET).titled(title),
            seen,
            Severity::Fault,
        ));
    }
    let left = certificate.not_after - now;
    let life = certificate.not_after - certificate.not_before;
    if left < SOON_DAYS * DAY && left < life / 3 {
        let severity = if left < VERY_SOON_DAYS * DAY && left < life / 6 {
            Severity::Warning
        } else {
            Severity::Note
        };
        let title = format!(
            "The {which} ends in {}, on {}",
            days(left),
            date(certificate.not_after)
        );
        return Some(judged(Finding::new(&SOON).titled(title), seen, severity));
    }
    None
}
