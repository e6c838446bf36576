//! The request is not the one that was sent: headers lost, HTTP/1.0, an upgrade refused, bytes damaged.

use super::tree::Cause;
use super::{decided, finding, status};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

/// The question.
pub const CHECK: Check = Check {
    name: "the handshake arrives as it was sent",
    entries: &[
        &NOT_FORWARDED,
        &NOT_FORWARDED_APP,
        &HTTP10,
        &HEADER_LOST,
        &UPGRADE_REFUSED,
        &DAMAGED,
    ],
    ask,
};

/// How each proxy passes an upgrade on.
pub const PASS_ON: &[Fix] = &[
    Fix {
        product: Product::Nginx,
        snippet: "# http { }\n\
                  map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n\
                  # location { } - all of them, or those of the outer block are not inherited\n\
                  proxy_http_version 1.1;\n\
                  proxy_set_header Upgrade $http_upgrade;\n\
                  proxy_set_header Connection $connection_upgrade;\n\
                  proxy_set_header Host $host;",
    },
    Fix {
        product: Product::Apache,
        snippet: "# before any ProxyPass of a shorter path; httpd 2.4.47 or later\n\
                  ProxyPass /ws http://127.0.0.1:8080/ws upgrade=websocket\n\
                  # and no RequestHeader unset Upgrade",
    },
    Fix {
        product: Product::Haproxy,
        snippet: "# passed on by default in mode http: remove\n\
                  # http-request del-header Upgrade\n\
                  # http-request del-header Connection",
    },
    Fix {
        product: Product::Caddy,
        snippet: "# passed on by default; remove header_up -Upgrade / -Connection\n\
                  reverse_proxy 127.0.0.1:8080",
    },
    Fix {
        product: Product::Envoy,
        snippet: "# http_connection_manager\n\
                  upgrade_configs:\n\
                  - upgrade_type: websocket",
    },
    Fix {
        product: Product::Lighttpd,
        snippet: "proxy.header = ( \"upgrade\" => \"enable\" )",
    },
    Fix {
        product: Product::Varnish,
        snippet: "sub vcl_recv { if (req.http.Upgrade ~ \"(?i)websocket\") { return (pipe); } }\n\
                  sub vcl_pipe { if (req.http.Upgrade) {\n\
                  \x20 set bereq.http.Upgrade = req.http.Upgrade;\n\
                  \x20 set bereq.http.Connection = req.http.Connection; } }",
    },
    Fix {
        product: Product::Squid,
        snippet: "http_upgrade_request_protocols websocket allow all",
    },
    Fix {
        product: Product::IngressNginx,
        snippet: "# passed on by default; look for configuration-snippet or proxy-set-headers that set \
                  Connection or Upgrade",
    },
    Fix {
        product: Product::Traefik,
        snippet: "# passed on by default; look for a headers middleware with customRequestHeaders that \
                  empties Connection or Upgrade",
    },
];

static NOT_FORWARDED: Entry = Entry {
    id: "upgrade-not-forwarded",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The proxy does not pass the Upgrade and Connection headers on: the WebSocket server saw an \
            ordinary GET",
    evidence: "426 (or a 400 that misses Upgrade or Connection) in answer to a correct handshake; an \
               ordinary GET and a handshake with Sec-WebSocket-Version: 99 get the same status and body",
    expected: "101, and for version 99 another answer than for a GET: the server sees the handshake",
    causes: &[
        (
            "the header Upgrade is not passed on",
            "the server's log of request headers",
        ),
        (
            "the header Connection is not passed on, is empty or is close (the recipe for keepalive to \
             upstreams sets Connection \"\")",
            "the server's log of request headers",
        ),
        (
            "the lines that pass both on stand in an outer block and are not inherited, or in another \
             location than the one that matches",
            "the effective configuration: nginx -T",
        ),
        (
            "an inner hop of a chain (a second proxy, an ingress, a service mesh) drops them",
            "the same handshake to each hop directly",
        ),
    ],
    fixes: PASS_ON,
    limits: "which of the headers is missing, and which hop of a chain drops it, cannot be seen from \
             outside",
};

