//! The wrong place: path, host, kind of server.

use super::tree::Cause;
use super::{decided, finding, forwarding, status};
use crate::probe::ask::compare::refusal::NO_PATH;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "the URL leads to a WebSocket server",
    entries: &[&NO_ROUTE, &WRONG_PATH, &WRONG_HOST, &PAGE, &SOCKET_IO],
    ask,
};

static NO_ROUTE: Entry = Entry {
    id: "no-route",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The proxy has no route for this path: it answers 404 by itself",
    evidence: "404 in the proxy's own standard page, or another path opens",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "no location (route, ingress rule) of the proxy covers this path",
            "the proxy's configuration for this host and path",
        ),
        (
            "the rule is for another Host than the one that was sent",
            "the same path with the right Host",
        ),
        ("the path in the URL is misspelt", "the right path opens"),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "location /ws {\n\
                      \x20 proxy_pass http://127.0.0.1:8080;\n\
                      \x20 proxy_http_version 1.1;\n\
                      \x20 proxy_set_header Upgrade $http_upgrade;\n\
                      \x20 proxy_set_header Connection \"upgrade\";\n}",
        },
        Fix {
            product: Product::Apache,
            snippet: "ProxyPass /ws http://127.0.0.1:8080/ws upgrade=websocket",
        },
        Fix {
            product: Product::Traefik,
            snippet: "traefik.http.routers.ws.rule=Host(`app.example.com`) && PathPrefix(`/ws`)",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "rules:\n- host: app.example.com\n\x20 http: { paths: [ { path: /ws, pathType: Prefix, ... } ] }",
        },
        Fix {
            product: Product::Envoy,
            snippet: "routes:\n- match: { prefix: /ws }\n\x20 route: { cluster: app, timeout: 0s }",
        },
        Fix {
            product: Product::Client,
            snippet: "use the path that the service documents",
        },
    ],
    limits: "which paths are routed is known to the proxy's configuration alone",
};

static WRONG_PATH: Entry = Entry {
    id: "ws-wrong-path",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "A WebSocket server is there, but not at this path",
    evidence: "it complains about version 99, so the handshake arrives whole; with the right version it \
               answers 400 or 404",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "the path is not the one that the server's WebSocket endpoint has",
            "another path opens",
        ),
        (
            "the proxy changes the path on the way: it strips or adds a prefix (proxy_pass with a slash at \
             its end)",
            "the path in the server's own log",
        ),
        (
            "the server refuses for another reason that it does not name (a check of its own before the \
             upgrade)",
            "the server's log",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "location /ws/ { proxy_pass http://app; }    # keeps the path\n\
                      # location /ws/ { proxy_pass http://app/; } # strips /ws",
        },
        Fix {
            product: Product::Traefik,
            snippet: "# a StripPrefix middleware changes the path",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "# nginx.ingress.kubernetes.io/rewrite-target changes the path",
        },
        Fix {
            product: Product::Client,
            snippet: "use the path of the server's endpoint (option path of ws, the route of the framework)",
        },
    ],
    limits: "the path that reaches the server is known to its own log alone",
};

static WRONG_HOST: Entry = Entry {
    id: "wrong-vhost",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "Another site answers: no virtual host matches this Host, and the default one took the request",
    evidence: "a default page, an empty 200 for whatever path and Host, or 421",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "the Host of the URL matches no server_name (site address, virtual host): the default site \
             answers",
            "the same with the right Host: -H 'Host: app.example.com'",
        ),
        (
            "the name resolves to another server than the one meant",
            "--resolve HOST:PORT:ADDRESS",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "server { listen 443 ssl; server_name app.example.com; ... }",
        },
        Fix {
            product: Product::Caddy,
            snippet: "app.example.com {\n\x20 reverse_proxy 127.0.0.1:8080\n}",
        },
        Fix {
            product: Product::Apache,
            snippet: "<VirtualHost *:443>\n\x20 ServerName app.example.com\n</VirtualHost>",
        },
        Fix {
            product: Product::Client,
            snippet: "use the host name that the site has; behind another proxy pass Host on",
        },
    ],
    limits: "which names are served is known to the configuration alone",
};

