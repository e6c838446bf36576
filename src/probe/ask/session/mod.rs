//! What the peer does on an open connection.
//!
//! For more than two seconds nothing is said, to see what comes by itself; meanwhile pings go at an even pace on a
//! second connection. Then the questions, the least intrusive first. One that ends its connection
//! must not hide the others: they go on on a fresh one.

mod judge;
mod plan;
mod series;
mod sizes;
mod steps;
mod talk;

use tokio::time::{Duration, Instant};

use super::exchange::{Path, Upgraded};
use crate::probe::seen::{Ended, Exchange, Millis, Reply, Session, Step, Variation};

use steps::Asker;
use talk::Talk;

/// Nothing is said so long: late closes and the server's first frames come by themselves.
const QUIET: Duration = Duration::from_millis(2_400);
/// No further question is asked after that: answers that take a second each are known by then.
const QUESTIONS: Duration = Duration::from_secs(6);
/// A fresh handshake in the middle of a session may take so long.
const REDIAL: Duration = Duration::from_secs(3);

/// Walks the session checks on `open` and closes it.
pub async fn session(path: &Path<'_>, handshake: &Exchange, open: Upgraded) -> Session {
    let mut session = Session {
        quiet_ms: Millis::from(QUIET),
        ..Session::default()
    };
    if let Some(answer) = handshake.answer() {
        let header = |name| answer.header(name).map(str::to_owned);
        session.subprotocol = header("sec-websocket-protocol");
        session.extensions = header("sec-websocket-extensions");
    }
    let mut talk = Talk::new(open);
    let (ended, series) = tokio::join!(quiet(&mut talk), series::series(path));
    series.put_into(&mut session);
    session.ended = ended;
    talk.quiet = false;
    if talk.is_lost() {
        talk.leave(&mut session).await;
        return session;
    }
    if session.ended.is_some() {
        session.afterwards = again(path).await;
        talk.leave(&mut session).await;
        return session;
    }
    let mut asker = Asker {
        path,
        talk: Some(talk),
        session,
    };
    asker.walk().await;
    asker.session
}

/// Listens without a word. The end, if it came.
async fn quiet(talk: &mut Talk) -> Option<Ended> {
    let until = talk.since() + QUIET;
    while let Some(heard) = talk.hear(until).await {
        if matches!(heard, talk::Heard::Close(..) | talk::Heard::Ended(_)) {
            return Some(talk.end(heard).await);
        }
    }
    None
}

/// A handshake right after an end that was not ours.
async fn again(path: &Path<'_>) -> Option<Box<Exchange>> {
    let deadline = Instant::now() + REDIAL;
    Some(Box::new(path.ask(Variation::Again, deadline).await))
}

impl Asker<'_> {
    /// All questions, then the close handshake.
    async fn walk(&mut self) {
        let answers_pings = self.ping().await;
        if self.session.ended.is_some() {
            self.session.afterwards = again(self.path).await;
            self.leave().await;
            return;
        }
        let until = Instant::now() + QUESTIONS;
        let mut silent = 0;
        for kind in plan::questions(&self.session) {
            if !self.ask(kind, answers_pings).await {
                self.leave().await;
                return;
            }
            let nothing = |s: &Step| s.reply == Reply::Nothing;
            silent += u32::from(self.session.steps.last().is_some_and(nothing));
            if Instant::now() > until {
                break;
            }
            // Neither pings nor messages are answered: more of them would tell nothing new.
            if !answers_pings && silent >= 2 {
                break;
            }
        }
        let deep = self.path.settings.watching.deep;
        if plan::may_be_large(&self.session, deep) && (deep || Instant::now() < until) {
            self.sizes(answers_pings).await;
        }
        if self.open().await {
            self.close().await;
        }
        self.leave().await;
    }
}
