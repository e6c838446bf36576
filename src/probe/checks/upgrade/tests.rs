//! Recorded answers (PROXIES sections 3, 4 and 6) and what they mean.

use super::tree::{Cause, cause};
use super::{ALL, redirect};
use crate::probe::ask::compare::refusal::{self, NO_HOST, NO_PATH};
use crate::probe::ask::compare::silence::ENGINE_IO;
use crate::probe::finding::{Certainty, Finding};
use crate::probe::seen::{
    AcceptCheck, Answer, Ended, Exchange, Millis, Outcome, Seen, Session, Variation,
};

/// `426 Upgrade Required|server: nginx/1.22.1|body`, the middle may hold several headers or none.
fn answer(text: &str) -> Answer {
    let mut parts: Vec<&str> = text.split('|').collect();
    let status = parts.remove(0);
    let body = if parts.len() > 1 { parts.pop() } else { None };
    let (code, reason) = status.split_once(' ').unwrap_or((status, ""));
    let mut answer = Answer {
        version: "1.1".to_owned(),
        status: code.parse().unwrap(),
        reason: reason.to_owned(),
        headers: (parts.iter().filter_map(|h| h.split_once(": ")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.unwrap_or_default().to_owned(),
        ..Answer::default()
    };
    if answer.status == 101 {
        answer.accept = AcceptCheck::Right;
        let more = [("upgrade", "websocket"), ("connection", "upgrade")];
        let more = more.map(|(n, v)| (n.to_owned(), v.to_owned()));
        answer.headers.extend(more);
    }
    answer
}

fn exchange(asked: Variation, text: &str) -> Exchange {
    Exchange {
        asked,
        at_ms: Millis(1.0),
        address: "127.0.0.1:80".to_owned(),
        first_byte_ms: Some(Millis(2.0)),
        took_ms: Millis(2.5),
        outcome: Outcome::Answer(answer(text)),
    }
}

/// A refused handshake and the comparisons.
fn seen(handshake: &str, compared: &[(Variation, &str)]) -> Seen {
    let mut seen = Seen::default();
    seen.asked.host = "app.example".to_owned();
    seen.asked.port = 80;
    seen.asked.path = "/ws".to_owned();
    seen.handshake = Some(exchange(Variation::Handshake, handshake));
    let compared = compared.iter();
    seen.compared = compared
        .map(|(v, text)| exchange(v.clone(), text))
        .collect();
    seen
}

/// Everything alike.
fn alike(text: &str) -> Seen {
    let others = [Variation::PlainGet, Variation::Version99, Variation::NoKey];
    let others: Vec<_> = others.into_iter().map(|v| (v, text)).collect();
    seen(text, &others)
}

fn findings(seen: &Seen) -> Vec<Finding> {
    ALL.iter().flat_map(|check| (check.ask)(seen)).collect()
}

/// One answer to everything, and its cause.
const ALIKE: &[(&str, Cause)] = &[
    (
        "426 Upgrade Required|server: nginx/1.22.1|Upgrade Required",
        Cause::NotForwarded,
    ),
    // python websockets, aiohttp, axum.
    (
        "426 Upgrade Required|x: y|Failed to open a WebSocket connection: missing Upgrade header.",
        Cause::NotForwarded,
    ),
    (
        "400 Bad Request|x: y|No WebSocket UPGRADE hdr: None\\n Can \"Upgrade\" only to \"WebSocket\".",
        Cause::NotForwarded,
    ),
    (
        "400 Bad Request|x: y|Connection header did not include 'upgrade'",
        Cause::NotForwarded,
    ),
    (
        "404 Not Found|x-powered-by: Express|<pre>Cannot GET /ws</pre>",
        Cause::NotForwardedApp,
    ),
    (
        "404 Not Found|x: y|{\"detail\":\"Not Found\"}",
        Cause::NotForwardedApp,
    ),
    ("400 Bad Request|x: y|", Cause::Damaged),
    (
        "505 HTTP Version Not Supported|x: y|Failed to open a WebSocket connection: unsupported HTTP version: HTTP/1.0",
        Cause::Http10,
    ),
    (
        "426 Upgrade Required|x: y|WebSocket request couldn't be upgraded since no upgrade state was present",
        Cause::Http10,
    ),
    (
        "404 Not Found|server: nginx|<h1>404 Not Found</h1><hr><center>nginx/1.22.1</center>",
        Cause::NoRoute,
    ),
    ("404 Not Found|x: y|404 page not found", Cause::NoRoute),
    ("404 Not Found|x: y|default backend - 404", Cause::NoRoute),
    (
        "403 Forbidden|server: nginx|<center>nginx</center>",
        Cause::Forbidden,
    ),
    (
        "401 Unauthorized|www-authenticate: Basic realm=\"x\"|no",
        Cause::Auth,
    ),
    (
        "407 Proxy Authentication Required|x: y|no",
        Cause::ProxyLogin,
    ),
    (
        "429 Too Many Requests|retry-after: 2|slow down",
        Cause::RateLimited,
    ),
    ("431 Request Header Fields Too Large|x: y|", Cause::TooLarge),
    ("421 Misdirected Request|x: y|", Cause::WrongHost),
    (
        "200 OK|server: nginx|<title>Welcome to nginx!</title>",
        Cause::WrongHost,
    ),
    (
        "200 OK|x: y|<div id=root></div><script src=/app.js></script>",
        Cause::Page,
    ),
    ("500 Internal Server Error|x: y|oops", Cause::ServerError),
    (
        "502 Bad Gateway|server: nginx|<center>nginx</center>",
        Cause::UpstreamDown,
    ),
    (
        "503 Service Unavailable|x: y|No server is available to handle this request.",
        Cause::NoHealthyServer,
    ),
    (
        "503 Service Unavailable|server: envoy|no healthy upstream",
        Cause::NoHealthyServer,
    ),
    (
        "503 Service Unavailable|server: envoy|upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        Cause::UpstreamDown,
    ),
    // Apache's standard page speaks of maintenance whatever the reason.
    (
        "503 Service Unavailable|server: Apache/2.4|temporarily unable to service your request due to maintenance downtime or capacity problems.",
        Cause::UpstreamDown,
    ),
    (
        "503 Service Unavailable|x: y|Down for maintenance",
        Cause::Maintenance,
    ),
    (
        "503 Service Temporarily Unavailable|server: nginx|<center>nginx</center>",
        Cause::Unavailable,
    ),
    (
        "504 Gateway Time-out|server: nginx|<center>nginx</center>",
        Cause::UpstreamTimeout,
    ),
    (
        "400 Bad Request|x: y|{\"code\":0,\"message\":\"Transport unknown\"}",
        Cause::SocketIo,
    ),
    ("418 I'm a teapot|x: y|short and stout", Cause::Unknown),
];

#[test]
fn identical_answers_are_headers_that_never_arrived() {
    for (text, expected) in ALIKE {
        assert_eq!(cause(&alike(text)), Some(*expected), "{text}");
        assert_eq!(findings(&alike(text)).len(), 1, "{text}");
    }
}

#[test]
fn an_answer_of_its_own_to_version_99_is_a_handshake_that_arrives() {
    use Cause::*;
    use Variation::{PlainGet, Version99};
    let version = "400 Bad Request|sec-websocket-version: 13, 8|Missing or invalid Sec-WebSocket-Version header";
    let get = "426 Upgrade Required|x: y|Upgrade Required";
    for (handshake, expected) in [
        ("400 Bad Request|x: y|Bad Request", WrongPath),
        ("404 Not Found|x: y|404: Not Found", WrongPath),
        ("403 Forbidden|x: y|", ForbiddenByApp),
        ("401 Unauthorized|x: y|Unauthorized", Auth),
        (
            "400 Bad Request|x: y|Missing or invalid Sec-WebSocket-Key header",
            HeaderLost,
        ),
    ] {
        let seen = seen(handshake, &[(PlainGet, get), (Version99, version)]);
        assert_eq!(cause(&seen), Some(expected), "{handshake}");
    }
    // A server without a word about versions: its answer to version 99 is another, and that is enough.
    let silent = seen(
        "404 Not Found|x: y|gone",
        &[
            (PlainGet, "200 OK|x: y|hello"),
            (Version99, "400 Bad Request|x: y|no"),
        ],
    );
    assert_eq!(cause(&silent), Some(WrongPath));
    // The version itself is lost: both complain.
    let lost = seen(version, &[(PlainGet, get), (Version99, version)]);
    assert_eq!(cause(&lost), Some(HeaderLost));
}

#[test]
fn an_upgrade_alone_is_refused() {
    use Variation::{PlainGet, Version99};
    let no = "403 Forbidden|server: envoy|";
    let seen = seen(
        no,
        &[(PlainGet, "426 Upgrade Required|x: y|"), (Version99, no)],
    );
    assert_eq!(cause(&seen), Some(Cause::UpgradeRefused));
    // Several causes fit: none is named as certain.
    assert_eq!(findings(&seen)[0].certainty, Certainty::OneOf);
}

#[test]
fn what_changes_the_answer_is_the_cause() {
    let no = "401 Unauthorized|x: y|Unauthorized";
    let yes = "101 Switching Protocols|x: y|";
    let own = Variation::Origin("http://app.example".to_owned());
    let table = [
        ((own, yes), Cause::Origin),
        ((Variation::WithoutOrigin, yes), Cause::Origin),
        ((Variation::WithoutHeaders, yes), Cause::TooLarge),
    ];
    for (changed, expected) in table {
        let seen = seen(
            no,
            &[
                changed,
                (Variation::PlainGet, no),
                (Variation::Version99, no),
            ],
        );
        assert_eq!(cause(&seen), Some(expected));
    }
    let sid = (
        Variation::GetPath(ENGINE_IO.to_owned()),
        "200 OK|x: y|0{\"sid\":\"a\",\"pingInterval\":25000}",
    );
    let seen_sid = seen("404 Not Found|x: y|Not found", &[sid]);
    assert_eq!(cause(&seen_sid), Some(Cause::SocketIo));
    let other_path = (Variation::Path(NO_PATH.to_owned()), yes);
    let nowhere = "404 Not Found|x: y|gone";
    assert_eq!(cause(&seen(nowhere, &[other_path])), Some(Cause::NoRoute));
    let again = (Variation::Again, yes);
    let busy = "503 Service Temporarily Unavailable|server: nginx|<center>nginx</center>";
    assert_eq!(cause(&seen(busy, &[again])), Some(Cause::RateLimited));
}

#[test]
fn an_empty_page_for_everything_is_another_site() {
    let empty = "200 OK|server: Caddy|";
    let mut all = alike(empty);
    for variation in [
        Variation::Path(NO_PATH.to_owned()),
        Variation::Host(NO_HOST.to_owned()),
    ] {
        all.compared.push(exchange(variation, empty));
    }
    assert_eq!(cause(&all), Some(Cause::WrongHost));
    assert_eq!(cause(&alike(empty)), Some(Cause::Page));
}

#[test]
fn redirects_are_told_apart() {
    use redirect::Kind::{Host, Https, Login, Path, Slash};
    for (location, expected) in [
        ("https://app.example/ws", Some(Https)),
        ("https://app.example:8443/ws", Some(Https)),
        ("https://www.example.com/ws", Some(Host)),
        ("http://app.example/ws/", Some(Slash)),
        ("/ws/", Some(Slash)),
        ("/v2/ws", Some(Path)),
        ("/login?next=/ws", Some(Login)),
        ("https://id.example.com/oauth2/authorize", Some(Login)),
    ] {
        let seen = alike(&format!("302 Found|location: {location}|x"));
        assert_eq!(cause(&seen), expected.map(Cause::Redirect), "{location}");
    }
    assert_eq!(findings(&alike("304 Not Modified|x: y|")).len(), 1);
}

#[test]
fn credentials_that_make_no_difference_may_be_lost_or_wrong() {
    let no = "401 Unauthorized|www-authenticate: Bearer|no";
    let mut seen = seen(
        no,
        &[
            (Variation::WrongCredentials, no),
            (Variation::WithoutCredentials, no),
        ],
    );
    seen.asked.credentials = vec!["Authorization".to_owned()];
    let found = &findings(&seen)[0];
    assert_eq!((found.id, found.certainty), ("cred-lost", Certainty::OneOf));
    assert!(found.title.contains("Authorization"), "{}", found.title);
}

#[test]
fn an_open_handshake_may_have_lost_something() {
    let yes = "101 Switching Protocols|x: y|";
    let mut seen = seen(yes, &[]);
    assert!(findings(&seen).is_empty());
    assert!(refusal::next(&seen).is_empty());
    seen.asked.subprotocols = vec!["graphql-transport-ws".to_owned()];
    assert_eq!(refusal::next(&seen), [Variation::WithoutSubprotocols]);
    assert_eq!(findings(&seen)[0].id, "subprotocol-lost");
    seen.asked.subprotocols.clear();
    seen.session = Some(Session {
        ended: Some(Ended {
            at_ms: Millis(10.0),
            idle_ms: Millis(10.0),
            code: Some(4001),
            reason: "Invalid token".to_owned(),
            how: None,
        }),
        ..Session::default()
    });
    assert!(
        findings(&seen).is_empty(),
        "nothing was sent that could be lost"
    );
    seen.asked.credentials = vec!["Cookie".to_owned()];
    assert_eq!(findings(&seen)[0].id, "cred-lost-session");
}

#[test]
fn only_what_decides_is_asked() {
    assert!(refusal::next(&alike("429 Too Many Requests|x: y|")).is_empty());
    assert!(refusal::next(&alike("301 Moved|location: https://app.example/ws|")).is_empty());
    let first = refusal::next(&seen("403 Forbidden|x: y|", &[]));
    for wanted in [
        Variation::PlainGet,
        Variation::Version99,
        Variation::Origin("http://app.example".to_owned()),
    ] {
        assert!(first.contains(&wanted), "{wanted:?}");
    }
    // Each is asked once, and it ends.
    let mut seen = seen("404 Not Found|x: y|gone", &[]);
    for _ in 0..6 {
        for variation in refusal::next(&seen) {
            assert!(variation == Variation::Again || seen.to(&variation).is_none());
            seen.compared
                .push(exchange(variation, "404 Not Found|x: y|gone"));
        }
    }
    assert!(refusal::next(&seen).is_empty());
    assert!(seen.compared.len() < 16, "{}", seen.compared.len());
}
