//! One question at a time, on the connection there is or on a fresh one.

use tokio::time::{Duration, Instant, sleep};

use super::talk::{Heard, Talk};
use super::{REDIAL, again};
use crate::probe::ask::exchange::Path;
use crate::probe::ask::frames;
use crate::probe::seen::{Millis, Provoked, Reply, Session, Step, StepKind, Variation};
use crate::wire::{Control, Data, OpCode};

/// A pong is waited for so long before the peer counts as silent.
const PONG_WAIT: Duration = Duration::from_secs(3);
/// An answer to a message of ours, when no pong tells that it was read.
const ANSWER_WAIT: Duration = Duration::from_millis(600);
/// An answer may come so long after the pong that was asked for behind the message.
const BEHIND_PONG: Duration = Duration::from_millis(150);
/// The same for a large message, which takes longer to be worked on.
const BEHIND_LARGE: Duration = Duration::from_secs(1);
/// TCP is looked at so often while nothing comes.
const LOOK: Duration = Duration::from_millis(250);
/// Doublings of the retransmission timer after which nothing will come.
const BACKOFF: u32 = 3;
/// The close frame of a peer is waited for so long.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// How long the peer may take to end TCP behind it.
const END_WAIT: Duration = Duration::from_millis(300);

/// The session as far as it went.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub path: &'a Path<'a>,
    /// `None`: it ended, the next question needs a fresh one.
    pub talk: Option<Talk>,
    pub session: Session,
}

impl Asker<'_> {
    /// There is a connection. False: a fresh handshake does not lead to one.
    pub async fn open(&mut self) -> bool {
        if self.talk.is_none() {
            let deadline = Instant::now() + REDIAL;
            let (exchange, open) = self.path.ask_and_keep(Variation::Again, deadline).await;
            if !exchange.is_upgrade() {
                self.session.afterwards.get_or_insert(Box::new(exchange));
            }
            self.talk = open.map(Talk::new);
            if let Some(talk) = &mut self.talk {
                talk.quiet = false;
            }
        }
        self.talk.is_some()
    }

    /// The first control ping. Whether pings are answered.
    pub async fn ping(&mut self) -> bool {
        let Some(talk) = &mut self.talk else {
            return false;
        };
        let payload = fastrand::u64(..).to_be_bytes();
        let started = Instant::now();
        let at_ms = talk.at();
        let until = started + PONG_WAIT;
        let mut reply = Reply::Nothing;
        if !talk.say(&frames::ping(&payload), until).await {
            reply = Reply::NotSent;
        }
        while let Some(heard) = hear(talk, until).await {
            match heard {
                Heard::Pong(back) if back == payload => {
                    reply = Reply::Pong;
                    break;
                }
                // Unasked pongs are allowed, and have no payload as a rule.
                Heard::Pong(back) if !back.is_empty() => reply = Reply::WrongPong,
                Heard::Message { bytes, .. } if reply == Reply::Nothing => {
                    reply = Reply::Message(Session::text(&bytes));
                }
                Heard::Close(..) | Heard::Ended(_) => {
                    reply = Reply::Ended;
                    self.session.ended = Some(talk.end(heard).await);
                    break;
                }
                _ => {}
            }
        }
        let tcp = (reply != Reply::Pong).then(|| talk.tcp());
        let answered = reply == Reply::Pong;
        self.note(StepKind::Ping, at_ms, started, reply, tcp);
        answered
    }

    /// One small message. False: nothing more can be asked.
    pub async fn ask(&mut self, kind: StepKind, answers_pings: bool) -> bool {
        if !self.open().await {
            return false;
        }
        let wait = if answers_pings {
            PONG_WAIT
        } else {
            ANSWER_WAIT
        };
        let (bytes, echo) = message(&kind);
        let reply = self
            .send(kind.clone(), &bytes, &echo, answers_pings, wait)
            .await;
        if reply != Reply::Ended {
            return true;
        }
        self.look_again().await
    }

    /// After an end that a message provoked: does a fresh handshake still lead anywhere?
    pub async fn look_again(&mut self) -> bool {
        // A process that dies, or a proxy that notices it, needs a moment.
        sleep(Duration::from_millis(50)).await;
        let afterwards = again(self.path).await;
        let good = afterwards.as_ref().is_some_and(|e| e.is_upgrade());
        if !good || self.session.afterwards.is_none() {
            self.session.afterwards = afterwards;
        }
        good
    }

    /// Sends a message, with a ping behind it when pings are answered: its pong tells that the
    /// message was read.
    pub async fn send(
        &mut self,
        kind: StepKind,
        bytes: &[u8],
        echo: &[u8],
        answers_pings: bool,
        wait: Duration,
    ) -> Reply {
        let Some(talk) = &mut self.talk else {
            return Reply::NotSent;
        };
        let payload = fastrand::u64(..).to_be_bytes();
        let (at_ms, started) = (talk.at(), Instant::now());
        let mut until = started + wait;
        let mut all = bytes.to_vec();
        if answers_pings {
            all.extend(frames::ping(&payload));
        }
        let large = matches!(kind, StepKind::Size(_));
        let behind = if large { BEHIND_LARGE } else { BEHIND_PONG };
        let mut reply = Reply::Nothing;
        let mut read = false;
        if !talk.say(&all, until).await {
            reply = Reply::NotSent;
        }
        while let Some(heard) = hear(talk, until).await {
            match heard {
                Heard::Message { bytes, length, .. } => {
                    if is_echo(&bytes, length, echo) {
                        reply = Reply::Echo;
                    } else if reply != Reply::Echo {
                        reply = Reply::Message(Session::text(&bytes));
                    }
                }
                Heard::Pong(back) if back == payload => {
                    read = true;
                    until = until.min(Instant::now() + behind);
                }
                Heard::Pong(_) => {}
                Heard::Close(..) | Heard::Ended(_) => {
                    reply = Reply::Ended;
                    let ended = talk.end(heard).await;
                    let by = kind.clone();
                    self.session.provoked.push(Provoked { by, ended });
                    break;
                }
            }
            if reply != Reply::Nothing && (read || !answers_pings) {
                break;
            }
        }
        if read && reply == Reply::Nothing && large {
            reply = Reply::Pong;
        }
        let odd = matches!(reply, Reply::Nothing | Reply::NotSent | Reply::Ended);
        let tcp = odd.then(|| talk.tcp());
        self.note(kind, at_ms, started, reply.clone(), tcp);
        if reply == Reply::Ended {
            self.leave().await;
        }
        reply
    }

    /// Gives up the connection and keeps what it showed.
    pub async fn leave(&mut self) {
        if let Some(talk) = self.talk.take() {
            talk.leave(&mut self.session).await;
        }
    }

    /// The close handshake.
    pub async fn close(&mut self) {
        let Some(talk) = &mut self.talk else {
            return;
        };
        let (at_ms, started) = (talk.at(), Instant::now());
        let until = started + CLOSE_WAIT;
        let mut reply = Reply::Nothing;
        if !talk.say(&frames::close(1000, "probe done"), until).await {
            reply = Reply::NotSent;
        }
        let mut closing = None;
        while let Some(heard) = talk.hear(until).await {
            match heard {
                Heard::Close(code, reason) => {
                    reply = Reply::Close;
                    closing = Some(crate::probe::seen::Ended {
                        at_ms: talk.at(),
                        idle_ms: Millis::default(),
                        code: Some(code),
                        reason,
                        how: talk.end_of_tcp(Instant::now() + END_WAIT).await,
                    });
                    break;
                }
                Heard::Ended(_) => {
                    reply = Reply::Ended;
                    closing = Some(talk.end(heard).await);
                    break;
                }
                _ => {}
            }
        }
        let tcp = (reply == Reply::Nothing).then(|| talk.tcp());
        self.session.closing = closing;
        self.note(StepKind::Close, at_ms, started, reply, tcp);
    }

    fn note(
        &mut self,
        kind: StepKind,
        at_ms: Millis,
        started: Instant,
        reply: Reply,
        tcp: Option<crate::probe::seen::Tcp>,
    ) {
        self.session.steps.push(Step {
            kind,
            at_ms,
            took_ms: Millis::from(started.elapsed()),
            reply,
            tcp,
        });
    }
}