static PAGE: Entry = Entry {
    id: "page-instead",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "A web page comes instead of an upgrade: 200",
    evidence: "2xx with a body for the handshake; an ordinary GET gets the same",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "the proxy serves the page itself: the fallback of a single-page application, for every path \
             without a rule",
            "a random path gets the same page",
        ),
        (
            "the upgrade headers are not passed on, and the application behind answers with its page",
            "the same handshake to the server directly opens",
        ),
        (
            "another site's default page: the Host matches no virtual host",
            "another Host gets the same page",
        ),
        (
            "the path is not the WebSocket endpoint's",
            "the right path opens",
        ),
    ],
    fixes: forwarding::PASS_ON,
    limits: "who made the page is known only as far as it names itself",
};

static SOCKET_IO: Entry = Entry {
    id: "socketio",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "This is a Socket.IO (Engine.IO) server: it wants its own path and parameters, and a client that \
            speaks its protocol",
    evidence: "an error of Engine.IO, or its greeting at /socket.io/?EIO=4&transport=polling",
    expected: "a client that speaks Engine.IO, at its path with EIO and transport",
    causes: &[
        (
            "a plain WebSocket client, or a URL without EIO=4&transport=websocket",
            "with them it opens and greets with 0{\"sid\":...",
        ),
        (
            "the server's allowRequest or cors.origin refuses this client",
            "with another Origin it opens",
        ),
        (
            "without sticky sessions the polling session is unknown to this server (Session ID unknown)",
            "it works with one server",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "import { io } from 'socket.io-client'; const socket = io('https://HOST');\n\
                      # by hand: wss://HOST/socket.io/?EIO=4&transport=websocket",
        },
        Fix {
            product: Product::SocketIo,
            snippet: "new Server(http, { cors: { origin: 'https://app.example.com' } })",
        },
        Fix {
            product: Product::Nginx,
            snippet: "upstream app { ip_hash; server 10.0.0.1:3000; server 10.0.0.2:3000; }",
        },
    ],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((cause, picture)) = decided(seen) else {
        return Vec::new();
    };
    let (answered, path, host) = (status(&picture), &seen.asked.path, &seen.asked.host);
    let opens_at = |path: &str| picture.opens(&Variation::Path(path.to_owned()));
    let elsewhere = if opens_at("/") {
        "; the path / opens"
    } else if opens_at(NO_PATH) {
        "; another path opens"
    } else {
        ""
    };
    let found = match cause {
        Cause::NoRoute => finding(&NO_ROUTE, &picture).titled(format!(
            "The proxy has no route (location) for the path {path}: it answers {answered} by itself{elsewhere}"
        )),
        Cause::WrongPath => finding(&WRONG_PATH, &picture).titled(format!(
            "A WebSocket server is there, but not at the path {path} as it reaches it: {answered}, while it \
             complains about version 99{elsewhere}"
        )),
        Cause::WrongHost => finding(&WRONG_HOST, &picture).titled(format!(
            "Another site answers ({answered}), as when no virtual host matches the Host {host} and the \
             default site takes the request"
        )),
        Cause::Page => {
            let found = finding(&PAGE, &picture);
            let any_path = picture.like_any_path();
            let title = format!(
                "A web page comes instead of an upgrade ({answered}{}): the upgrade does not reach the \
                 WebSocket server, or this path or Host is not its own",
                if any_path { ", the same for a random path" } else { "" }
            );
            found.titled(title)
        }
        Cause::SocketIo => {
            let found = finding(&SOCKET_IO, &picture);
            if picture.opens_with_other_origin().is_some() || picture.says(&["origin"]) {
                found.titled(format!(
                    "This is a Socket.IO (Engine.IO) server that refuses this Origin: {answered}"
                ))
            } else {
                found.titled(format!(
                    "This is a Socket.IO (Engine.IO) server: it answers {answered} to a plain WebSocket at \
                     {path}"
                ))
            }
        }
        _ => return Vec::new(),
    };
    vec![found]
}
