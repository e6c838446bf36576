//! The pen of one shard: counts, times and failures, written without locks.
//!
//! The hot path allocates nothing once every metric in use has been seen; an interval is cut by
//! swapping sheets, and used sheets come back through [`Recorder::recycle`]. What a recorder does not
//! do: read a clock, or decide what is measured; the caller says so with an [`Origin`].

use std::collections::BTreeSet;
use std::time::Duration;

use crate::failure::{CloseCause, FailureKind};

use super::event::{FAULT_HITS, FaultHit};
use super::sheet::cut_example;
use super::{ConnectionEvent, Counter, Events, Gauges, Interval, Metric, Sheet, Window};

/// At most so many kinds keep an example text, so that a server that makes up close codes cannot
/// fill the memory.
const EXAMPLES: usize = 64;
/// Sheets kept for reuse; more intervals than this are never on their way.
const SPARE: usize = 8;

/// Whether a thing began in the measured phase: a message by its intended time, a beat or a dial by
/// its start, the end of a connection by its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In the measured phase: enters totals.
    Measured,
    /// In warm-up or drain: shows on the timeline only.
    Other,
}

/// The emptied sheets of an interval that has been read.
#[derive(Debug)]
pub struct Blank([Sheet; 2]);

impl Interval {
    /// Empties the interval for reuse. Call it where time does not matter: not on the shard.
    pub fn into_blank(mut self) -> Blank {
        self.measured.clear();
        self.other.clear();
        Blank([self.measured, self.other])
    }
}

/// Which kinds already have an example, so that later ones cost no text.
#[derive(Debug, Default)]
struct Shown {
    failures: BTreeSet<FailureKind>,
    closes: BTreeSet<CloseCause>,
}

/// Records what happens on one shard.
#[derive(Debug, Default)]
pub struct Recorder {
    sheets: [Sheet; 2],
    shown: [Shown; 2],
    spare: Vec<Blank>,
    events: Events,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            spare: Vec::with_capacity(SPARE),
            ..Self::default()
        }
    }

    /// Counts one event.
    pub fn count(&mut self, origin: Origin, counter: Counter) {
        self.add(origin, counter, 1);
    }

    /// Counts `n` events.
    pub fn add(&mut self, origin: Origin, counter: Counter, n: u64) {
        self.sheets[origin as usize].add(counter, n);
    }

    /// Records a time.
    pub fn record(&mut self, origin: Origin, metric: Metric, value: Duration) {
        self.sheets[origin as usize].record(metric, value);
    }

    /// Records that a time will never be known: an unanswered message.
    pub fn censor(&mut self, origin: Origin, metric: Metric) {
        self.sheets[origin as usize].censor(metric, 1);
    }

    /// Records a failed dial, and counts it as [`Counter::ConnectionsFailed`]. `example` is asked
    /// only for the first of each kind; it should hold no secrets.
    pub fn fail(&mut self, origin: Origin, kind: FailureKind, example: impl FnOnce() -> String) {
        let sheet = &mut self.sheets[origin as usize];
        sheet.add(Counter::ConnectionsFailed, 1);
        let tally = sheet.failures.entry(kind).or_default();
        tally.count += 1;
        if is_first(&mut self.shown[origin as usize].failures, kind) {
            tally.example = Some(cut_example(&example()).into());
        }
    }

    /// Records the end of an open connection, and counts it as [`Counter::ConnectionsClosed`].
    /// `example` is asked only for the first of each cause; it should hold no secrets.
    pub fn close(&mut self, origin: Origin, cause: CloseCause, example: impl FnOnce() -> String) {
        let sheet = &mut self.sheets[origin as usize];
        sheet.add(Counter::ConnectionsClosed, 1);
        let tally = sheet.closes.entry(cause).or_default();
        tally.count += 1;
        if is_first(&mut self.shown[origin as usize].closes, cause) {
            let text = example();
            tally.example = (!text.is_empty()).then(|| cut_example(&text).into());
        }
    }

    /// Keeps what happened to one connection.
    pub fn event(&mut self, event: ConnectionEvent) {
        self.events.push(event);
    }

    /// Keeps that a fault took effect.
    pub fn fault(&mut self, hit: FaultHit) {
        if self.events.faults.len() < FAULT_HITS {
            self.events.faults.push(hit);
        }
    }

    /// Hands out what was recorded since the last cut, and starts afresh.
    pub fn cut(&mut self, window: Window, gauges: Gauges) -> Interval {
        let blank = self.spare.pop();
        let fresh = blank.map_or_else(Default::default, |Blank(sheets)| sheets);
        let [measured, other] = std::mem::replace(&mut self.sheets, fresh);
        Interval {
            window,
            measured,
            other,
            gauges,
            events: std::mem::take(&mut self.events),
        }
    }

    /// Takes back the memory of an interval that has been read.
    pub fn recycle(&mut self, blank: Blank) {
        if self.spare.len() < SPARE {
            self.spare.push(blank);
        }
    }
}

