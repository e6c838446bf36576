//! The server behind the proxy: down, silent, refused, wanted with TLS, failing.

use super::tree::Cause;
use super::{decided, finding, status};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "the server behind the proxy",
    entries: &[
        &DOWN,
        &TIMEOUT,
        &NO_HEALTHY,
        &UNAVAILABLE,
        &MAINTENANCE,
        &TLS,
        &FAILED,
    ],
    ask,
};

const REFUSED: usize = 0;
const CLOSED: usize = 1;

static DOWN: Entry = Entry {
    id: "upstream-down",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The proxy got no valid answer from the server behind it",
    evidence: "502, or a 503 in the proxy's own words, for the handshake; an ordinary GET gets the same",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "the upstream server is down, restarting, or not listening where the proxy looks for it",
            "at once = refused, after some seconds = the proxy's retries or connect timeout; connect to \
             the upstream address from the proxy's machine",
        ),
        (
            "the upstream is alive but closed the connection without an answer: it died on the request, \
             or it speaks no plain HTTP/1.1 there (TLS, HTTP/2, PROXY protocol)",
            "the upstream's log at this moment",
        ),
        (
            "the upstream is a bare WebSocket server that closes on requests without Upgrade: the proxy \
             does not forward the upgrade headers",
            "the same handshake to the upstream directly opens",
        ),
        (
            "the proxy does not trust the upstream's certificate or may not connect (proxy_ssl_verify, \
             SELinux httpd_can_network_connect)",
            "the proxy's error log",
        ),
        (
            "all connections that the proxy allows to the upstream are in use (max_conns)",
            "it works when few are connected",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "# error.log says which: \"connect() failed (111\" = down, \"prematurely closed\" = it \
                      closed\n\
                      proxy_pass http://127.0.0.1:8080;   # where the server really listens\n\
                      proxy_http_version 1.1;\n\
                      proxy_set_header Upgrade $http_upgrade;\n\
                      proxy_set_header Connection \"upgrade\";",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "# the log's termination state says which: SC = connect, SH = closed before an answer\n\
                      server app 127.0.0.1:8080 check",
        },
        Fix {
            product: Product::Apache,
            snippet: "ProxyPass /ws http://127.0.0.1:8080/ws upgrade=websocket retry=0",
        },
        Fix {
            product: Product::Envoy,
            snippet: "# the body names the reason; clusters: curl localhost:9901/clusters",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "start the server; give the proxy the address and protocol on which it listens",
        },
    ],
    limits: "a proxy does not say outside why it got no answer; its error log does",
};

static TIMEOUT: Entry = Entry {
    id: "upstream-timeout",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The server behind the proxy did not answer in time",
    evidence: "504 (408, 524) after a time that is the proxy's limit",
    expected: "101 within the proxy's limit",
    causes: &[
        (
            "the upstream is up but blocked or overloaded: it accepts and does not answer",
            "its own log and load; the same handshake directly",
        ),
        (
            "the upgrade headers are not forwarded, and the upstream never answers an ordinary GET of \
             this path",
            "the same handshake directly opens at once",
        ),
        (
            "packets to the upstream are dropped (firewall, security group): the connect times out",
            "connect to it from the proxy's machine",
        ),
        (
            "the handshake itself takes longer than the limit (a slow login, a cold start)",
            "it passes when tried again",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "proxy_connect_timeout 5s;\n\
                      proxy_read_timeout 3600s;   # also the idle limit of open connections\n\
                      proxy_http_version 1.1;\n\
                      proxy_set_header Upgrade $http_upgrade;\n\
                      proxy_set_header Connection \"upgrade\";",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "timeout connect 5s\ntimeout server 30s\ntimeout tunnel 1h",
        },
        Fix {
            product: Product::AwsAlb,
            snippet: "# idle_timeout.timeout_seconds; targets must answer within it",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "make the server answer the handshake; raise the limit only if it needs the time",
        },
    ],
    limits: "whether the upstream was never reached or never answered is known to the proxy's log alone",
};

static NO_HEALTHY: Entry = Entry {
    id: "no-healthy-server",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The balancer has no usable server: all backends are down by its health check, disabled or \
            missing",
    evidence: "503 at once, in the words of a balancer without a server",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "every server fails its health check (a check for HTTP 200 on a path that a WebSocket server \
             does not serve)",
            "the balancer's status page or API",
        ),
        ("every server is disabled or drained", "the same"),
        (
            "no server is configured or discovered: empty target group, no ready endpoints",
            "the same; kubectl get endpointslices",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Haproxy,
            snippet: "backend app\n\
                      \x20 option httpchk GET /health\n\
                      \x20 server app1 127.0.0.1:8080 check",
        },
        Fix {
            product: Product::Envoy,
            snippet: "# curl localhost:9901/clusters | grep health_flags",
        },
        Fix {
            product: Product::Traefik,
            snippet: "# service.loadBalancer.healthCheck.path must answer 2xx or 3xx",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "kubectl get endpointslices -l kubernetes.io/service-name=SERVICE",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "let the health check ask for something that the server answers with success",
        },
    ],
    limits: "why no server counts as healthy is known to the balancer alone",
};