static NOT_FORWARDED_APP: Entry = Entry {
    id: "upgrade-not-forwarded-app",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The handshake is treated as an ordinary GET: the upgrade headers do not reach a WebSocket \
            server, or this path or host leads elsewhere",
    evidence: "an HTTP page or an error of a web application; handshake, ordinary GET and version 99 get \
               the same status and body",
    expected: "101, and for version 99 another answer than for a GET",
    causes: &[
        (
            "a proxy does not pass the Upgrade and Connection headers on, and the application answers \
             what it answers to a GET of this path",
            "the same handshake to the server directly opens",
        ),
        (
            "the path is wrong: the application serves WebSocket elsewhere",
            "another path opens; the path as the application's code has it",
        ),
        (
            "the proxy sends this Host or path to another backend than the WebSocket server",
            "the access log of the backend that should get it stays empty",
        ),
    ],
    fixes: PASS_ON,
    limits: "an application that answers a GET and a handshake alike does not say which it saw; the \
             server directly does",
};

static HTTP10: Entry = Entry {
    id: "http10-upstream",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The proxy speaks HTTP/1.0 to the server behind it, which cannot upgrade then",
    evidence: "505, or an error that names HTTP/1.0 or a missing upgrade state, though the request line \
               said HTTP/1.1",
    expected: "a 101 with the headers of an upgrade",
    causes: &[(
        "the proxy passes the request on as HTTP/1.0 (nginx before 1.29.7 without proxy_http_version \
         1.1)",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "proxy_http_version 1.1;\n\
                      proxy_set_header Upgrade $http_upgrade;\n\
                      proxy_set_header Connection \"upgrade\";",
        },
        Fix {
            product: Product::Apache,
            snippet: "# remove: SetEnv force-proxy-request-1.0 1",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "use HTTP/1.1 to the server behind",
        },
    ],
    limits: "servers that accept an HTTP/1.0 upgrade (npm ws, aiohttp) hide this",
};

static HEADER_LOST: Entry = Entry {
    id: "hs-header-lost",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "A header of the handshake is lost on the way: the server misses what was sent",
    evidence: "the answer complains about Sec-WebSocket-Key or Sec-WebSocket-Version, both of which were \
               sent as RFC 6455 4.1 wants them",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "a proxy or filter on the way removes or changes Sec-WebSocket-* headers (a header \
             allow-list, a WAF, a caching layer)",
            "the same handshake to the server directly opens",
        ),
        (
            "a proxy turns the request into HTTP/2 or back and makes no key of its own (Envoy with \
             RFC 8441 to an HTTP/1.1 server)",
            "the protocol between proxy and server",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "# remove: proxy_set_header Sec-WebSocket-Key \"\"; and its like;\n\
                      # with proxy_pass_request_headers off; set all of them again",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "# remove: http-request del-header Sec-WebSocket-",
        },
        Fix {
            product: Product::Apache,
            snippet: "# remove: RequestHeader unset Sec-WebSocket-Key (and -Version)",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "pass every Sec-WebSocket-* header on unchanged",
        },
    ],
    limits: "which hop removes it cannot be seen from outside",
};

