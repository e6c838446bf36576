//! Many connections at once, only when asked for.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::exchange::{Path, Upgraded, words};
use super::watch::{Scan, finish};
use crate::probe::seen::{
    Crowd, CrowdMember, Ended, Exchange, Millis, Outcome, Session, Variation,
};
use crate::wire::inspect::Read;

/// Refusals in a row after which no more are opened.
const IN_ROW: u32 = 3;
/// How long one handshake may take before it counts as waiting, and again once others are closed.
const PATIENCE: Duration = Duration::from_millis(2_000);
/// How long a close right after the 101 is waited for.
const GREETING: Duration = Duration::from_millis(60);
/// A rate limit lets something through after so long.
const PAUSE: Duration = Duration::from_millis(1_100);
/// The other side needs a moment to notice that connections are gone.
const NOTICE: Duration = Duration::from_millis(250);
/// Connections that are closed at the same time.
const CLOSED_AT_ONCE: usize = 64;

/// Opens and holds as many as the settings say, one after the other, until they are refused; then
/// sees whether time or room helps. `None` for none.
pub async fn crowd(path: &Path<'_>) -> Option<Crowd> {
    let planned = path.settings.watching.clients;
    if planned == 0 {
        return None;
    }
    let mut all = All {
        path,
        held: Vec::new(),
        crowd: Crowd {
            planned,
            ..Crowd::default()
        },
    };
    let mut in_row = 0;
    while in_row < IN_ROW && (all.crowd.members.len() as u32) < planned {
        in_row = match all.open().await {
            Opened::Good => 0,
            Opened::Refused => in_row + 1,
            Opened::Waited => break,
        };
    }
    all.listen().await;
    if in_row == IN_ROW {
        all.find_out().await;
    }
    all.close(all.held.len()).await;
    Some(all.crowd)
}

/// What came of one.
enum Opened {
    Good,
    Refused,
    /// No answer until others were closed, or not even then.
    Waited,
}

struct All<'a> {
    path: &'a Path<'a>,
    /// The member it is, and its connection.
    held: Vec<(usize, Upgraded)>,
    crowd: Crowd,
}

impl All<'_> {
    async fn open(&mut self) -> Opened {
        let path = self.path;
        let deadline = Instant::now() + 2 * PATIENCE;
        let mut asking = pin!(path.ask_and_keep(Variation::Again, deadline));
        let mut freed = None;
        let (exchange, open) = match timeout(PATIENCE, asking.as_mut()).await {
            Ok(came) => came,
            Err(_) => {
                // It waits: does it get an answer when there is room?
                self.close(self.held.len().div_ceil(2)).await;
                freed = Some(Instant::now());
                asking.await
            }
        };
        let silent = exchange.outcome == Outcome::NoBytes { end: None };
        let answered = freed.filter(|_| exchange.answer().is_some());
        let mut member = CrowdMember {
            exchange,
            ended: None,
            answered_after_closing_ms: answered.map(|at| Millis::from(at.elapsed())),
        };
        let open = open.filter(|_| member.exchange.is_upgrade());
        if let Some(mut open) = open {
            member.ended = ended(&mut open, GREETING).await;
            if member.ended.is_none() {
                self.held.push((self.crowd.members.len(), open));
            }
        }
        let good = member.exchange.is_upgrade() && member.ended.is_none();
        self.crowd.members.push(member);
        match good {
            _ if freed.is_some() || silent => Opened::Waited,
            true => Opened::Good,
            false => Opened::Refused,
        }
    }

    /// Writes down which of those held have ended.
    async fn listen(&mut self) {
        for (place, open) in &mut self.held {
            if let Some(end) = ended(open, Duration::ZERO).await {
                self.crowd.members[*place].ended = Some(end);
            }
        }
        let members = &self.crowd.members;
        self.held
            .retain(|(place, _)| members[*place].ended.is_none());
    }

    /// Refused several times in a row: does time help, or room?
    async fn find_out(&mut self) {
        sleep(PAUSE).await;
        let waited = self.once().await;
        let good = waited.is_upgrade();
        self.crowd.after_waiting = Some(waited);
        if good {
            return;
        }
        if self.held.len() > 1 {
            self.close(self.held.len().div_ceil(2)).await;
            sleep(NOTICE).await;
            self.crowd.after_closing = Some(self.once().await);
        }
        self.close(self.held.len()).await;
        sleep(PAUSE).await;
        self.crowd.after_pause = Some(self.once().await);
    }

    async fn once(&self) -> Exchange {
        let deadline = Instant::now() + PATIENCE;
        self.path.ask(Variation::Again, deadline).await
    }

    /// Closes the last `count` of those held.
    async fn close(&mut self, count: usize) {
        let keep = self.held.len().saturating_sub(count);
        let mut closing = self.held.split_off(keep);
        for some in closing.chunks_mut(CLOSED_AT_ONCE) {
            join_all(some.iter_mut().map(|(_, open)| finish(open))).await;
        }
    }
}

/// How it ended, if it does within `wait`.
async fn ended(open: &mut Upgraded, wait: Duration) -> Option<Ended> {
    let until = Instant::now() + wait;
    loop {
        let mut bytes = open.leftover.clone();
        let frames = Scan::default().push(&mut bytes);
        let close = frames.into_iter().find(|f| f.close_code().is_some());
        let at = Millis::from(open.since.elapsed());
        let end = |code, reason, how| Ended {
            at_ms: at,
            idle_ms: Millis::default(),
            code,
            reason,
            how,
        };
        if let Some(close) = close {
            return Some(end(close.close_code(), Session::text(close.reason()), None));
        }
        match open.line.read(&mut open.leftover, until).await {
            Read::Bytes(_) if open.leftover.len() < MOST => {}
            Read::Bytes(_) | Read::TimedOut => return None,
            Read::Ended(how) => return Some(end(None, String::new(), Some(words(&how)))),
        }
    }
}

/// Most bytes of one connection that are looked at.
const MOST: usize = 256 * 1024;
