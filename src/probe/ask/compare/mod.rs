//! More requests, made only to decide between causes that are still open.
//!
//! What to ask next is decided by pure functions from what was seen so far: [`scheme`] when TLS may be
//! where none is expected or the reverse, [`silence`] when no HTTP answer came, [`refusal`] when one
//! came that is no good 101. Each gives a batch; a batch is
//! asked at the same time, each request on a connection of its own.

pub mod refusal;
pub mod scheme;
pub mod silence;

use futures_util::future::join_all;
use tokio::time::{Duration, Instant};

use super::Tell;
use super::exchange::Path;
use crate::probe::seen::{Seen, Variation};

/// Most requests of one probe that are made to compare.
const MAX_COMPARED: usize = 24;

/// What would decide now; empty when nothing would.
pub fn next(seen: &Seen) -> Vec<Variation> {
    let mut batch: Vec<Variation> = Vec::new();
    for wanted in [scheme::next(seen), silence::next(seen), refusal::next(seen)] {
        // What one wants more than once it wants so; what two want is asked once.
        let more: Vec<_> = (wanted.into_iter())
            .filter(|v| !batch.contains(v))
            .collect();
        batch.extend(more);
    }
    batch
}

/// How long a batch may take. Where the handshake got no answer, so may all others: two batches are
/// to fit in.
fn patience(limit: Duration, seen: &Seen) -> Duration {
    match &seen.handshake {
        Some(handshake) if handshake.answer().is_none() => {
            let took = Duration::try_from_secs_f64(handshake.took_ms.seconds());
            let took = took.unwrap_or_default();
            (limit / super::PATIENCE).max(took + took / 4)
        }
        _ => limit,
    }
}

/// Asks batch after batch until nothing more would decide, or time is up.
pub async fn compare(path: &Path<'_>, seen: &mut Seen, tell: Tell<'_>, deadline: Instant) {
    while Instant::now() < deadline {
        let batch = next(seen);
        let room = MAX_COMPARED.saturating_sub(seen.compared.len());
        if batch.is_empty() || room == 0 {
            return;
        }
        tell("comparing");
        let until = deadline.min(Instant::now() + patience(path.settings.timeout, seen));
        let asking = batch.into_iter().take(room).map(|v| path.ask(v, until));
        seen.compared.extend(join_all(asking).await);
    }
}