/// Whether `kind` is new, and there is still room for an example.
fn is_first<K: Ord>(shown: &mut BTreeSet<K>, kind: K) -> bool {
    shown.len() < EXAMPLES && shown.insert(kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Phase, Total};
    use super::*;
    use crate::clock::Offset;

    fn window(index: u64) -> Window {
        Window {
            index,
            start: Offset::from_nanos(index * 1_000),
            end: Offset::from_nanos((index + 1) * 1_000),
            phase: Phase::Measure,
        }
    }

    /// One thing that can be recorded.
    #[derive(Clone, Debug)]
    enum Event {
        Add(usize, u64),
        Record(usize, u64),
        Censor(usize),
        Fail(u16),
        Close(u16),
    }

    fn apply(recorder: &mut Recorder, origin: Origin, event: &Event) {
        match *event {
            Event::Add(i, n) => recorder.add(origin, Counter::ALL[i], n),
            Event::Record(i, us) => {
                recorder.record(origin, Metric::ALL[i], Duration::from_micros(us));
            }
            Event::Censor(i) => recorder.censor(origin, Metric::ALL[i]),
            Event::Fail(code) => {
                recorder.fail(origin, FailureKind::HttpStatus(code), || format!("{code}"));
            }
            Event::Close(code) => {
                recorder.close(origin, CloseCause::ByPeer(code), || format!("{code}"));
            }
        }
    }

    fn events() -> impl Strategy<Value = Vec<(bool, Event)>> {
        let event = prop_oneof![
            (0..Counter::COUNT, 0_u64..1_000).prop_map(|(i, n)| Event::Add(i, n)),
            (0..Metric::COUNT, 0_u64..90_000_000).prop_map(|(i, n)| Event::Record(i, n)),
            (0..Metric::COUNT).prop_map(Event::Censor),
            (400_u16..404).prop_map(Event::Fail),
            (1000_u16..1003).prop_map(Event::Close),
        ];
        proptest::collection::vec((any::<bool>(), event), 0..40)
    }

    fn origin(measured: bool) -> Origin {
        if measured {
            Origin::Measured
        } else {
            Origin::Other
        }
    }

    fn interval(index: u64, events: &[(bool, Event)]) -> Interval {
        let mut recorder = Recorder::new();
        for (measured, event) in events {
            apply(&mut recorder, origin(*measured), event);
        }
        let gauges = Gauges {
            connected: events.len() as u64,
            busy: events.len() as f64 / 100.0,
            cpu: Duration::from_micros(events.len() as u64),
            ..Gauges::default()
        };
        recorder.cut(window(index), gauges)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_merge_of_all_intervals_is_all_that_was_recorded(
            parts in proptest::collection::vec(events(), 1..5)
        ) {
            let mut whole = Recorder::new();
            let mut cut = Recorder::new();
            let mut total = Total::default();
            for (index, part) in parts.iter().enumerate() {
                for (measured, event) in part {
                    apply(&mut whole, origin(*measured), event);
                    apply(&mut cut, origin(*measured), event);
                }
                let interval = cut.cut(window(index as u64), Gauges::default());
                total.add(&interval);
                cut.recycle(interval.into_blank());
            }
            let whole = whole.cut(window(0), Gauges::default());
            prop_assert_eq!(total.measured, whole.measured);
            prop_assert_eq!(total.other, whole.other);
        }

        #[test]
        fn merging_commutes_and_associates(a in events(), b in events(), c in events()) {
            let (a, b, c) = (interval(1, &a), interval(2, &b), interval(3, &c));
            let mut ab = a.clone();
            ab.merge(&b);
            let mut ba = b.clone();
            ba.merge(&a);
            prop_assert_eq!(&ab, &ba);
            let mut ab_c = ab;
            ab_c.merge(&c);
            let mut bc = b;
            bc.merge(&c);
            let mut a_bc = a;
            a_bc.merge(&bc);
            prop_assert_eq!(ab_c, a_bc);
        }
    }

    #[test]
    fn an_example_is_asked_for_once_and_bounded() {
        let mut recorder = Recorder::new();
        let long = "é".repeat(1_000);
        recorder.fail(Origin::Measured, FailureKind::Refused, || long);
        recorder.fail(Origin::Measured, FailureKind::Refused, || unreachable!());
        let first = recorder.cut(window(0), Gauges::default());
        let tally = &first.measured.failures[&FailureKind::Refused];
        assert_eq!(tally.count, 2);
        assert_eq!(tally.example.as_ref().unwrap().len(), 300);
        assert_eq!(first.measured.counter(Counter::ConnectionsFailed), 2);
        recorder.fail(Origin::Measured, FailureKind::Refused, || unreachable!());
        let second = recorder.cut(window(1), Gauges::default());
        assert_eq!(
            second.measured.failures[&FailureKind::Refused].example,
            None
        );
    }

    #[test]
    fn made_up_kinds_do_not_collect_examples() {
        let mut recorder = Recorder::new();
        for code in 0..1_000 {
            let kind = FailureKind::CloseCode(code);
            recorder.close(Origin::Other, CloseCause::Lost(kind), || "x".to_owned());
        }
        let closes = recorder.cut(window(0), Gauges::default()).other.closes;
        assert_eq!(closes.len(), 1_000);
        let examples = closes.values().filter(|tally| tally.example.is_some());
        assert_eq!(examples.count(), EXAMPLES);
    }
}
