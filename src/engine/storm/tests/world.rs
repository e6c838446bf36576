//! N clients, all dropped within 20 ms, and a server that refuses everybody for a while.

use std::time::Duration;

use crate::clock::Offset;
use crate::engine::reconnect::Backoff;
use crate::engine::storm::{Settings, Tracker};
use crate::failure::FailureKind;
use crate::metrics::event::Dial;
use crate::metrics::{ConnectionEvent, ConnectionStep as Step, Events};
use crate::result::storm::StormReport;
use crate::scenario::reconnect::preset;
use crate::scenario::{Reconnect, ReconnectPolicy};

/// When everybody is dropped.
pub const DROP: Offset = Offset::from_nanos(10_000_000_000);
const NOTICED: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// What is simulated.
pub struct World {
    clients: u64,
    /// What they do when they are dropped.
    pub plan: Reconnect,
    outage: Duration,
    /// In how many lists events come.
    pub shards: usize,
    /// Events come up to so much before their interval.
    pub early: Duration,
}

impl World {
    /// Clients with the reconnect policy of a preset.
    pub fn new(clients: u64, policy: &str, outage: Duration) -> Self {
        Self {
            clients,
            plan: Reconnect {
                stable_after: SECOND,
                ..preset(policy).unwrap()
            },
            outage,
            shards: 2,
            early: Duration::ZERO,
        }
    }

    /// Runs until so long after the drop.
    pub fn run(&self, seconds: u32) -> Vec<StormReport> {
        let end = DROP + seconds * SECOND;
        let events = self.events(end);
        let fixed_period = match self.plan.policy {
            ReconnectPolicy::Fixed { delay } => Some(delay),
            _ => None,
        };
        let mut tracker = Tracker::new(Settings {
            syn_linear_timeouts: 4,
            fixed_period,
            measured: DROP..end,
        });
        let mut shards = vec![events.as_slice(); self.shards];
        let mut until = Offset::ZERO;
        while until < end {
            until = until + SECOND;
            let mut interval = Events::default();
            for (index, left) in shards.iter_mut().enumerate() {
                let next = left.partition_point(|event| event.at < until + self.early);
                let (now, later) = left.split_at(next);
                *left = later;
                let own = |e: &&ConnectionEvent| e.client as usize % self.shards == index;
                interval.list.extend(now.iter().filter(own));
            }
            tracker.take(&interval, until);
        }
        assert_eq!(tracker.omitted(), 0);
        tracker.finish(end)
    }

    /// Everything that happens, in order.
    fn events(&self, end: Offset) -> Vec<ConnectionEvent> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut events = Vec::new();
        for client in 0..self.clients {
            let noticed = NOTICED.mul_f64(client as f64 / self.clients as f64);
            self.live(client, DROP + noticed, &mut rng, &mut events);
        }
        events.retain(|event| event.at < end);
        events.sort_by_key(|event| event.at);
        events
    }

    fn live(
        &self,
        client: u64,
        lost_at: Offset,
        rng: &mut fastrand::Rng,
        events: &mut Vec<ConnectionEvent>,
    ) {
        let mut tell = |at, what| events.push(ConnectionEvent { at, client, what });
        let plan = &self.plan;
        let dial = Dial::default();
        tell(Offset::ZERO, Step::Attempt { due: Offset::ZERO });
        tell(Offset::ZERO, Step::Opened(dial));
        tell(lost_at, Step::Lost);
        let mut backoff = Backoff::default();
        let mut at = lost_at;
        for _ in 0..1000 {
            let Some(delay) = backoff.next(plan, rng) else {
                tell(at, Step::GaveUp);
                return;
            };
            at = at + delay;
            tell(at, Step::Attempt { due: at });
            if at >= DROP + self.outage {
                tell(at, Step::Opened(dial));
                return;
            }
            let kind = FailureKind::Refused;
            tell(at, Step::Failed { kind, dial });
        }
    }
}
