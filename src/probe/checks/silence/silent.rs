//! TCP opens, and nothing is ever answered.

use super::picture::{Picture, picture};
use super::with_all;
use super::words::span;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "no answer at all",
    entries: &[&NO_ANSWER],
    ask,
};

static NO_ANSWER: Entry = Entry {
    id: "no-answer",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The port accepts connections and never answers",
    evidence: "TCP opens at once; neither the handshake nor an ordinary GET gets a byte until time \
               is up",
    expected: "an HTTP answer within seconds",
    causes: &[
        (
            "the process hangs: stopped, its event loop or accept loop blocked, in a deadlock; the \
             kernel still accepts connections for it",
            "its CPU and stack on the server (`top`, `ss -ltn`: Recv-Q of the listener grows)",
        ),
        (
            "a proxy is at its connection limit and lets more wait unanswered (HAProxy `maxconn`)",
            "it answers when other connections end; HAProxy `show info`: CurrConns = Maxconn",
        ),
        (
            "all workers are held by open connections (Apache MaxRequestWorkers, a thread pool)",
            "Apache server-status and its log: `server reached MaxRequestWorkers`",
        ),
        (
            "the port speaks another protocol, in which the client has to say more first",
            "what listens there: `ss -ltnp` on the server",
        ),
        (
            "a firewall lets the connection open and swallows what is sent on it",
            "a packet capture on the server: the request does not arrive",
        ),
        (
            "an HTTP server in front is alive (it answers a malformed line), and what stands behind \
             it hangs",
            "the same request sent to the upstream directly",
        ),
        (
            "a rule swallows the request on purpose (HAProxy `http-request silent-drop`, a WAF)",
            "its configuration: host name, path, address",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "Look at the process that listens (`ss -ltnp`): CPU, stack, log. Restart it \
                      if it hangs.",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "maxconn 20000  # in global, and in the frontend: WebSockets hold theirs for \
                      hours",
        },
        Fix {
            product: Product::Apache,
            snippet: "# each WebSocket holds one worker\n\
                      ServerLimit 64\n\
                      ThreadsPerChild 64\n\
                      MaxRequestWorkers 4096",
        },
    ],
    limits: "A frozen process, a full accept queue, a connection limit and used-up workers look the \
             same from outside; opening several connections when it works again (--clients) shows \
             a limit.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((handshake, Picture::Silent)) = picture(seen) else {
        return Vec::new();
    };
    let waited = span(handshake.took_ms);
    let also = match seen.to(&Variation::PlainGet) {
        Some(get) => format!(", and an ordinary GET none in {}", span(get.took_ms)),
        None => String::new(),
    };
    let mut finding = Finding::new(&NO_ANSWER).titled(format!(
        "The port accepts connections but never answers: the handshake got no byte in {waited}{also}"
    ));
    let opened = seen.routes.iter().find_map(|route| route.tcp.as_ref());
    if let Some(tcp) = opened {
        finding = finding.saw(format!("TCP opened in {}", span(tcp.took_ms)));
    }
    // Whoever reads a malformed line is alive: the process in front is not what hangs.
    finding = match seen.to(&Variation::Garbage).is_some_and(Exchange::spoke) {
        true => finding.only(&[2, 5, 6]),
        false => finding.only(&[0, 1, 2, 3, 4]),
    };
    vec![with_all(finding, seen)]
}
