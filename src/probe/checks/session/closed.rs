//! Close frames and ends that nobody asked for, right after opening.

use super::codes::{self, Theme};
use super::words::{self, ending, quoted, time};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Ended, Seen, Session, StepKind};

const EXPECTED: &str = "The connection stays open until one side has a reason to close it.";

/// Codes of the application's own.
pub static CLOSE_APP: Entry = Entry {
    id: "close-app",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The application closed the connection with a code of its own",
    evidence: "101, then a close frame with a code of 4000 to 4999 (or 3000 to 3999) that no request of ours explains",
    expected: EXPECTED,
    causes: &[
        (
            "a rule of the application: codes of 4000 to 4999 have no public meaning (4004 is 'authentication failed' at one service and 'over quota' at another)",
            "the service's documents and its log for that code",
        ),
        (
            "the application wants a credential (token, cookie, session) that was not sent or is not valid",
            "give it one: -H 'Authorization: Bearer ...', -H 'Cookie: ...' or a token in the URL; one that should be valid may be dropped on the way",
        ),
        (
            "the application refuses messages of that form",
            "send what its protocol asks for; a message of the right form is answered",
        ),
        (
            "the application ends connections that are idle by its own measure: control pings may not count",
            "send its own heartbeat message: --idle shows whether text keeps it open",
        ),
        (
            "a limit of the application: rate, connections, quota",
            "wait, and try with fewer connections",
        ),
        (
            "the application wants another version or subprotocol",
            "offer what it asks for: --subprotocol NAME",
        ),
        (
            "the application does not allow this Origin or this user",
            "give the Origin that browsers send: --origin https://app.example.com",
        ),
        (
            "the session or resource named is not known to this node",
            "the same on the node that made the session works: sticky sessions, or state that all nodes share",
        ),
        (
            "another connection of the same user took its place",
            "only one connection at a time",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "follow the reason: send the token the server asks for, in the form it asks for; reconnect only when the reason can go away by itself",
        },
        Fix {
            product: Product::Server,
            snippet: "log the code with its cause, and give a reason text: ws.close(4001, 'token expired')",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "pass Authorization, Cookie and the query string on unchanged; nginx passes them unless proxy_set_header replaces them",
        },
    ],
    limits: "What the application means by its code is known to its makers only; the reason text is all it says.",
};

/// Codes with a public meaning.
pub static CLOSE_STANDARD: Entry = Entry {
    id: "close-standard",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The server closed the connection by itself",
    evidence: "101, then a close frame with a code of RFC 6455 7.4.1 or IANA's registry",
    expected: EXPECTED,
    causes: &[
        (
            "1008 policy violation: a credential, an Origin or another rule of the server",
            "try with the credential and the Origin that a browser sends: -H, --origin",
        ),
        (
            "1011 internal error: an exception in the server's handler",
            "the server's log at that second",
        ),
        (
            "1013 try again later: overload, or a limit of connections",
            "it works again later, or with fewer connections",
        ),
        (
            "1001 or 1012: the server is going away or restarting (deployment), or a proxy was reloaded",
            "it happens at deployments only; the next connection stays",
        ),
        (
            "1003 or 1007: the server does not take this kind of message",
            "another kind (text instead of binary, JSON) is taken",
        ),
        (
            "1000 normal closure: the server has nothing (more) for this connection",
            "the handler returns right away: it waits for no messages, or finds nothing to serve at this path or for this user",
        ),
        (
            "1002 protocol error: the server could not read a frame",
            "directly to the server it works: then something on the path changes frames",
        ),
        (
            "1014 bad gateway: a gateway that speaks WebSocket cannot reach the server behind it",
            "connect to that server directly",
        ),
        (
            "a rule of the server behind a code of the registry",
            "the server's log at that second",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "look for that code in the server's code and log: 1008 is a rule (credentials, Origin), 1011 an exception, 1013 capacity, 1001 and 1012 a deployment, 1003 the kind of message, 1000 a handler that returns",
        },
        Fix {
            product: Product::Client,
            snippet: "1001, 1012, 1013: reconnect after a random delay that grows; 1008: change the credential first; 1003: send the other kind of message",
        },
    ],
    limits: "The code says what the closing side claims; who sent it, the server or a gateway that speaks WebSocket, cannot be seen from outside.",
};

/// No code.
pub static CLOSE_EMPTY: Entry = Entry {
    id: "close-empty",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The server closed the connection with an empty close frame: no code, no reason (1005)",
    evidence: "A close frame without payload, which clients show as 1005",
    expected: EXPECTED,
    causes: &[
        (
            "the server's code closes without giving a code, e.g. ws.close() or a handler that returned",
            "the server's log at that second",
        ),
        (
            "the server's protocol (e.g. Engine.IO) gave up on a message or a missing greeting",
            "the protocol's own client stays connected",
        ),
    ],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "close with a code and a reason, e.g. ws.close(1008, 'token missing'), and log why",
    }],
    limits: "An empty close frame carries no cause; only the server's log tells.",
};

