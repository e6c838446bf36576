//! Does TLS come up?

use std::net::IpAddr;

use super::super::Check;
use super::port::{self, failed};
use crate::probe::ask::compare::scheme::NO_NAME;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Outcome, Seen, TlsProblem, Variation};

pub const CHECK: Check = Check {
    name: "TLS handshake",
    entries: &[&OLD, &NAME, &NO_COMMON, &ALERT, &STALL, &CLOSED, &PROTOCOL],
    ask,
};

const EXPECTED: &str = "The server answers the ClientHello (TLS 1.2 and 1.3, ALPN http/1.1) with a ServerHello, and the handshake ends within a few round trips.";

static OLD: Entry = Entry {
    id: "tls-old",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The server offers only old TLS versions (TLS 1.0 or 1.1), which clients of today refuse",
    evidence: "The fatal alert protocol_version, or a ServerHello of an old version, in answer to a ClientHello that offers TLS 1.2 and 1.3.",
    expected: EXPECTED,
    causes: &[(
        "The server's configuration or its TLS library allows nothing newer than TLS 1.1.",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "ssl_protocols TLSv1.2 TLSv1.3;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "ssl-default-bind-options ssl-min-ver TLSv1.2   # in `global`; and no force-tlsv10/force-tlsv11, no ssl-max-ver",
        },
        Fix {
            product: Product::Apache,
            snippet: "SSLProtocol -all +TLSv1.2 +TLSv1.3",
        },
        Fix {
            product: Product::Envoy,
            snippet: "tls_params:\n  tls_minimum_protocol_version: TLSv1_2\n  tls_maximum_protocol_version: TLSv1_3",
        },
        Fix {
            product: Product::Stunnel,
            snippet: "sslVersionMin = TLSv1.2",
        },
        Fix {
            product: Product::Server,
            snippet: "update the TLS library, and allow TLS 1.2 and 1.3",
        },
    ],
    limits: "",
};

static NAME: Entry = Entry {
    id: "tls-sni",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The TLS server has no certificate for this host name (SNI) and rejects the handshake",
    evidence: "The fatal alert unrecognized_name, or an alert that does not come without a name.",
    expected: EXPECTED,
    causes: &[
        (
            "The host of the URL is not configured on this server: a misspelled or new name, or a rule for strict names.",
            "another name of the same server works: openssl s_client -connect HOST:PORT -servername OTHER",
        ),
        (
            "The connection goes to another server than meant (DNS, port, --resolve), or goes by address, so that no name can be sent.",
            "the names that work there are somebody else's; by name it works",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "connect by a name that is configured there",
        },
        Fix {
            product: Product::Nginx,
            snippet: "server {\n    listen 443 ssl;\n    server_name ws.example.com;   # add the name; else the default server with ssl_reject_handshake on answers\n    ssl_certificate     /etc/ssl/ws.example.com/fullchain.pem;\n    ssl_certificate_key /etc/ssl/ws.example.com/privkey.pem;\n}",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "bind :443 ssl crt /etc/haproxy/certs/   # with a certificate for the name, or without `strict-sni`",
        },
        Fix {
            product: Product::Caddy,
            snippet: "ws.example.com {          # a site for the name, so that a certificate is made\n    reverse_proxy 127.0.0.1:8080\n}",
        },
        Fix {
            product: Product::Traefik,
            snippet: "traefik.http.routers.ws.rule=Host(`ws.example.com`)\n# and tls.options.default.sniStrict: false, or a certificate for the name",
        },
        Fix {
            product: Product::Envoy,
            snippet: "filter_chain_match:\n  server_names: [\"ws.example.com\"]   # without a matching chain the connection is closed",
        },
    ],
    limits: "",
};

static NO_COMMON: Entry = Entry {
    id: "tls-no-common",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "TLS is refused with handshake_failure: client and server found nothing in common",
    evidence: "The fatal alert handshake_failure or insufficient_security in answer to the ClientHello.",
    expected: EXPECTED,
    causes: &[
        (
            "No common cipher suite: the server allows only old ones (CBC, RSA key exchange, 3DES, RC4).",
            "`nmap --script ssl-enum-ciphers -p PORT HOST` lists what it allows; a client with old ciphers connects",
        ),
        (
            "The server has no certificate for this name, or none at all.",
            "another name works (-servername), or the server's log says `no suitable certificate`",
        ),
        (
            "The server demands a client certificate and says so in this way (TLS 1.2).",
            "with --cert and --key it works",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256\nssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
        },
        Fix {
            product: Product::Apache,
            snippet: "SSLProtocol -all +TLSv1.2 +TLSv1.3\nSSLCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
        },
        Fix {
            product: Product::Server,
            snippet: "allow ECDHE with AES-GCM or ChaCha20-Poly1305, and configure a certificate for the name",
        },
    ],
    limits: "The probe offers what rustls offers: TLS 1.2 and 1.3, ECDHE, AES-GCM and ChaCha20-Poly1305.",
};

