//! Messages that grow, until one does not pass; then the limit in between.

use tokio::time::{Duration, Instant};

use super::plan;
use super::steps::Asker;
use crate::probe::ask::frames;
use crate::probe::seen::{Millis, Reply, Step, StepKind};

/// Bytes of the messages of any probe, and of one with `--deep`.
const SIZES: &[u64] = &[1024, 16 * 1024, 70_000];
const DEEP_SIZES: &[u64] = &[1024, 16 * 1024, 70_000, 256 * 1024, 1024 * 1024];
/// Limits people and platforms set, in bytes: each is tried before the space between is halved.
const COMMON: &[u64] = &[
    4096, 8192, 16_384, 32_000, 32_768, 65_535, 65_536, 100_000, 102_400, 128_000, 131_072,
    262_144, 524_288, 1_000_000,
];
/// Most messages sent to find a limit.
const MAX_TRIES: usize = 14;
/// All tries for a limit end after that.
const TRYING: Duration = Duration::from_secs(5);
/// How long one size may take.
const SIZE_WAIT: Duration = Duration::from_secs(6);
/// A size that would take longer at the pace seen so far is not sent.
const TOO_LONG: f64 = 5_000.0;

impl Asker<'_> {
    /// The ladder, and the limit if there is one.
    pub(super) async fn sizes(&mut self, answers_pings: bool) {
        let deep = self.path.settings.watching.deep;
        let sizes = if deep { DEEP_SIZES } else { SIZES };
        // What even the smallest message takes says nothing about its size.
        let idle = self
            .session
            .step(&StepKind::Ping)
            .map_or(0.0, |s| s.took_ms.0);
        let mut pace = 0.0;
        for &size in sizes {
            if size as f64 * pace > TOO_LONG {
                // A second point tells a slow path from one slow message.
                let half = self.session.largest_answered.unwrap_or(0) / 2;
                if half > 0 && self.open().await {
                    self.size(half, answers_pings).await;
                }
                return;
            }
            if !self.open().await {
                return;
            }
            let step = self.size(size, answers_pings).await;
            if !passed(&step.reply) {
                self.session.smallest_unanswered = Some(size);
                if step.reply == Reply::Ended {
                    self.limit(answers_pings).await;
                } else {
                    // It may still be on its way, and hides what comes behind it.
                    self.leave().await;
                }
                return;
            }
            self.session.largest_answered = Some(size);
            pace = (step.took_ms.0 - idle).max(0.0) / size as f64;
        }
    }

    /// Halves the space between the largest that passed and the smallest that did not.
    async fn limit(&mut self, answers_pings: bool) {
        let until = Instant::now() + TRYING;
        for _ in 0..MAX_TRIES {
            let passed_size = self.session.largest_answered.unwrap_or(0);
            let Some(bad) = self.session.smallest_unanswered else {
                return;
            };
            let Some(size) = next(passed_size, bad) else {
                return;
            };
            if Instant::now() > until || !self.open().await {
                return;
            }
            let reply = self.size(size, answers_pings).await.reply;
            // Tries are no steps of their own: what they found is the limit.
            self.session.steps.pop();
            if passed(&reply) {
                self.session.largest_answered = Some(size);
            } else {
                self.session.smallest_unanswered = Some(size);
                if reply == Reply::Ended {
                    self.session.provoked.pop();
                }
            }
        }
    }

    /// One message of that size.
    async fn size(&mut self, size: u64, answers_pings: bool) -> Step {
        let (bytes, echo) = self.message(size);
        let kind = StepKind::Size(size);
        let waiting = self.send(kind.clone(), &bytes, &echo, answers_pings, SIZE_WAIT);
        waiting.await;
        let last = self.session.steps.last().cloned();
        last.unwrap_or(Step {
            kind,
            at_ms: Millis::default(),
            took_ms: Millis::default(),
            reply: Reply::NotSent,
            tcp: None,
        })
    }

    /// Of the kind that came back so far; printable, so that a text server takes it.
    fn message(&self, size: u64) -> (Vec<u8>, Vec<u8>) {
        let size = usize::try_from(size).unwrap_or(0);
        let payload = match plan::echoing(&self.session) {
            Some(StepKind::Binary) => {
                return {
                    let payload = vec![b'x'; size];
                    (frames::binary(&payload), payload)
                };
            }
            // A server that answers JSON may take nothing else.
            Some(StepKind::Fragmented | StepKind::Json) => {
                let frame = r#"{"type":"probe","fill":""}"#;
                let fill = "x".repeat(size.saturating_sub(frame.len()));
                frame.replace(r#""""#, &format!("\"{fill}\""))
            }
            _ => "x".repeat(size),
        };
        (frames::text(&payload), payload.into_bytes())
    }
}

fn passed(reply: &Reply) -> bool {
    matches!(reply, Reply::Echo | Reply::Message(_) | Reply::Pong)
}

/// The size to try next; `None` when the limit is known.
fn next(good: u64, bad: u64) -> Option<u64> {
    if bad <= good + 1 {
        return None;
    }
    // A common limit is the largest size that passes, or the one just below the first that fails.
    if COMMON.contains(&good) && bad > good + 1 {
        return Some(good + 1);
    }
    let common = COMMON.iter().filter(|c| good < **c && **c < bad);
    let common: Vec<u64> = common.copied().collect();
    match common.get(common.len() / 2) {
        Some(size) => Some(*size),
        None if bad - good <= 64 => None,
        None => Some(good + (bad - good) / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (tries, largest that passed, smallest that did not) for a server with that limit.
    fn find(limit: u64, mut good: u64, mut bad: u64) -> (usize, u64, u64) {
        let mut tries = 0;
        while let Some(size) = next(good, bad).filter(|_| tries < MAX_TRIES) {
            tries += 1;
            if size <= limit {
                good = size;
            } else {
                bad = size;
            }
        }
        (tries, good, bad)
    }

    #[test]
    fn common_limits_are_found_exactly_and_others_closely() {
        for limit in [16_384, 32_768, 65_535, 65_536] {
            let (tries, good, bad) = find(limit, 16_384, 70_000);
            assert_eq!((good, bad), (limit, limit + 1), "{limit} in {tries}");
            assert!(tries <= 8, "{limit} took {tries}");
        }
        for limit in [20_000, 40_001, 69_999] {
            let (_, good, bad) = find(limit, 16_384, 70_000);
            assert!(
                good <= limit && limit < bad && bad - good <= 64,
                "{limit}: {good} {bad}"
            );
        }
        assert_eq!(find(131_072, 70_000, 262_144).1, 131_072);
    }
}
