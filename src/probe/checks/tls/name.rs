//! Is the certificate for this host?

use super::super::Check;
use super::{described, judged, listed, shown};
use crate::probe::certificate::is_for;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Certificate, Seen};

pub const CHECK: Check = Check {
    name: "certificate name",
    entries: &[&WRONG, &CN_ONLY],
    ask,
};

static WRONG: Entry = Entry {
    id: "tls-wronghost",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The certificate is for another host name",
    evidence: "No name in subjectAltName fits the host of the URL (RFC 9525 6.3; a wildcard stands for exactly one label).",
    expected: "subjectAltName holds the host of the URL.",
    causes: &[
        (
            "The certificate was issued without this name: a new subdomain, a www prefix, one label too many for the wildcard, an address instead of a name.",
            "no certificate of the server has this name",
        ),
        (
            "The server shows the certificate of its default host: no virtual host is configured for this name (SNI), or they stand in the wrong order.",
            "another certificate comes when another name is sent: openssl s_client -connect HOST:PORT -servername NAME",
        ),
        (
            "The connection goes to another server than meant: wrong DNS record, wrong port, an intercepting proxy.",
            "the certificate's names or issuer are somebody else's",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "connect by a name that the certificate has",
        },
        Fix {
            product: Product::Nginx,
            snippet: "server {\n    listen 443 ssl;\n    server_name ws.example.com;          # this host\n    ssl_certificate     /etc/ssl/ws.example.com/fullchain.pem;\n    ssl_certificate_key /etc/ssl/ws.example.com/privkey.pem;\n}",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "bind :443 ssl crt /etc/haproxy/certs/   # a directory: one PEM for each name, chosen by SNI",
        },
        Fix {
            product: Product::Apache,
            snippet: "<VirtualHost *:443>\n    ServerName ws.example.com\n    SSLEngine on\n    SSLCertificateFile    /etc/ssl/ws.example.com/fullchain.pem\n    SSLCertificateKeyFile /etc/ssl/ws.example.com/privkey.pem\n</VirtualHost>",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "spec:\n  tls:\n    - hosts: [ws.example.com]\n      secretName: ws-example-com-tls   # else the fake default certificate is shown",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "issue a certificate that has the name: certbot certonly --expand -d example.com -d ws.example.com",
        },
    ],
    limits: "",
};

static CN_ONLY: Entry = Entry {
    id: "tls-cn-only",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The certificate names the host only in its CN and has no subjectAltName",
    evidence: "No DNS name or address in subjectAltName; the CN of the subject is the host.",
    expected: "subjectAltName holds the host; the CN is not looked at (RFC 9525 2).",
    causes: &[(
        "The certificate was made without subjectAltName, as old guides do (openssl req -subj /CN=...).",
        "",
    )],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 365 \\\n  -subj /CN=ws.example.com -addext subjectAltName=DNS:ws.example.com",
    }],
    limits: "OpenSSL and programs built on it may still accept such a certificate; browsers, Go and rustls refuse it.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let host = &seen.asked.host;
    let mut found = Vec::new();
    for (route, tls) in shown(seen) {
        let Some(own) = tls.chain.first().filter(|own| !is_for(&own.names, host)) else {
            continue;
        };
        let finding = if own.names.is_empty() {
            nameless(own, host)
        } else {
            Finding::new(&WRONG).titled(format!(
                "The certificate is not for {host}: it is for {}",
                listed(&own.names)
            ))
        };
        let names = if own.names.is_empty() {
            "none".to_owned()
        } else {
            listed(&own.names)
        };
        let finding = finding
            .saw(format!("subjectAltName: {names}; host of the URL: {host}"))
            .saw(described(route, own));
        found.push(judged(finding, seen, Severity::Fault));
    }
    found
}

fn nameless(own: &Certificate, host: &str) -> Finding {
    match &own.common_name {
        Some(name) if is_for(std::slice::from_ref(name), host) => {
            Finding::new(&CN_ONLY).titled(format!(
                "The certificate names {host} only in its CN and has no subjectAltName (SAN): browsers and many other clients refuse it"
            ))
        }
        Some(name) => Finding::new(&WRONG).titled(format!(
            "The certificate is not for {host}: it has no subjectAltName (SAN), and its CN is {name}"
        )),
        None => Finding::new(&WRONG).titled(format!(
            "The certificate is not for {host}: it holds no name at all"
        )),
    }
}
