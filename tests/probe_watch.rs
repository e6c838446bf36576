//! `wsbench probe` against small servers with a rule about time or number, with hand-written frames.
//!
//! What is asserted is which findings come, never how long anything took.

mod probe_peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use probe_peer::{frame, good, read, request, settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout_at};
use wsbench::probe::seen::Seen;

/// A rule that a server lives by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// None: all is well.
    Fine,
    /// Ends connections without any frame for so long, with FIN.
    Idle(Duration),
    /// Ends connections without a text message for so long, with 4000.
    Unheard(Duration),
    /// Ends every connection at that age, with FIN.
    Age(Duration),
    /// Forgets connections without any frame for so long: nothing is answered any more.
    Forget(Duration),
    /// Stops answering at that time after the first connection.
    Freeze(Duration),
    /// Ends all connections at that time after the first one, and refuses new ones.
    Stop(Duration),
    /// Takes so many at once, and answers 503 to others.
    Most(usize),
    /// Every second handshake gets a 404.
    Every2nd,
    /// A new connection ends the one before with 4009.
    One,
}

struct Server {
    rule: Rule,
    open: AtomicUsize,
    made: AtomicUsize,
    asked: AtomicUsize,
    started: Instant,
}

async fn serve(rule: Rule) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        // The clock of events starts with the first connection that says something.
        let (first, _) = listener.accept().await.expect("a client");
        let server = Arc::new(Server {
            rule,
            open: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            started: Instant::now(),
        });
        tokio::spawn(converse(first, server.clone()));
        let until = match rule {
            Rule::Stop(after) => server.started + after,
            _ => server.started + Duration::from_secs(600),
        };
        while let Ok(Ok((stream, _))) = timeout_at(until, listener.accept()).await {
            tokio::spawn(converse(stream, server.clone()));
        }
    });
    address
}

async fn converse(mut stream: TcpStream, server: Arc<Server>) -> Option<()> {
    let request = request(&mut stream).await?;
    let refusal = match server.rule {
        Rule::Most(most) if server.open.load(Ordering::SeqCst) >= most => "503 Service Unavailable",
        Rule::Every2nd if server.asked.fetch_add(1, Ordering::SeqCst) % 2 == 1 => "404 Not Found",
        _ => "",
    };
    if !refusal.is_empty() {
        let answer =
            format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return stream.write_all(answer.as_bytes()).await.ok();
    }
    let answer = good(&request);
    stream.write_all(answer.as_bytes()).await.ok()?;
    server.open.fetch_add(1, Ordering::SeqCst);
    let end = talk(&mut stream, &server).await;
    server.open.fetch_sub(1, Ordering::SeqCst);
    end
}

/// Echoes, until the rule ends it.
async fn talk(stream: &mut TcpStream, server: &Server) -> Option<()> {
    let mine = server.made.fetch_add(1, Ordering::SeqCst) + 1;
    let opened = Instant::now();
    let never = opened + Duration::from_secs(600);
    let mut heard = opened;
    loop {
        let end = match server.rule {
            Rule::Idle(after) | Rule::Unheard(after) => heard + after,
            Rule::Age(after) => opened + after,
            Rule::Stop(after) => server.started + after,
            _ => never,
        };
        let silent = match server.rule {
            Rule::Forget(after) => heard + after,
            Rule::Freeze(after) => server.started + after,
            _ => never,
        };
        let newer = async {
            while server.rule != Rule::One || server.made.load(Ordering::SeqCst) == mine {
                tokio::time::sleep(ms(5)).await;
            }
        };
        let frame_came = tokio::select! {
            () = newer => {
                let _ = stream.write_all(&frame(0x88, &4009u16.to_be_bytes())).await;
                return None;
            }
            came = read(stream) => came?,
            () = sleep_until(end) => {
                if let Rule::Unheard(_) = server.rule {
                    let _ = stream.write_all(&frame(0x88, &4000u16.to_be_bytes())).await;
                }
                return None;
            }
            () = sleep_until(silent) => {
                // Bytes are still acknowledged, and nothing is said any more.
                while stream.read_u8().await.is_ok() {}
                return None;
            }
        };
        let (first, payload) = frame_came;
        if !matches!(server.rule, Rule::Unheard(_)) || first & 15 < 8 {
            heard = Instant::now();
        }
        match first & 15 {
            8 => return stream.write_all(&frame(0x88, &payload)).await.ok(),
            9 => stream.write_all(&frame(0x8a, &payload)).await.ok()?,
            10 => {}
            _ => stream.write_all(&frame(first, &payload)).await.ok()?,
        }
    }
}

/// Probes and gives what was seen, and the names of what was found.
async fn look(rule: Rule, idle: u64, clients: u32) -> (Seen, Vec<&'static str>) {
    let mut settings = settings(serve(rule).await);
    settings.watching.idle = Duration::from_millis(idle);
    settings.watching.clients = clients;
    probe_peer::look(&settings).await
}

