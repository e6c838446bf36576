//! Bytes that are no HTTP, heads that do not end, broken and late 101s.

use super::*;

#[test]
fn protocols_are_known_by_what_they_say() {
    let table = [
        ("SSH-2.0-OpenSSH_9.2\\r\\n", "not-http", "SSH"),
        ("-ERR unknown command 'GET'\\r\\n", "not-http", "Redis"),
        ("220 mx ESMTP Postfix\\r\\n", "not-http", "SMTP"),
        ("220 ProFTPD Server\\r\\n", "not-http", "FTP"),
        ("J\\u{0}\\u{0}\\u{0}\\n8.0.36\\u{0}", "not-http", "MySQL"),
        ("* OK IMAP4rev1 ready\\r\\n", "not-http", "IMAP"),
        ("AMQP\\u{0}\\u{0}\\t\\u{1}", "not-http", "AMQP"),
        ("\\u{0}\\u{0}\\u{0}\\u{4}\\u{0}", "not-http", "HTTP/2"),
        ("\\u{7}hm?", "not-http", "another protocol"),
        (
            "HTTP/1.1 200 OK\\r\\nno colon\\r\\n",
            "unreadable-head",
            "starts like HTTP",
        ),
        ("\\x81\\u{5}hello", "no-head", "WebSocket frame"),
        ("<html><body>", "no-head", "page"),
    ];
    for (said, id, word) in table {
        let others = vec![(OtherScheme, no_tls(), 1.0)];
        let (found, title, _) = found(&seen(bytes(said), 1.0, others)).unwrap();
        assert_eq!(found, id, "{said}");
        assert!(title.contains(word), "{title}");
    }
}

#[test]
fn a_head_that_never_ends_is_shown() {
    let partial = |end: Option<&str>| Outcome::PartialHead {
        bytes: "HTTP/1.1 101 Swi".into(),
        end: end.map(str::to_owned),
    };
    let (id, title, _) = found(&seen(partial(None), 10_000.0, vec![])).unwrap();
    assert_eq!(id, "partial-head");
    assert!(title.contains("incomplete after 10.0 s"), "{title}");
    let (_, title, _) = found(&seen(partial(Some("RST")), 5.0, vec![])).unwrap();
    assert!(title.contains("cut off by RST"), "{title}");
}

#[test]
fn each_flaw_of_a_101_is_named() {
    type Spoil = fn(&mut Answer);
    let table: [(&str, Spoil); 6] = [
        ("Sec-WebSocket-Accept is missing", |a| {
            a.accept = AcceptCheck::Missing;
            a.headers.pop();
        }),
        ("does not fit the key", |a| a.accept = AcceptCheck::Wrong),
        ("the Upgrade header is missing", |a| {
            a.headers.remove(0);
        }),
        ("the Upgrade header is \"h2c\"", |a| {
            a.headers[0].1 = "h2c".into()
        }),
        ("the Connection header is \"close\"", |a| {
            a.headers[1].1 = "close".into()
        }),
        ("HTTP/1.0", |a| a.version = "1.0".into()),
    ];
    for (words, spoil) in table {
        let mut answer = good();
        spoil(&mut answer);
        let bad = seen(Outcome::Answer(answer), 3.0, vec![]);
        let (id, title, causes) = found(&bad).unwrap_or_else(|| panic!("{words}: nothing"));
        assert_eq!(id, "bad-101");
        assert!(title.contains(words), "{title}");
        assert_eq!(causes, 2);
    }
    let mut answer = good();
    answer.accept = AcceptCheck::Wrong;
    let replayed = Outcome::Answer(answer);
    let again = vec![(Again, replayed.clone(), 2.0)];
    let (_, title, causes) = found(&seen(replayed, 3.0, again)).unwrap();
    assert!(title.contains("cached or fixed"), "{title}");
    assert_eq!(causes, 1);
}

#[test]
fn what_nobody_offered_is_found_and_what_was_is_not() {
    let with = |name: &str, value: &str, offered: &[&str]| {
        let mut answer = good();
        answer.headers.push((name.into(), value.into()));
        let mut seen = seen(Outcome::Answer(answer), 3.0, vec![]);
        seen.asked.subprotocols = offered.iter().map(|&o| o.into()).collect();
        found(&seen)
    };
    let protocol = "sec-websocket-protocol";
    let extensions = "sec-websocket-extensions";
    assert_eq!(with(protocol, "mqtt", &["stomp", "mqtt"]), None);
    assert_eq!(with(extensions, "", &[]), None);
    for (name, value) in [(protocol, "mqtt"), (extensions, "permessage-deflate")] {
        let (id, title, _) = with(name, value, &["stomp"]).unwrap();
        assert_eq!(id, "unasked");
        assert!(
            title.contains(value) && title.contains("did not offer"),
            "{title}"
        );
    }
}

#[test]
fn a_late_101_is_a_warning_with_its_time() {
    let table: [(f64, Vec<Asked>, Option<&str>); 5] = [
        (300.0, vec![], None),
        (1_200.0, vec![(Again, opens(), 4.0)], None),
        (1_200.0, vec![(Again, opens(), 1_300.0)], Some("took 1.2 s")),
        (
            4_000.0,
            vec![(Again, HANGS, 3_300.0)],
            Some("more than 3.3 s"),
        ),
        (
            4_000.0,
            vec![(Again, opens(), 4.0)],
            Some("made again it took 4 ms"),
        ),
    ];
    for (took, others, words) in table {
        let seen = seen(opens(), took, others);
        let finding = ours(&seen).pop();
        match (words, finding) {
            (None, None) => {}
            (Some(words), Some(finding)) => {
                assert!(finding.title.contains(words), "{}", finding.title);
                assert_eq!(finding.severity, Severity::Warning);
            }
            (words, finding) => panic!("{took}: {words:?} {finding:?}"),
        }
    }
}
