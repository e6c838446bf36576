//! What close codes mean, and what a reason hints at.

/// Codes of RFC 6455 7.4.1 and of IANA's registry: (code, name, who uses it for what).
const STANDARD: &[(u16, &str, &str)] = &[
    (
        1000,
        "normal closure",
        "the server considers the conversation finished: nobody was expected to stay, nothing was subscribed, or it accepts and ends sessions by its own rules",
    ),
    (
        1001,
        "going away",
        "the server is shutting down, restarting or being replaced, or it ends connections at a maximum age",
    ),
    (
        1002,
        "protocol error",
        "the server found a breach of RFC 6455 in what it received; this probe sends none it knows of, so something on the path changed frames, or the server is stricter than the RFC",
    ),
    (
        1003,
        "unsupported data",
        "the server cannot take this kind of message: text only, or binary only",
    ),
    (
        1007,
        "invalid payload",
        "the server got data that does not fit the message's type, such as text that is not UTF-8",
    ),
    (
        1008,
        "policy violation",
        "the server's rules forbid this connection: most often a missing or wrong credential, an Origin, or a limit",
    ),
    (
        1009,
        "message too big",
        "the message is larger than the server, or a gateway that speaks WebSocket, accepts",
    ),
    (
        1010,
        "mandatory extension",
        "a code for clients only; from a server it is a bug",
    ),
    (
        1011,
        "internal error",
        "the server met a condition it did not expect, most often an exception in the handler: its log says which",
    ),
    (
        1012,
        "service restart",
        "the server restarts; reconnect after a random delay",
    ),
    (
        1013,
        "try again later",
        "the server is overloaded or at a limit; reconnect later, and more slowly",
    ),
    (
        1014,
        "bad gateway",
        "a gateway that speaks WebSocket got no valid answer from the server behind it",
    ),
    (
        3000,
        "unauthorized",
        "the connection is not authorised (IANA's registry)",
    ),
    (
        3003,
        "forbidden",
        "the connection is not allowed (IANA's registry)",
    ),
    (
        3008,
        "timeout",
        "the server waited too long for something (IANA's registry)",
    ),
];

/// (name, meaning) of a code with a public meaning.
pub fn standard(code: u16) -> Option<(&'static str, &'static str)> {
    let found = STANDARD.iter().find(|(c, ..)| *c == code);
    found.map(|(_, name, meaning)| (*name, *meaning))
}

/// Codes that may stand in a close frame, or 1005 for none (RFC 6455 7.4).
pub fn may_be_sent(code: u16) -> bool {
    code == 1005 || standard(code).is_some() || (3000..5000).contains(&code)
}

/// Codes of the graphql-ws library's protocol (graphql-transport-ws); others use the same numbers
/// for other things.
const GRAPHQL: &[(u16, &str)] = &[
    (4400, "Bad Request: a message that is not of the protocol"),
    (
        4401,
        "Unauthorized: a subscription before the connection was acknowledged",
    ),
    (4403, "Forbidden: connection_init was refused"),
    (4406, "Subprotocol not acceptable"),
    (
        4408,
        "Connection initialisation timeout: no connection_init came in time",
    ),
    (4409, "Subscriber already exists"),
    (4429, "Too many initialisation requests"),
    (4500, "Internal server error"),
];

/// What a code of 4000 to 4999 is known to mean where its protocol is public.
pub fn application(code: u16, subprotocol: Option<&str>) -> Option<String> {
    let graphql = subprotocol.is_some_and(|name| name.starts_with("graphql"));
    let found = GRAPHQL.iter().find(|(c, _)| *c == code);
    found.map(|(_, words)| {
        if graphql {
            format!("in graphql-transport-ws {code} means {words}")
        } else {
            format!("if it is a GraphQL server (graphql-transport-ws), {code} means {words}")
        }
    })
}

/// What a reason is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// A credential.
    Credential,
    /// The form of a message.
    Format,
    /// Silence, timeouts.
    Idle,
    /// Rates and limits.
    Limit,
    /// Version or subprotocol.
    Protocol,
    /// Origin, or not allowed.
    Origin,
    /// A session that is not known here.
    Session,
    /// Another connection took its place.
    Replaced,
    /// Shutting down.
    Restart,
}