/// The findings of a watch: other checks may have words of their own for what the session saw.
async fn finds(rule: Rule, idle: u64, expected: &str) -> Seen {
    let (seen, found) = look(rule, idle, 0).await;
    assert!(found.contains(&expected), "{found:?}\n{:#?}", seen.watch);
    let others = OURS.iter().filter(|id| **id != expected);
    for other in others {
        assert!(!found.contains(other), "{found:?}");
    }
    seen
}

/// What a watch can find.
const OURS: [&str; 13] = [
    "idle-cut",
    "idle-cut-rst",
    "idle-app",
    "idle-silent-drop",
    "half-open",
    "max-age",
    "max-age-app",
    "connection-lost",
    "reload-closes",
    "reload-deadline",
    "conn-limit",
    "rate-limited",
    "lb-one-bad",
];

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[tokio::test]
async fn a_healthy_server_is_held_in_all_ways_and_left_closed() {
    let (seen, found) = look(Rule::Fine, 3_000, 5).await;
    assert!(found.is_empty(), "{found:?}");
    let watch = seen.watch.expect("a watch");
    assert_eq!(watch.holds.len(), 7);
    assert!(watch.holds.iter().all(|h| h.final_pong == Some(true)));
    assert!(watch.rounds.iter().all(|r| r.exchange.is_upgrade()));
    let crowd = seen.crowd.expect("a crowd");
    assert_eq!(crowd.members.len(), 5);
    assert_eq!(crowd.after_pause, None);
}

#[tokio::test]
async fn silence_that_is_cut_is_told_from_age() {
    finds(Rule::Idle(ms(1_900)), 4_000, "idle-cut").await;
    finds(Rule::Age(ms(1_900)), 4_000, "max-age").await;
}

#[tokio::test]
async fn what_was_seen_before_a_signal_is_kept_and_no_fault() {
    let mut settings = settings(serve(Rule::Fine).await);
    settings.watching.idle = Duration::from_secs(60);
    let mut seen = Seen::default();
    let mut quiet = |_: &str| {};
    let looking = wsbench::probe::look(&settings, &mut seen, &mut quiet);
    let ended = tokio::time::timeout(Duration::from_secs(6), looking).await;
    assert!(ended.is_err(), "it would have held for a minute");
    let watch = seen.watch.as_ref().expect("a watch");
    assert!(watch.planned_ms.seconds() >= 60.0 && watch.lasted_ms.seconds() < 60.0);
    assert!(!watch.holds.is_empty() && !watch.rounds.is_empty());
    let held = |hold: &wsbench::probe::seen::Hold| hold.held_ms.seconds();
    assert!(watch.holds.iter().all(|hold| held(hold) > 0.0), "{watch:?}");
    let found = wsbench::probe::diagnose(&seen);
    let found: Vec<_> = found.findings.iter().map(|f| f.id).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn an_application_that_wants_messages_is_named() {
    finds(Rule::Unheard(ms(1_900)), 4_000, "idle-app").await;
}

#[tokio::test]
async fn a_connection_that_is_forgotten_is_told_from_a_frozen_peer() {
    finds(Rule::Forget(ms(1_900)), 4_000, "idle-silent-drop").await;
    finds(Rule::Freeze(ms(2_500)), 4_400, "half-open").await;
}

#[tokio::test]
async fn a_service_that_stops_is_a_restart() {
    let seen = finds(Rule::Stop(ms(2_300)), 4_000, "restart").await;
    let rounds = seen.watch.expect("a watch").rounds;
    assert!(rounds.first().is_some_and(|r| r.exchange.is_upgrade()));
    assert!(rounds.last().is_some_and(|r| !r.exchange.is_upgrade()));
}

#[tokio::test]
async fn a_number_of_connections_is_told_from_a_bad_node() {
    finds(Rule::Most(4), 4_000, "conn-limit").await;
    finds(Rule::Every2nd, 4_000, "lb-one-bad").await;
}

#[tokio::test]
async fn one_connection_for_each_client_is_no_limit_on_time_or_number() {
    finds(Rule::One, 4_000, "single-session").await;
}

#[tokio::test]
async fn a_crowd_finds_a_limit_that_a_watch_does_not_reach() {
    let (seen, found) = look(Rule::Most(20), 1_500, 30).await;
    assert!(found.contains(&"conn-limit"), "{found:?}");
    let crowd = seen.crowd.expect("a crowd");
    assert!(
        (20..30).contains(&crowd.members.len()),
        "{}",
        crowd.members.len()
    );
    assert!(crowd.after_closing.is_some_and(|e| e.is_upgrade()));
}