static UPGRADE_REFUSED: Entry = Entry {
    id: "proxy-refuses-upgrade",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The upgrade is refused with 403 while an ordinary GET passes: upgrades are not enabled for \
            this route",
    evidence: "403 for the handshake and for version 99, another answer for an ordinary GET of the same \
               URL",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "Envoy (Istio, Gateway) has no upgrade_configs for websocket on this listener or route: its \
             default is to refuse every upgrade with an empty 403",
            "Server: envoy; access log with response code detail upgrade_failed",
        ),
        (
            "Envoy Gateway has no ready endpoint for the route: the same 403",
            "kubectl get endpointslices for the service",
        ),
        (
            "a firewall rule (WAF) rejects requests with an Upgrade header",
            "the log of the WAF",
        ),
        (
            "the application refuses the handshake before it looks at its version (Origin, token)",
            "the same handshake with --origin or -H to the server directly",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Envoy,
            snippet: "# http_connection_manager, or the route's own upgrade_configs\n\
                      upgrade_configs:\n\
                      - upgrade_type: websocket\n\
                      \x20 enabled: true",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "allow the WebSocket upgrade on this route",
        },
    ],
    limits: "who refuses is known only as far as the answer names itself",
};

static DAMAGED: Entry = Entry {
    id: "proxy-protocol-unexpected",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "Every request, even an ordinary GET, gets an empty 400: the server behind does not understand \
            the bytes that reach it",
    evidence: "400 with an empty body for the handshake, an ordinary GET and version 99 alike",
    expected: "101, and some page for an ordinary GET",
    causes: &[
        (
            "the proxy puts a PROXY protocol line before the request (send-proxy, proxy_protocol on) and \
             the server does not expect one: the request is malformed for it",
            "the same request to the server directly",
        ),
        (
            "the server is reached with the wrong protocol: HTTP/2 or TLS where it expects plain \
             HTTP/1.1, or the reverse",
            "the scheme and protocol in the proxy's upstream settings",
        ),
        (
            "the server refuses this Host (a list of allowed hosts)",
            "another Host header",
        ),
        (
            "the application answers an empty 400 to whatever it does not serve, upgrades whose headers \
             were lost among them",
            "the same handshake to the server directly opens",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Haproxy,
            snippet: "# either without it: server app 127.0.0.1:8080\n\
                      # or let the server accept it: server app 127.0.0.1:8080 send-proxy",
        },
        Fix {
            product: Product::Nginx,
            snippet: "# stream { }: proxy_protocol off;\n\
                      # or, if the server behind is nginx: listen 8080 proxy_protocol;",
        },
        Fix {
            product: Product::AwsAlb,
            snippet: "# NLB target group: proxy_protocol_v2.enabled = false, or accept it in the server",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "send the server behind what it expects: no PROXY protocol line, plain HTTP/1.1",
        },
    ],
    limits: "an empty 400 names nothing: the request must be looked at where it arrives",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((cause, picture)) = decided(seen) else {
        return Vec::new();
    };
    let status = status(&picture);
    let found = match cause {
        Cause::NotForwarded => {
            let sure = if picture.identical() {
                "an ordinary GET and version 99 get the same answer"
            } else {
                "no server says so to a handshake that reached it whole"
            };
            finding(&NOT_FORWARDED, &picture).titled(format!(
                "The proxy does not pass the Upgrade and Connection headers on: the WebSocket server saw \
                 an ordinary GET and answered {status} ({sure})"
            ))
        }
        Cause::NotForwardedApp => finding(&NOT_FORWARDED_APP, &picture).titled(format!(
            "The handshake is treated as an ordinary GET ({status}): either the Upgrade and Connection \
             headers are not passed on to the WebSocket server, or this path or host does not lead to it"
        )),
        Cause::Http10 => finding(&HTTP10, &picture).titled(format!(
            "The proxy speaks HTTP/1.0 to the server behind it, which answers {status} to an upgrade then"
        )),
        Cause::HeaderLost => {
            let name = if picture.says(&["version"]) {
                "Sec-WebSocket-Version"
            } else {
                "Sec-WebSocket-Key"
            };
            finding(&HEADER_LOST, &picture).titled(format!(
                "{name} is lost on the way: a proxy removes or changes it, and the server misses it \
                 ({status}) though it was sent"
            ))
        }
        Cause::UpgradeRefused => finding(&UPGRADE_REFUSED, &picture),
        Cause::Damaged => finding(&DAMAGED, &picture),
        _ => return Vec::new(),
    };
    vec![found]
}
