//! What may be said to a server without talking nonsense to it. Pure.

use crate::probe::seen::{Reply, Session, StepKind};

/// Subprotocols with a grammar of their own (IANA's registry and common ones), by how they begin.
/// Whoever chose one may close on anything else, and be right.
const SPOKEN: &[&str] = &[
    "graphql",
    "mqtt",
    "wamp",
    "v10.stomp",
    "v11.stomp",
    "v12.stomp",
    "stomp",
    "ocpp",
    "amqp",
    "xmpp",
    "soap",
    "sip",
    "msrp",
    "bfcp",
    "actioncable",
    "v4.channel.k8s.io",
    "v5.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "json.reliable.webpubsub",
    "json.webpubsub",
    "phoenix",
    "signalr",
    "vnc",
    "binary",
    "tty",
    "webtty",
    "lws-mirror",
    "mbws",
];

/// The graphql-ws library's protocol: `{"type":"ping"}` is a message of it, answered with a pong.
const GRAPHQL: &str = "graphql-transport-ws";

/// The small messages to send, the least intrusive first.
pub fn questions(session: &Session) -> Vec<StepKind> {
    if speaks_first(session) {
        return Vec::new();
    }
    match session.subprotocol.as_deref() {
        Some(GRAPHQL) => vec![StepKind::Json],
        Some(name) if is_spoken(name) => Vec::new(),
        _ => vec![
            StepKind::Json,
            StepKind::Text,
            StepKind::Fragmented,
            StepKind::Words,
            StepKind::Binary,
        ],
    }
}

fn is_spoken(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SPOKEN.iter().any(|spoken| name.starts_with(spoken))
}

/// Its first message names a protocol that refuses other words: Engine.IO (`0{"sid":...}`), SockJS
/// (`o`), Action Cable (`{"type":"welcome"}` is common elsewhere too and decides nothing).
fn speaks_first(session: &Session) -> bool {
    let first = session.unasked.iter().find(|f| f.opcode == "text");
    first.is_some_and(|f| f.start.starts_with("0{\"sid\"") || (f.start == "o" && f.bytes == 1))
}

/// What came back unchanged: its kind is used for larger messages.
pub fn echoing(session: &Session) -> Option<StepKind> {
    let echoed = |kind: &StepKind| {
        let step = session.step(kind);
        step.is_some_and(|s| s.reply == Reply::Echo)
    };
    [
        StepKind::Fragmented,
        StepKind::Json,
        StepKind::Words,
        StepKind::Text,
        StepKind::Binary,
    ]
    .into_iter()
    .find(echoed)
}

/// Large messages go to servers that send them back; to others only when asked for.
pub fn may_be_large(session: &Session, deep: bool) -> bool {
    echoing(session).is_some() || (deep && !questions(session).is_empty() && session.any_pong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::seen::{FrameSeen, Millis, Step};

    fn greeted(start: &str) -> Session {
        let mut session = Session::default();
        session.unasked.push(FrameSeen {
            opcode: "text".to_owned(),
            bytes: start.len() as u64,
            start: start.to_owned(),
            ..FrameSeen::default()
        });
        session
    }

    fn chosen(name: &str) -> Session {
        Session {
            subprotocol: Some(name.to_owned()),
            ..Session::default()
        }
    }

    #[test]
    fn no_nonsense_is_said_to_a_known_protocol() {
        let count = |session: &Session| questions(session).len();
        assert_eq!(count(&Session::default()), 5);
        assert_eq!(count(&greeted("{\"type\":\"welcome\"}")), 5);
        assert_eq!(count(&greeted("0{\"sid\":\"x\"}")), 0);
        assert_eq!(count(&greeted("o")), 0);
        assert_eq!(count(&chosen("chat")), 5);
        assert_eq!(count(&chosen("mqtt")), 0);
        assert_eq!(questions(&chosen("graphql-transport-ws")), [StepKind::Json]);
    }

    #[test]
    fn mute_servers_get_no_large_message_unasked() {
        let mut session = Session::default();
        session.pings_ms.push(Millis(1.0));
        assert!(!may_be_large(&session, false) && may_be_large(&session, true));
        session.steps.push(Step {
            kind: StepKind::Binary,
            at_ms: Millis(0.0),
            took_ms: Millis(0.0),
            reply: Reply::Echo,
            tcp: None,
        });
        assert!(may_be_large(&session, false));
        assert_eq!(echoing(&session), Some(StepKind::Binary));
    }
}