/// The next thing heard; gives up early when TCP itself gets nothing through.
async fn hear(talk: &mut Talk, until: Instant) -> Option<Heard> {
    loop {
        let look = until.min(Instant::now() + LOOK);
        let heard = talk.hear(look).await;
        let tcp = talk.tcp();
        let lost = tcp.unacknowledged > 0 && tcp.backoff >= BACKOFF;
        if heard.is_some() || lost || Instant::now() >= until {
            return heard;
        }
    }
}

/// The bytes of a small message, and what an echo of it is.
fn message(kind: &StepKind) -> (Vec<u8>, Vec<u8>) {
    let json = r#"{"type":"ping"}"#;
    match kind {
        StepKind::Json => (frames::text(json), json.into()),
        StepKind::Binary => {
            let bytes = [0x77, 0x73, 0x00, 0xff];
            (frames::binary(&bytes), bytes.into())
        }
        StepKind::Fragmented => {
            let text = OpCode::Data(Data::Text);
            let more = OpCode::Data(Data::Continue);
            let ping = OpCode::Control(Control::Ping);
            let mut bytes = frames::encode(text, br#"{"type":"#, false);
            bytes.extend(frames::encode(more, br#""probe","#, false));
            bytes.extend(frames::encode(ping, b"between", true));
            bytes.extend(frames::encode(more, br#""parts":3}"#, true));
            (bytes, br#"{"type":"probe","parts":3}"#.into())
        }
        StepKind::Words => (frames::text("wsbench probe"), b"wsbench probe".to_vec()),
        _ => (frames::text("ping"), b"ping".to_vec()),
    }
}

/// The same message: its beginning, as far as it was kept, and its length.
fn is_echo(bytes: &[u8], length: u64, sent: &[u8]) -> bool {
    length == sent.len() as u64 && sent.starts_with(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ask::frames::FrameReader;

    #[test]
    fn a_fragmented_message_has_a_ping_in_between() {
        let (bytes, echo) = message(&StepKind::Fragmented);
        let frames = FrameReader::default().feed(&bytes);
        let shape: Vec<_> = frames.iter().map(|f| (f.opcode, f.fin)).collect();
        assert_eq!(shape, [(1, false), (0, false), (9, true), (0, true)]);
        let joined: Vec<u8> = frames
            .iter()
            .filter(|f| f.opcode != 9)
            .flat_map(|f| f.payload.clone())
            .collect();
        assert_eq!(joined, echo);
    }

    #[test]
    fn an_echo_is_the_same_bytes() {
        assert!(is_echo(b"ping", 4, b"ping"));
        assert!(is_echo(b"pi", 4, b"ping"), "only a part was kept");
        assert!(!is_echo(b"pong", 4, b"ping"));
        assert!(!is_echo(b"ping", 5, b"ping"));
    }
}