/// Words, the more telling first.
const WORDS: &[(&str, Theme)] = &[
    ("unknown session", Theme::Session),
    ("session not found", Theme::Session),
    ("invalid session", Theme::Session),
    ("session expired", Theme::Credential),
    ("origin", Theme::Origin),
    ("subprotocol", Theme::Protocol),
    ("sub-protocol", Theme::Protocol),
    ("token", Theme::Credential),
    ("unauth", Theme::Credential),
    ("not auth", Theme::Credential),
    ("authent", Theme::Credential),
    ("authoriz", Theme::Credential),
    ("credential", Theme::Credential),
    ("api key", Theme::Credential),
    ("apikey", Theme::Credential),
    ("api_key", Theme::Credential),
    ("jwt", Theme::Credential),
    ("login", Theme::Credential),
    ("log in", Theme::Credential),
    ("logged", Theme::Credential),
    ("signature", Theme::Credential),
    ("cookie", Theme::Credential),
    ("json", Theme::Format),
    ("parse", Theme::Format),
    ("decod", Theme::Format),
    ("malformed", Theme::Format),
    ("format", Theme::Format),
    ("schema", Theme::Format),
    ("invalid message", Theme::Format),
    ("bad message", Theme::Format),
    ("unknown message", Theme::Format),
    ("unknown command", Theme::Format),
    ("text only", Theme::Format),
    ("binary", Theme::Format),
    ("idle", Theme::Idle),
    ("inactiv", Theme::Idle),
    ("timeout", Theme::Idle),
    ("timed out", Theme::Idle),
    ("heartbeat", Theme::Idle),
    ("keepalive", Theme::Idle),
    ("too many", Theme::Limit),
    ("rate", Theme::Limit),
    ("limit", Theme::Limit),
    ("quota", Theme::Limit),
    ("overload", Theme::Limit),
    ("capacity", Theme::Limit),
    ("busy", Theme::Limit),
    ("try again", Theme::Limit),
    ("version", Theme::Protocol),
    ("protocol", Theme::Protocol),
    ("forbidden", Theme::Origin),
    ("not allowed", Theme::Origin),
    ("denied", Theme::Origin),
    ("duplicate", Theme::Replaced),
    ("replaced", Theme::Replaced),
    ("another", Theme::Replaced),
    ("elsewhere", Theme::Replaced),
    ("restart", Theme::Restart),
    ("shutdown", Theme::Restart),
    ("shutting", Theme::Restart),
    ("maintenance", Theme::Restart),
    ("deploy", Theme::Restart),
    ("session", Theme::Session),
    ("auth", Theme::Credential),
];

/// What a close is about, as far as its reason tells.
pub fn theme(reason: &str) -> Option<Theme> {
    let reason = reason.to_ascii_lowercase();
    let found = WORDS.iter().find(|(word, _)| reason.contains(word));
    found.map(|(_, theme)| *theme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_hint_at_what_to_do() {
        let table = [
            ("Invalid token", Some(Theme::Credential)),
            ("Unauthorized", Some(Theme::Credential)),
            ("Not authenticated", Some(Theme::Credential)),
            ("Invalid JSON", Some(Theme::Format)),
            ("Idle timeout", Some(Theme::Idle)),
            ("Too many connections", Some(Theme::Limit)),
            ("Overloaded", Some(Theme::Limit)),
            ("Unknown session", Some(Theme::Session)),
            ("Origin not allowed", Some(Theme::Origin)),
            ("Unsupported subprotocol", Some(Theme::Protocol)),
            ("Server restarting", Some(Theme::Restart)),
            ("bye", None),
            ("", None),
        ];
        for (reason, expected) in table {
            assert_eq!(theme(reason), expected, "{reason}");
        }
    }

    #[test]
    fn codes_are_named_where_they_have_a_public_meaning() {
        for code in [1000, 1001, 1003, 1008, 1009, 1011, 1012, 1013, 1014, 3000] {
            assert!(standard(code).is_some(), "{code}");
        }
        assert!(standard(4001).is_none() && standard(1005).is_none());
        let words = |name| application(4408, name).unwrap();
        assert!(words(Some("graphql-transport-ws")).starts_with("in graphql"));
        assert!(words(None).starts_with("if it is"));
        assert!(application(4001, None).is_none());
    }
}