/// No close frame.
pub static ABNORMAL: Entry = Entry {
    id: "abnormal",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The connection ended without a close frame (1006)",
    evidence: "FIN, RST or close_notify after the 101, without a close frame and without a message of ours",
    expected: "An end begins with a close frame that says why.",
    causes: &[
        (
            "an idle timeout of less than 2 s on the path or in the server",
            "a connection that pinged all the time stayed open",
        ),
        (
            "the server process or its handler ended: an exception, a crash, a kill",
            "the server's log at that second; a fresh handshake is refused or gets 502 while it is down",
        ),
        (
            "the server ends the TCP connection by itself without a close frame, e.g. terminate() or destroy(), because it wants no such client",
            "it happens on every connection after the same time",
        ),
        (
            "a proxy or balancer cut the connection: a time limit, a reload, an upstream that went away",
            "directly to the server it stays open",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "look at the log of that second for an exception; end connections with a close frame and a code",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "look at the proxy's error log of that second: 'upstream prematurely closed', 'timed out', a reload",
        },
        Fix {
            product: Product::Client,
            snippet: "reconnect after a random delay that grows",
        },
    ],
    limits: "FIN or RST tells who ended the last hop, not who was first: through HTTP and TLS proxies a reset of the server arrives as a plain FIN.",
};

/// Ends that came by themselves.
pub static EARLY: Check = Check {
    name: "an end nobody asked for",
    entries: &[&CLOSE_APP, &CLOSE_STANDARD, &CLOSE_EMPTY, &ABNORMAL],
    ask: early,
};

fn early(seen: &Seen) -> Vec<Finding> {
    let Some(session) = &seen.session else {
        return Vec::new();
    };
    let Some(ended) = &session.ended else {
        return Vec::new();
    };
    // Bytes that are no frames explain an end behind them.
    let stray = session
        .violations
        .iter()
        .any(|v| v.what.ends_with("in the stream"));
    // So does a code that nobody may send.
    let forbidden = ended.code.is_some_and(|code| !codes::may_be_sent(code));
    if stray
        || forbidden
        || words::is_common_moment(seen, ended)
        || words::is_idle_cut(seen, session, ended)
    {
        return Vec::new();
    }
    let pinged = session.step(&StepKind::Ping).is_some();
    let what = if pinged {
        "right after a control ping"
    } else {
        "before any message was sent"
    };
    let when = format!("{} after it opened, {what}", time(ended.at_ms));
    let mut finding = match ended.code {
        None => abnormal(session, ended),
        Some(code) => by_code(seen, code, &ended.reason, &when),
    };
    finding = finding.saw(ending(ended));
    if let Some(second) = &session.second_ended {
        finding = finding.saw(format!(
            "a second connection, opened right after it: {}",
            ending(second)
        ));
    }
    if session.second_ended.is_none() && !session.pings_ms.is_empty() {
        let pings = session.pings_ms.len();
        finding = finding.saw(format!(
            "a second connection with a ping every 100 ms stayed open meanwhile ({pings} pongs)"
        ));
    }
    finding.observed.extend(words::afterwards(session));
    vec![finding]
}

fn abnormal(session: &Session, ended: &Ended) -> Finding {
    let how = ended.how.as_deref().unwrap_or("an end");
    let at = time(ended.at_ms);
    let gone = words::is_gone(session);
    let after = if gone {
        "; connecting again did not work"
    } else {
        ""
    };
    let title = format!(
        "The connection ended with {how} and without a close frame (1006) {at} after it opened{after}"
    );
    let finding = Finding::new(&ABNORMAL).titled(title);
    let pinged = session.second_ended.is_none() && !session.pings_ms.is_empty();
    if gone {
        finding.only(&[1, 3])
    } else if pinged && ended.idle_ms.0 + 100.0 > ended.at_ms.0 {
        finding.only(&[0, 2, 3])
    } else {
        finding.only(&[1, 2, 3])
    }
}

/// A close frame, by its code; `when` completes the title.
pub(super) fn by_code(seen: &Seen, code: u16, reason: &str, when: &str) -> Finding {
    let said = quoted(reason);
    let subprotocol = seen.session.as_ref().and_then(|s| s.subprotocol.as_deref());
    if code == 1005 {
        let title = format!(
            "The server closed the connection with an empty close frame, no code and no reason (1005), {when}"
        );
        return Finding::new(&CLOSE_EMPTY).titled(title);
    }
    if let Some((name, meaning)) = codes::standard(code) {
        let title = format!("The server closed the connection with {code} ({name}){said} {when}");
        let finding = Finding::new(&CLOSE_STANDARD)
            .titled(title)
            .only(&[standard_cause(code)]);
        return finding.saw(format!("{code} means {name}: {meaning}"));
    }
    let title = format!("The application closed the connection with {code}{said} {when}");
    let mut finding = Finding::new(&CLOSE_APP).titled(title);
    finding
        .observed
        .extend(codes::application(code, subprotocol));
    match codes::theme(reason) {
        Some(theme) => finding.only(&[application_cause(theme)]),
        None => finding.only(&[0, 1, 5, 6]),
    }
}

const fn standard_cause(code: u16) -> usize {
    match code {
        1008 | 3000 | 3003 => 0,
        1011 => 1,
        1013 => 2,
        1001 | 1012 => 3,
        1003 | 1007 => 4,
        1000 => 5,
        1002 => 6,
        1014 => 7,
        _ => 8,
    }
}

const fn application_cause(theme: Theme) -> usize {
    match theme {
        Theme::Credential => 1,
        Theme::Format => 2,
        Theme::Idle => 3,
        Theme::Limit => 4,
        Theme::Protocol => 5,
        Theme::Origin => 6,
        Theme::Session => 7,
        Theme::Replaced => 8,
        Theme::Restart => 0,
    }
}
