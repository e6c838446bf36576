//! Pings at an even pace on a connection of their own: pauses of a server, frames held back, a second
//! look at an early end.

use tokio::time::{Duration, Instant, sleep_until};

use super::talk::{Heard, Talk};
use crate::probe::ask::exchange::Path;
use crate::probe::ask::frames;
use crate::probe::seen::{Ended, Millis, PingSeen, Session, Variation};

/// From one ping to the next, whether it was answered or not.
const PACE: Duration = Duration::from_millis(100);
/// Pings that are sent; with `--deep`.
const PINGS: usize = 22;
const DEEP_PINGS: usize = 40;
/// The last pongs are waited for so long.
const PATIENCE: Duration = Duration::from_millis(800);
/// The handshake of this connection may take so long.
const DIAL: Duration = Duration::from_secs(2);
/// How often our own punctuality is looked at.
const TICK: Duration = Duration::from_millis(20);

/// What came of it.
#[derive(Debug, Default)]
pub struct Series {
    pings: Vec<PingSeen>,
    ended: Option<Ended>,
    retransmits: u32,
    round_trip: Option<Millis>,
    lateness: Duration,
    notes: Session,
}

impl Series {
    /// Adds it to a session.
    pub fn put_into(self, session: &mut Session) {
        session.pings_ms = self.pings.iter().filter_map(|p| p.took_ms).collect();
        session.ping_series = self.pings;
        session.second_ended = self.ended;
        session.series_retransmits = self.retransmits;
        session.round_trip_ms = self.round_trip;
        session.own_lateness_ms = Millis::from(self.lateness);
        session.violations.extend(self.notes.violations);
    }
}

/// Opens a connection and pings. Without one there are no pings, and nothing is made of that.
pub async fn series(path: &Path<'_>) -> Series {
    let (_, open) = path
        .ask_and_keep(Variation::Again, Instant::now() + DIAL)
        .await;
    let Some(open) = open else {
        return Series::default();
    };
    let count = if path.settings.watching.deep {
        DEEP_PINGS
    } else {
        PINGS
    };
    let mut series = Series::default();
    let mut talk = Talk::new(open);
    tokio::select! {
        () = pinging(&mut talk, count, &mut series.pings, &mut series.ended) => {}
        () = punctuality(&mut series.lateness) => {}
    }
    series.retransmits = talk.tcp().retransmits;
    series.round_trip = talk.round_trip();
    talk.leave(&mut series.notes).await;
    series
}

async fn pinging(
    talk: &mut Talk,
    count: usize,
    pings: &mut Vec<PingSeen>,
    ended: &mut Option<Ended>,
) {
    let started = Instant::now();
    for index in 0..count {
        let at = started + PACE * index as u32;
        if listen(talk, at, pings, ended).await {
            return;
        }
        let sent_ms = talk.at();
        talk.say(&frames::ping(&name(index)), at + PACE).await;
        pings.push(PingSeen {
            sent_ms,
            took_ms: None,
        });
    }
    let until = Instant::now() + PATIENCE;
    while pings.iter().any(|p| p.took_ms.is_none()) && Instant::now() < until {
        let Some(heard) = talk.hear(until).await else {
            return;
        };
        if note(talk, heard, pings, ended).await {
            return;
        }
    }
}

/// Notes what comes until `until`. True: it ended.
async fn listen(
    talk: &mut Talk,
    until: Instant,
    pings: &mut [PingSeen],
    ended: &mut Option<Ended>,
) -> bool {
    while Instant::now() < until {
        let Some(heard) = talk.hear(until).await else {
            return false;
        };
        if note(talk, heard, pings, ended).await {
            return true;
        }
    }
    false
}

/// A pong belongs to its ping. True: it ended.
async fn note(
    talk: &mut Talk,
    heard: Heard,
    pings: &mut [PingSeen],
    ended: &mut Option<Ended>,
) -> bool {
    match heard {
        Heard::Pong(payload) => {
            let index = (0..pings.len()).find(|index| name(*index) == payload);
            if let Some(ping) = index.and_then(|index| pings.get_mut(index)) {
                let took = talk.at().0 - ping.sent_ms.0;
                ping.took_ms.get_or_insert(Millis(took));
            }
            false
        }
        Heard::Close(..) | Heard::Ended(_) => {
            *ended = Some(talk.end(heard).await);
            true
        }
        Heard::Message { .. } => false,
    }
}

/// The payload of a ping.
fn name(index: usize) -> Vec<u8> {
    format!("probe {index}").into_bytes()
}

/// Watches how late this process wakes up; never ends.
async fn punctuality(latest: &mut Duration) {
    let mut due = Instant::now();
    loop {
        due += TICK;
        sleep_until(due).await;
        let now = Instant::now();
        *latest = (*latest).max(now - due);
        // What was missed is missed.
        due = due.max(now - TICK);
    }
}
