//! What the clients of one storm tried: counts, peaks and times of their attempts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Settings;
use super::formulas::InPhase;
use super::sliding::Sliding;
use super::syn::Connects;
use crate::clock::Offset;
use crate::failure::FailureKind;
use crate::metrics::Histogram;
use crate::metrics::event::Dial;

/// Everything counted of the attempts of one storm.
#[derive(Debug)]
pub struct Tally {
    /// Attempts begun.
    pub begun: u64,
    /// Attempts that became connections.
    pub succeeded: u64,
    /// Attempts that failed.
    pub failed: BTreeMap<FailureKind, u64>,
    /// Attempts given up.
    pub abandoned: u64,
    /// Attempts while another of the client was in flight or open.
    pub duplicates: u64,
    /// Attempts in 100 ms.
    pub peak_100ms: Sliding,
    /// Attempts in 1 s.
    pub peak_1s: Sliding,
    /// Successes in 1 s.
    pub best_1s: Sliding,
    /// The first and the last attempt's begin.
    pub span: Option<(Offset, Offset)>,
    /// The first success.
    pub first_success: Option<Offset>,
    /// When the policy has a fixed period.
    pub in_phase: Option<InPhase>,
    /// Begin after due.
    pub lag: Histogram,
    /// Successful handshakes.
    pub handshake: Histogram,
    /// Loss to back.
    pub reconnect_time: Histogram,
    /// Opening to first message.
    pub first_message: Histogram,
    /// Bytes of successful upgrades.
    pub bytes: u64,
    /// SYNs sent again.
    pub syn_resends: u64,
    /// Attempts with any.
    pub syn_attempts: u64,
    /// Connect times by step.
    pub connects: Connects,
}

impl Tally {
    /// Nothing yet.
    pub fn new(settings: &Settings) -> Self {
        let second = Duration::from_secs(1);
        let period = settings.fixed_period.filter(|period| !period.is_zero());
        Self {
            begun: 0,
            succeeded: 0,
            failed: BTreeMap::new(),
            abandoned: 0,
            duplicates: 0,
            peak_100ms: Sliding::new(second / 10),
            peak_1s: Sliding::new(second),
            best_1s: Sliding::new(second),
            span: None,
            first_success: None,
            in_phase: period.map(InPhase::new),
            lag: Histogram::new(),
            handshake: Histogram::new(),
            reconnect_time: Histogram::new(),
            first_message: Histogram::new(),
            bytes: 0,
            syn_resends: 0,
            syn_attempts: 0,
            connects: Connects::new(settings.syn_linear_timeouts),
        }
    }

    /// An attempt begins, `after` t = 0.
    pub fn attempt(&mut self, at: Offset, after: Duration, due: Offset, duplicate: bool) {
        self.begun += 1;
        self.duplicates += u64::from(duplicate);
        self.peak_100ms.add(at);
        self.peak_1s.add(at);
        self.span = Some((self.span.map_or(at, |(first, _)| first), at));
        if let Some(in_phase) = &mut self.in_phase {
            in_phase.add(after);
        }
        self.lag.record(at.since(due));
    }

    /// It became a connection.
    pub fn success(&mut self, at: Offset, dial: &Dial) {
        self.succeeded += 1;
        self.best_1s.add(at);
        self.first_success.get_or_insert(at);
        self.handshake.record(dial.took);
        self.bytes += u64::from(dial.bytes);
        self.path(dial);
    }

    /// It failed.
    pub fn failure(&mut self, kind: FailureKind, dial: &Dial) {
        *self.failed.entry(kind).or_default() += 1;
        self.path(dial);
    }

    fn path(&mut self, dial: &Dial) {
        self.syn_resends += u64::from(dial.syn_resends);
        self.syn_attempts += u64::from(dial.syn_resends > 0);
        if let Some(took) = dial.tcp_connect {
            self.connects.add(took);
        }
    }
}