static ALERT: Entry = Entry {
    id: "tls-alert",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The server refuses the TLS handshake with a fatal alert",
    evidence: "A fatal alert in answer to the ClientHello.",
    expected: EXPECTED,
    causes: &[
        (
            "The server has no certificate for this name: servers written in Go (Caddy, Traefik and others) answer internal_error.",
            "another name works (-servername); the server's log says `no certificate available` or `TLS handshake error`",
        ),
        (
            "Its certificate or key cannot be used: unreadable, not a pair, still being issued.",
            "the server's log says so",
        ),
        (
            "A rule of the server or of a security device forbids this client.",
            "from another address it works",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Caddy,
            snippet: "ws.example.com {          # a site for the name; the log shows errors of ACME\n    reverse_proxy 127.0.0.1:8080\n}",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "read the log of whatever terminates TLS at the moment of this probe; check that a certificate is configured for the name",
        },
    ],
    limits: "The alert's number is all that the server says; its log says more.",
};

static STALL: Entry = Entry {
    id: "tls-stall",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The TLS handshake gets no answer: TCP opens, but no ServerHello comes",
    evidence: "TCP opened, the ClientHello was sent, nothing came; a plain HTTP request on the same port is not answered either.",
    expected: EXPECTED,
    causes: &[
        (
            "Whatever terminates TLS hangs or is overloaded; the kernel accepts connections on its behalf.",
            "its process uses no CPU or all of it; the accept queue (`ss -ltn`, Recv-Q) is not empty",
        ),
        (
            "The port speaks another, plain protocol that waits for more.",
            "the service of that port is not HTTP",
        ),
        (
            "A middle box or a balancer accepts the connection and has nowhere to pass it, or drops the ClientHello (also: packets above the path's MTU are lost).",
            "a capture on the server shows no ClientHello",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "check and restart the process behind the port; look for a blocked accept loop or event loop",
        },
        Fix {
            product: Product::Network,
            snippet: "check the balancer's targets, and the MTU of the way: ping -M do -s 1400 HOST",
        },
    ],
    limits: "A hung TLS terminator and a plain service that waits look the same from outside.",
};

static CLOSED: Entry = Entry {
    id: "tls-closed",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The server closes the connection in answer to the TLS ClientHello",
    evidence: "FIN or RST after the ClientHello, without an alert; a plain HTTP request on the same port is not answered either.",
    expected: EXPECTED,
    causes: &[
        (
            "A balancer or stream proxy accepts the connection and has no server behind it that does.",
            "the connection ends at once, for every name; the log of the balancer says so",
        ),
        (
            "Nothing is configured for this name, and the server closes instead of sending an alert (Envoy without a matching filter chain, routing by SNI).",
            "another name works: openssl s_client -connect HOST:PORT -servername OTHER",
        ),
        (
            "A firewall or censoring middle box cuts connections by the name in the ClientHello or by address.",
            "from another network it works",
        ),
        (
            "The process crashes or gives up at the start of TLS (no certificate, connection limit).",
            "its log says so",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Envoy,
            snippet: "filter_chain_match:\n  server_names: [\"ws.example.com\"]   # or a filter chain without a match as the default",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "# mode tcp, routing by SNI: is there a use_backend for this name, with a server that is up?\nuse_backend ws if { req.ssl_sni -i ws.example.com }",
        },
        Fix {
            product: Product::Nginx,
            snippet: "# stream: is the upstream of this name up?\nmap $ssl_preread_server_name $upstream {\n    ws.example.com 10.0.0.5:443;\n}",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "read the log of whatever listens on the port at the moment of this probe",
        },
    ],
    limits: "An end without an alert names no reason.",
};

