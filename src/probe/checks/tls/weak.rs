//! Are key and signature strong enough for clients of today?

use super::super::Check;
use super::{described, judged, shown};
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Certificate, Seen};

pub const CHECK: Check = Check {
    name: "certificate strength",
    entries: &[&WEAK],
    ask,
};

/// CA/Browser Forum baseline requirements 6.1.5; OpenSSL's default security level asks for it too.
const RSA_BITS: u32 = 2048;

static WEAK: Entry = Entry {
    id: "tls-weak",
    layer: Layer::Tls,
    severity: Severity::Warning,
    title: "The certificate uses weak cryptography that clients refuse",
    evidence: "A signature with SHA-1 or MD5, or an RSA key below 2048 bits, in the chain (roots set aside).",
    expected: "SHA-256 or better; RSA of at least 2048 bits or an elliptic curve.",
    causes: &[(
        "The certificate is old or was made by an old tool or device.",
        "",
    )],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "openssl req -new -newkey rsa:2048 -sha256 -nodes -keyout key.pem -out request.pem   # and have it signed anew",
    }],
    limits: "Browsers, OpenSSL at its default level and rustls refuse it; lenient clients still connect.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    for (route, tls) in shown(seen) {
        for (index, certificate) in tls.chain.iter().enumerate() {
            if index > 0 && certificate.self_issued {
                continue;
            }
            let Some(what) = weakness(certificate) else {
                continue;
            };
            let refused = tls.distrust.is_some() || tls.signature.is_some();
            let severity = if refused {
                Severity::Fault
            } else {
                Severity::Warning
            };
            let title = format!(
                "Certificate {} of the chain is weak: {what}; clients of today refuse it",
                index + 1
            );
            let mut finding = Finding::new(&WEAK).titled(title);
            if let Some(reason) = &tls.signature {
                finding = finding.saw(format!("the handshake's signature: {reason}"));
            }
            let finding = finding.saw(described(route, certificate)).saw(format!(
                "key {}, signed with {}",
                certificate.key, certificate.signature
            ));
            found.push(judged(finding, seen, severity));
        }
    }
    found
}

fn weakness(certificate: &Certificate) -> Option<String> {
    let signature = certificate.signature.to_ascii_lowercase();
    // A signature of its own makes a certificate no stronger and no weaker.
    if !certificate.self_issued {
        let hash = ["md2", "md4", "md5", "sha1", "sha-1"];
        if let Some(hash) = hash.iter().find(|hash| signature.contains(*hash)) {
            let name = if hash.starts_with("sha") {
                "SHA-1"
            } else {
                "MD5 or older"
            };
            return Some(format!(
                "it is signed with {name} ({})",
                certificate.signature
            ));
        }
    }
    let small = certificate.key.starts_with("RSA") && certificate.key_bits < RSA_BITS;
    if small || certificate.key == "DSA" {
        return Some(format!("its key is {}", certificate.key));
    }
    None
}
