//! Small storms, told event by event.

use std::time::Duration;

use crate::clock::Offset;
use crate::engine::storm::{AT_ONCE, Active, Commanded, Settings, Tracker};
use crate::failure::FailureKind;
use crate::metrics::event::Dial;
use crate::metrics::{ConnectionEvent, ConnectionStep as Step, Events};
use crate::result::storm::{StormEnd, StormReport};

const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Offset {
    Offset::from_nanos(ms * 1_000_000)
}

/// A run that is told step by step; `take` is called every second.
struct Story {
    tracker: Tracker,
    events: Events,
    until: u64,
}

impl Story {
    /// So many clients, all connected at 0.
    fn new(clients: u64) -> Self {
        let mut story = Self {
            tracker: Tracker::new(Settings::default()),
            events: Events::default(),
            until: 1000,
        };
        (0..clients).for_each(|client| story.tell(0, client, opened()));
        story
    }

    fn tell(&mut self, ms: u64, client: u64, what: Step) {
        while ms >= self.until {
            self.tick();
        }
        let at = at(ms);
        self.events.push(ConnectionEvent { at, client, what });
    }

    fn tick(&mut self) {
        let events = std::mem::take(&mut self.events);
        self.tracker.take(&events, at(self.until));
        self.until += 1000;
    }

    fn lose(&mut self, ms: u64, clients: std::ops::Range<u64>) {
        clients.for_each(|client| self.tell(ms, client, Step::Lost));
    }

    /// An attempt that succeeds at once.
    fn back(&mut self, ms: u64, clients: std::ops::Range<u64>) {
        for client in clients {
            self.tell(ms, client, Step::Attempt { due: at(ms) });
            self.tell(ms, client, opened());
        }
    }

    fn end(mut self, ms: u64) -> Vec<StormReport> {
        while ms >= self.until {
            self.tick();
        }
        self.tracker.take(&self.events, at(ms));
        self.tracker.finish(at(ms))
    }
}

fn opened() -> Step {
    Step::Opened(Dial::default())
}

#[test]
fn what_happened_before_the_storm_was_known_counts() {
    let mut story = Story::new(20);
    story.lose(5000, 0..1);
    // Back before the second client is lost: the storm is found only then.
    story.back(5100, 0..1);
    story.lose(5900, 1..2);
    story.back(5950, 1..2);
    let storms = story.end(20_000);
    let [storm] = storms.as_slice() else {
        panic!("{storms:?}");
    };
    assert_eq!(
        (storm.at_s, storm.clients_lost, storm.attempts.total),
        (5.0, 2, 2)
    );
    assert_eq!(storm.recovery.t50.now_s, Some(0.1));
    assert_eq!(storm.recovery.t100.now_s, Some(0.95));
    assert_eq!((storm.ended, storm.length_s), (StormEnd::AllBack, 0.95));
    assert_eq!(
        storm.series.connected,
        [19, 20, 20, 20, 20, 20, 20, 20, 20, 20]
    );
}

#[test]
fn an_attempt_belongs_to_the_latest_storm_of_its_client() {
    let mut story = Story::new(100);
    story.lose(5000, 0..40);
    story.back(6000, 0..30);
    // Ten of the first storm are still away; others, and five of the first, are lost in a second.
    story.lose(8000, 25..60);
    story.back(9000, 30..60);
    story.back(9500, 25..30);
    story.lose(9700, 99..100);
    story.back(9800, 99..100);
    let storms = story.end(20_000);
    let [first, second] = storms.as_slice() else {
        panic!("{storms:?}");
    };
    assert_eq!((first.number, first.at_s, first.clients_lost), (1, 5.0, 40));
    assert_eq!(
        (second.number, second.at_s, second.clients_lost),
        (2, 8.0, 35)
    );
    // 30..40 were away when they were lost "again": theirs is the second storm now.
    assert_eq!((first.attempts.total, second.attempts.total), (30, 35));
    assert_eq!(first.recovery.t90.ever_s, Some(4.0));
    assert_eq!((first.length_s, second.length_s), (4.5, 1.5));
    assert_eq!(first.recovery.t100.now_s, Some(4.5));
}

#[test]
fn a_fault_that_was_commanded_is_t_zero() {
    let mut story = Story::new(1000);
    story.tracker.fault(Commanded {
        at: at(5000),
        name: "disconnect",
        outage: Some(200 * MS),
    });
    story.lose(5100, 0..5);
    story.back(5600, 0..5);
    let storms = story.end(20_000);
    let [storm] = storms.as_slice() else {
        panic!("{storms:?}");
    };
    assert_eq!(
        (storm.at_s, storm.fault.as_deref()),
        (5.0, Some("disconnect"))
    );
    assert_eq!(storm.recovery.t100.now_s, Some(0.6));
    assert_eq!(storm.recovery.outage_s, Some(0.2));
    // 0.2 s + 5 clients / 5 a second.
    assert_eq!(storm.recovery.floor_s, Some(1.2));
}