static PROTOCOL: Entry = Entry {
    id: "tls-protocol",
    layer: Layer::Tls,
    severity: Severity::Undecided,
    title: "The TLS handshake breaks off for a reason no check knows",
    evidence: "The TLS library (rustls) cannot go on with what the server sent.",
    expected: EXPECTED,
    causes: &[("The library's words name it.", "")],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "compare with another library: openssl s_client -connect HOST:PORT -servername HOST -alpn http/1.1",
    }],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((route, problem)) = failed(seen) else {
        return Vec::new();
    };
    // Plain HTTP or another service: said there.
    if !(port::CHECK.ask)(seen).is_empty() {
        return Vec::new();
    }
    let tls = route
        .tls
        .as_ref()
        .map(|tls| (tls.client_certificate_asked, tls.took_ms.seconds()));
    let (certificate_asked, took) = tls.unwrap_or_default();
    let host = &seen.asked.host;
    let finding = match problem {
        TlsProblem::Alert(_) if certificate_asked => return Vec::new(),
        TlsProblem::Alert(alert) => {
            let line = format!("the ClientHello for {host} is answered with the fatal alert {alert}");
            by_alert(seen, alert).saw(line)
        }
        TlsProblem::TimedOut => Finding::new(&STALL).titled(format!(
            "The TLS handshake gets no answer: TCP to {} opens, but no ServerHello comes within {took:.1} s",
            route.address
        )),
        TlsProblem::Closed => closed(host, "FIN", took),
        TlsProblem::Reset => closed(host, "RST", took),
        TlsProblem::Other(text) if old(text) => old_only(host).saw(format!("rustls: {text}")),
        TlsProblem::Other(text) => Finding::new(&PROTOCOL)
            .titled(format!("The TLS handshake breaks off: {text}")),
        TlsProblem::NotTls(bytes) => Finding::new(&PROTOCOL)
            .titled("The TLS handshake breaks off: what comes is no valid TLS")
            .saw(format!("first bytes: {bytes}")),
    };
    let mut finding = finding.saw(format!("at {} after {took:.2} s", route.address));
    if let Some(plain) = seen.to(&Variation::OtherScheme) {
        finding = finding.saw(format!(
            "a plain handshake on the same port: {}",
            words(&plain.outcome)
        ));
    }
    // Where another address works, some clients connect.
    if seen.routes.iter().any(|route| route.is_open()) {
        finding = finding.severity(Severity::Warning);
    }
    vec![finding]
}

fn by_alert(seen: &Seen, alert: &str) -> Finding {
    let host = &seen.asked.host;
    let without_name = seen.to(&Variation::ServerName(NO_NAME.to_owned()));
    let works_without = without_name
        .is_some_and(|e| !matches!(e.outcome, Outcome::NoTls(_) | Outcome::NotOpened(_)));
    match alert {
        "ProtocolVersion" => old_only(host),
        "UnrecognisedName" | "UnrecognizedName" => by_name(host, alert),
        _ if works_without => by_name(host, alert)
            .saw("without a name (SNI) the handshake succeeds, with the default certificate"),
        "HandshakeFailure" | "InsufficientSecurity" => Finding::new(&NO_COMMON).titled(format!(
            "TLS is refused with the alert {alert}: no cipher suite in common, no certificate for {host}, or a client certificate is demanded"
        )),
        "InternalError" => Finding::new(&ALERT).titled(format!(
            "The server refuses the TLS handshake with the alert internal_error: most often it has no usable certificate for {host}"
        )),
        _ => Finding::new(&ALERT).titled(format!(
            "The server refuses the TLS handshake for {host} with the fatal alert {alert}"
        )),
    }
}

fn by_name(host: &str, alert: &str) -> Finding {
    if host.parse::<IpAddr>().is_ok() {
        return Finding::new(&NAME).titled(format!(
            "The TLS server rejects the handshake ({alert}): the URL holds the address {host}, so no host name (SNI) could be sent"
        ));
    }
    Finding::new(&NAME).titled(format!(
        "The TLS server does not know the host name {host} (SNI) and rejects the handshake with the alert {alert}"
    ))
}

fn old_only(host: &str) -> Finding {
    Finding::new(&OLD).titled(format!(
        "The server of {host} offers only old TLS versions (TLS 1.0 or 1.1), which clients of today refuse: TLS 1.2 and 1.3 were offered"
    ))
}

/// rustls met a ServerHello of TLS 1.1 or older.
fn old(text: &str) -> bool {
    [
        "ServerDoesNotSupportTls12Or13",
        "ServerTlsVersionIsDisabled",
    ]
    .iter()
    .any(|word| text.contains(word))
}

fn closed(host: &str, end: &str, took: f64) -> Finding {
    Finding::new(&CLOSED).titled(format!(
        "The server closes the connection ({end}) {took:.2} s after the TLS ClientHello for {host}, without an alert"
    ))
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NotOpened(why) => format!("not opened: {why}"),
        Outcome::NoTls(_) => "TLS did not come up".to_owned(),
        Outcome::NoBytes { end: None } => "no answer either".to_owned(),
        Outcome::NoBytes { end: Some(end) } => format!("{end}, without a byte"),
        Outcome::NotHttp { bytes, .. } | Outcome::PartialHead { bytes, .. } => {
            format!("first bytes {bytes}")
        }
        Outcome::Answer(answer) => format!("{} {}", answer.status, answer.reason),
    }
}
