//! An ordinary GET is answered, the upgrade is not.

use super::picture::{DESTROY_MS, Picture, picture, speaks_engine_io};
use super::with_all;
use super::words::{ending, outcome, span};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "upgrades not handled",
    entries: &[&UNHANDLED, &CLOSED, &NOBODY_BEHIND, &ENGINE_IO],
    ask,
};

static UNHANDLED: Entry = Entry {
    id: "upgrade-unhandled",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The upgrade request hangs without an answer, while an ordinary GET is answered",
    evidence: "no byte to the handshake until time is up; a GET of the same URL is answered at once",
    expected: "101, or a status that says why not",
    causes: &[
        (
            "nothing handles upgrades there: a Node.js server or proxy without a listener for the \
             'upgrade' event",
            "the code: server.on('upgrade', ...) is missing; the upstream's log shows no upgrade",
        ),
        (
            "http-proxy-middleware with `ws: true` alone: it listens for upgrades only after the \
             first ordinary request",
            "after a restart the handshake hangs until somebody makes a GET; after one it works",
        ),
        (
            "the server answers upgrades later than this probe waited (slow login, cold start)",
            "the same with a longer --timeout",
        ),
        (
            "the proxy passes upgrades to another upstream than GETs, and that one hangs",
            "the upstream of the WebSocket route, probed directly",
        ),
        (
            "one of several servers behind it hangs, or it hung for a moment",
            "several handshakes in a row: some hang, some open",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::NodeProxy,
            snippet: "// http-proxy\n\
                      server.on('upgrade', (req, socket, head) => proxy.ws(req, socket, head));\n\
                      // http-proxy-middleware: subscribe explicitly, `ws: true` is not enough\n\
                      server.on('upgrade', wsProxy.upgrade);",
        },
        Fix {
            product: Product::Server,
            snippet: "Attach the WebSocket server to the HTTP server that listens on this port, and \
                      answer upgrades that nobody takes with a status.",
        },
    ],
    limits: "A slow answer and none are told apart only by waiting longer.",
};

static CLOSED: Entry = Entry {
    id: "upgrade-closed",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The upgrade request is closed without a byte, while an ordinary GET is answered",
    evidence: "the handshake ends without a byte; a GET of the same URL is answered",
    expected: "101, or a status that says why not",
    causes: &[
        (
            "the server destroys the socket of upgrades it does not want: no WebSocket at this \
             path, an origin or token it does not accept (`socket.destroy()` in an 'upgrade' \
             listener)",
            "its code and log; the path, Origin and token that the application itself uses",
        ),
        (
            "the proxy tunnels upgrades to an upstream that closes or is not there (Varnish pipe, \
             a Node.js proxy whose error handler ends the socket)",
            "the upstream of the WebSocket route, probed directly",
        ),
        (
            "the server crashes on the upgrade",
            "its log at that moment",
        ),
        (
            "a rule closes upgrades on purpose (nginx `return 444`, a WAF or firewall)",
            "its configuration and log",
        ),
        (
            "a Socket.IO (Engine.IO) server with a path of its own: it closes other upgrades after \
             destroyUpgradeTimeout, 1.0 s, which is the time seen here",
            "the `path` that the application gives to Socket.IO",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "// answer instead of closing, so that clients see why\n\
                      server.on('upgrade', (req, socket, head) => {\n  \
                        if (!wanted(req)) return socket.end('HTTP/1.1 404 Not Found\\r\\n\\r\\n');\n  \
                        wss.handleUpgrade(req, socket, head, (ws) => wss.emit('connection', ws, req));\n\
                      });",
        },
        Fix {
            product: Product::Varnish,
            snippet: "# the backend that vcl_recv picks for upgrades must run\n\
                      if (req.http.Upgrade ~ \"(?i)websocket\") { set req.backend_hint = ws; return (pipe); }",
        },
        Fix {
            product: Product::NodeProxy,
            snippet: "proxy.on('error', (err, req, socket) => {\n  \
                        console.error(err);\n  \
                        socket.end('HTTP/1.1 502 Bad Gateway\\r\\n\\r\\n');\n\
                      });",
        },
    ],
    limits: "Why a socket is closed without a word is known only to the server's log.",
};

static NOBODY_BEHIND: Entry = Entry {
    id: "upgrade-no-upstream",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The upgrade gets no answer and an ordinary GET a gateway error: the upstream is down or \
            does not answer",
    evidence: "the handshake gets no byte; a GET of the same URL is answered 502, 503 or 504",
    expected: "an upstream that answers",
    causes: &[
        (
            "the upstream is not running, or not where the proxy looks for it; upgrades are \
             tunnelled to it (Varnish pipe, a Node.js proxy) and end without an answer",
            "a connection from the proxy's machine to the upstream's address and port",
        ),
        (
            "the upstream accepts and does not answer in time",
            "the time of the gateway error: the proxy's timeout",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Varnish,
            snippet: "backend ws {\n    .host = \"10.0.0.5\";  # where the WebSocket server listens\n    \
                      .port = \"8080\";\n}",
        },
        Fix {
            product: Product::NodeProxy,
            snippet: "httpProxy.createProxyServer({ target: 'http://10.0.0.5:8080', ws: true });",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "Start the upstream, or correct its address in the proxy's configuration.",
        },
    ],
    limits: "",
};