#[test]
fn failures_lateness_resends_and_messages_are_told_apart() {
    let mut story = Story::new(10);
    story.lose(1500, 0..4);
    let slow = Dial {
        took: 1200 * MS,
        tcp_connect: Some(1030 * MS),
        syn_resends: 1,
        bytes: 400,
    };
    let failed = |kind| Step::Failed { kind, dial: slow };
    for (ms, client, what) in [
        (2000, 0, Step::Attempt { due: at(1800) }),
        (2100, 0, failed(FailureKind::HandshakeTimeout)),
        (2200, 0, Step::Attempt { due: at(2000) }),
        (2300, 0, failed(FailureKind::FdExhausted)),
        (2400, 0, Step::Attempt { due: at(2200) }),
        (2500, 0, failed(FailureKind::HttpStatus(503))),
        (2600, 0, Step::GaveUp),
        (2700, 1, Step::Attempt { due: at(2500) }),
        (2750, 1, Step::Attempt { due: at(2550) }),
        (2800, 1, Step::Abandoned),
        (2900, 1, Step::Left),
        (3000, 2, Step::Attempt { due: at(2800) }),
        (4200, 2, Step::Opened(slow)),
        (4300, 2, Step::FirstMessage { after: 100 * MS }),
        (4400, 3, Step::Attempt { due: at(4400) }),
        (4500, 3, Step::Opened(slow)),
        (4600, 3, Step::Closed),
        // Planned: no part of the storm.
        (4700, 3, Step::Attempt { due: at(4700) }),
    ] {
        story.tell(ms, client, what);
    }
    let storms = story.end(20_000);
    let [storm] = storms.as_slice() else {
        panic!("{storms:?}");
    };
    let attempts = &storm.attempts;
    assert_eq!(
        (attempts.total, attempts.succeeded, attempts.duplicates),
        (7, 2, 1)
    );
    assert_eq!((attempts.abandoned, attempts.unfinished), (1, 1));
    assert_eq!(attempts.per_client_max, 3);
    assert_eq!(attempts.failed.len(), 2);
    assert_eq!(attempts.failed["http_status{503}"], 1);
    assert_eq!(attempts.failed_locally["fd_exhausted"], 1);
    assert_eq!(
        (storm.gave_up, storm.left, storm.ended),
        (1, 1, StormEnd::SomeGone)
    );
    assert!(!storm.recovered && storm.recovery.t50.now_s == Some(3.0));
    assert_eq!((storm.syn.resends, storm.syn.attempts), (5, 5));
    assert_eq!(storm.syn.steps[0].label, "1st resend (1 s)");
    assert_eq!((storm.work.wasted, storm.work.refusals), (1, 1));
    // (2 + 1 + 0.1) / 4.
    assert!(storm.work.lower_bound && (storm.work.amplification - 0.775).abs() < 1e-9);
    assert!(storm.generator.limited, "200 ms late");
    assert_eq!(storm.cost.without_message, 1);
    assert_eq!(storm.cost.first_message.unwrap().count, 1);
    assert_eq!(storm.cost.bytes_per_success, Some(400.0));
    assert_eq!(storm.cost.reconnect_time.unwrap().count, 2);
    let mut storm = storm.clone();
    crate::engine::storm::count_wasted(&mut storm, 9, 2);
    assert_eq!((storm.work.wasted, storm.work.lower_bound), (7, false));
    assert!((storm.work.amplification - 2.275).abs() < 1e-9);
}

#[test]
fn a_storm_that_is_on_can_be_watched() {
    let mut story = Story::new(10);
    story.tick();
    assert_eq!(story.tracker.active(), None);
    story.lose(1500, 0..4);
    story.back(1700, 0..1);
    story.tick();
    let on = Active {
        clients_lost: 4,
        back: 1,
        attempts: 1,
    };
    assert_eq!(story.tracker.active(), Some(on));
    story.back(2100, 1..4);
    story.tick();
    assert_eq!(story.tracker.active(), None);
    // Still listening for first messages.
    assert!(story.tracker.finished().is_empty());
    (0..70).for_each(|_| story.tick());
    assert_eq!(story.tracker.finished().len(), 1);
    assert!(story.tracker.owner.is_empty());
}

#[test]
fn too_many_storms_at_once_cut_off_the_oldest() {
    // In each storm two more clients go for good, and the rest of them comes back.
    let mut story = Story::new(20);
    let storms = AT_ONCE as u64 + 3;
    for n in 0..storms {
        story.lose(2000 * n, 0..3);
        story.back(2000 * n + 100, 0..2);
        story.tell(2000 * n + 200, 100 + n, opened());
        // Never back: a new client each time, lost with the others of the next storm.
        story.tell(2000 * n + 2000, 100 + n, Step::Lost);
    }
    let reports = story.end(2000 * storms + 500);
    let cut = reports.iter().filter(|r| r.ended == StormEnd::CutOff);
    assert!(cut.count() >= 2);
    assert!(reports.len() as u64 >= storms);
}

#[test]
fn events_that_were_not_kept_are_owned_up() {
    let mut story = Story::new(10);
    story.lose(1500, 0..4);
    story.events.dropped = 7;
    let storms = story.end(1900);
    assert_eq!(storms[0].generator.events_dropped, 7);
}