static UNAVAILABLE: Entry = Entry {
    id: "unavailable",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "503: the service is not available now",
    evidence: "503 for every request, in words that do not say why",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "no backend is available: down, or without a ready endpoint",
            "the proxy's error log and status",
        ),
        (
            "a limit on connections or requests was reached (nginx limit_conn, limit_req: 503 by default)",
            "it passes later, or when fewer are connected",
        ),
        (
            "maintenance mode is on (return 503)",
            "it stays whatever the load is; Retry-After",
        ),
        (
            "the server is overloaded and sheds load",
            "its own log and load",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "limit_req_status 429;\nlimit_conn_status 429;   # tells a limit from an outage",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "kubectl get endpointslices -l kubernetes.io/service-name=SERVICE",
        },
        Fix {
            product: Product::AwsAlb,
            snippet: "# the target group needs a registered, healthy target",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "look into the proxy's error log for this moment",
        },
    ],
    limits: "a bare 503 does not say which",
};

static MAINTENANCE: Entry = Entry {
    id: "maintenance",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "503 with a maintenance page: the service is switched off on purpose; try again later",
    evidence: "503 for every request, and a body that speaks of maintenance",
    expected: "a 101 with the headers of an upgrade",
    causes: &[(
        "maintenance mode is on: the proxy or the application answers everything with this page",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::AnyProxy,
            snippet: "end the maintenance mode; send Retry-After with the 503 so that clients know when",
        },
        Fix {
            product: Product::Client,
            snippet: "retry with back-off, honour Retry-After",
        },
    ],
    limits: "",
};

static TLS: Entry = Entry {
    id: "upstream-tls-mismatch",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The proxy talks plain HTTP to a backend port that wants TLS",
    evidence: "over a connection whose own scheme is right comes the sentence of a TLS port that got plain \
               HTTP: it can only come from the next hop",
    expected: "a 101 with the headers of an upgrade",
    causes: &[(
        "the proxy passes the request on in plain HTTP (proxy_pass http://) to an upstream that expects \
         TLS (https)",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "proxy_pass https://backend:8443;\nproxy_ssl_server_name on;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "server app backend:8443 ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt",
        },
        Fix {
            product: Product::Apache,
            snippet: "SSLProxyEngine on\nProxyPass /ws https://backend:8443/ws upgrade=websocket",
        },
        Fix {
            product: Product::Caddy,
            snippet: "reverse_proxy https://backend:8443",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "nginx.ingress.kubernetes.io/backend-protocol: \"HTTPS\"",
        },
    ],
    limits: "",
};

static FAILED: Entry = Entry {
    id: "server-error",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The server failed while it handled the request: 500",
    evidence: "500 in answer to the handshake",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "the handler of the upgrade failed (an exception, a missing dependency)",
            "an ordinary GET passes; the server's log",
        ),
        (
            "every request fails",
            "an ordinary GET fails alike; the server's log",
        ),
    ],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "look into the server's log for this moment",
    }],
    limits: "what failed is known to the server's log alone",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((cause, picture)) = decided(seen) else {
        return Vec::new();
    };
    let (answered, took) = (status(&picture), picture.waited());
    let found = match cause {
        Cause::UpstreamDown => {
            let found = finding(&DOWN, &picture);
            let get = picture.to(&Variation::PlainGet);
            if picture.says(&["connection failure", "connection refused", "connection timeout"]) {
                found.only(&[REFUSED]).titled(format!(
                    "The server behind the proxy is down or not reachable: {answered} in the proxy's words"
                ))
            } else if get.is_some_and(|get| get.status < 500) {
                found.only(&[CLOSED]).titled(format!(
                    "The upstream closes upgrades without a valid answer ({answered}) while an ordinary GET \
                     passes: it fails on the handshake"
                ))
            } else if picture.says(&["invalid or incomplete response"]) {
                found.only(&[CLOSED, 2]).titled(format!(
                    "The upstream server closed the connection without a valid answer: {answered}"
                ))
            } else {
                found.titled(format!(
                    "The proxy got no valid answer from the upstream server behind it ({answered} after \
                     {took}): it is down, or it closed the connection, for one of the reasons below"
                ))
            }
        }
        Cause::UpstreamTimeout => finding(&TIMEOUT, &picture).titled(format!(
            "The upstream server behind the proxy did not answer in time: {answered} after {took}, which is \
             the proxy's limit"
        )),
        Cause::NoHealthyServer => finding(&NO_HEALTHY, &picture),
        Cause::Unavailable => finding(&UNAVAILABLE, &picture),
        Cause::Maintenance => finding(&MAINTENANCE, &picture),
        Cause::UpstreamTls => finding(&TLS, &picture),
        Cause::ServerError => {
            let like = picture.like_get;
            finding(&FAILED, &picture).only(&[usize::from(like)])
        }
        _ => return Vec::new(),
    };
    vec![found]
}