static ENGINE_IO: Entry = Entry {
    id: "socketio-path",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "This is a Socket.IO server: at this path it closes a plain WebSocket after a second",
    evidence: "the handshake ends after 1.0 s without a byte (destroyUpgradeTimeout); a GET of \
               /socket.io/?EIO=4&transport=polling is answered by Engine.IO",
    expected: "a client that speaks Engine.IO, at its path",
    causes: &[(
        "a plain WebSocket client at a path that Socket.IO (Engine.IO) does not serve: it closes \
         upgrades that nobody takes after destroyUpgradeTimeout, 1.0 s",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "// Socket.IO's own client\n\
                      import { io } from 'socket.io-client';\n\
                      const socket = io('wss://HOST');\n\
                      // or probe its WebSocket: wss://HOST/socket.io/?EIO=4&transport=websocket",
        },
        Fix {
            product: Product::SocketIo,
            snippet: "// next to Socket.IO, for plain WebSocket clients\n\
                      const io = new Server(server, { destroyUpgrade: false });\n\
                      const wss = new WebSocketServer({ server, path: '/ws' });",
        },
    ],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((handshake, picture)) = picture(seen) else {
        return Vec::new();
    };
    let Some(get) = seen.to(&Variation::PlainGet) else {
        return Vec::new();
    };
    let (how, got) = (ending(handshake), outcome(get));
    let finding = match picture {
        Picture::EngineIo => Finding::new(&ENGINE_IO).titled(format!(
            "This is a Socket.IO (Engine.IO) server: it closed the plain WebSocket at {} after {} \
             without a byte",
            seen.asked.path,
            span(handshake.took_ms)
        )),
        Picture::GatewayError => Finding::new(&NOBODY_BEHIND).titled(format!(
            "The upgrade gets no answer ({how}), and an ordinary GET is {got}: the upstream behind \
             this proxy is down or does not answer"
        )),
        Picture::WorksAfterGet => Finding::new(&UNHANDLED)
            .titled(format!(
                "The upgrade hung ({how}); since an ordinary GET was made ({got}) the same \
                 handshake opens at once: the way of a proxy that listens for upgrades only after the \
                 first GET"
            ))
            .only(&[1, 2, 4]),
        Picture::UpgradeHangs => Finding::new(&UNHANDLED)
            .titled(format!(
                "The upgrade request hangs ({how}), while an ordinary GET of the same URL is {got}: \
                 nothing handles upgrades there, or their handler does not answer"
            ))
            .only(&[0, 2, 3]),
        Picture::UpgradeClosed => closed(seen, &how, &got),
        _ => return Vec::new(),
    };
    vec![with_all(finding, seen)]
}

fn closed(seen: &Seen, how: &str, got: &str) -> Finding {
    let opens = |v: Variation| seen.to(&v).is_some_and(Exchange::is_upgrade);
    let spoke = |v: Variation| seen.to(&v).is_some_and(Exchange::spoke);
    // The time of Engine.IO is told where it fits, and nowhere else.
    let handshake = seen.handshake.as_ref();
    let second = handshake.is_some_and(|h| DESTROY_MS.contains(&h.took_ms.0));
    let finding = match second {
        true => Finding::new(&CLOSED),
        false => Finding::new(&CLOSED).only(&[0, 1, 2, 3]),
    };
    let root = || Variation::Path("/".to_owned());
    let path = &seen.asked.path;
    if opens(Variation::WithoutOrigin) {
        let title = "The upgrade is closed without a byte because of its Origin: without the \
                     Origin header the same handshake opens";
        return finding.titled(title).only(&[0]);
    }
    if opens(Variation::WithoutHeaders) {
        let title = "The upgrade is closed without a byte because of the headers you gave: without \
                     them the same handshake opens";
        return finding.titled(title).only(&[0, 3]);
    }
    if opens(root()) {
        return finding
            .titled(format!(
                "The upgrade is closed at {path} and opens at /: the server has no WebSocket at \
                 this path ({how}, while a GET is {got})"
            ))
            .only(&[0, 1]);
    }
    let here_too = match (speaks_engine_io(seen), second) {
        (true, _) => "; a Socket.IO server answers at /socket.io/ of this host",
        (false, true) => "; 1.0 s is when Socket.IO closes upgrades at a path that is not its own",
        (false, false) => "",
    };
    let elsewhere = match spoke(root()) {
        true => "; the handshake for / is answered: it is this path",
        false => "",
    };
    finding.titled(format!(
        "The upgrade request is {how}, while an ordinary GET of the same URL is {got}: upgrades \
         are closed by the server or by what the proxy passes them to{elsewhere}{here_too}"
    ))
}
