//! Waiting until an instant, to a few microseconds: the clock's alarm with an absolute due time.

use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::clock::Alarm;

/// One wait at a time.
#[derive(Debug)]
pub(super) struct Timer {
    armed: Option<Instant>,
    alarm: Alarm,
}

impl Timer {
    /// The best this system has; to be made within the runtime that polls it.
    pub fn precise() -> Self {
        Self {
            armed: None,
            alarm: Alarm::exact(),
        }
    }

    /// Tokio's timer, which follows a paused clock.
    pub fn runtime() -> Self {
        Self {
            armed: None,
            alarm: Alarm::simulated(),
        }
    }

    /// Ready once `due` has come.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        loop {
            let now = Instant::now();
            let left = due.saturating_duration_since(now);
            if left.is_zero() {
                self.armed = None;
                return Poll::Ready(());
            }
            if self.armed.replace(due) != Some(due) {
                self.alarm.set(now, left);
            }
            ready!(self.alarm.poll(cx));
            // It may have been the ring of an earlier wait: look at the clock again.
            self.armed = None;
        }
    }

    /// Waits until `due`.
    pub async fn until(&mut self, due: Instant) {
        std::future::poll_fn(|cx| self.poll_until(cx, due)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn never_early(mut timer: Timer) {
        for micros in [0, 1, 300, 2_000, 100] {
            let due = Instant::now() + Duration::from_micros(micros);
            timer.until(due).await;
            assert!(Instant::now() >= due, "{micros} us");
        }
    }

    #[tokio::test]
    async fn the_precise_timer_is_never_early() {
        never_early(Timer::precise()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_runtime_timer_follows_the_paused_clock() {
        let mut timer = Timer::runtime();
        let due = Instant::now() + Duration::from_secs(3600);
        timer.until(due).await;
        assert_eq!(Instant::now(), due);
    }

    #[tokio::test]
    async fn an_earlier_instant_replaces_a_later_one() {
        let mut timer = Timer::precise();
        let late = Instant::now() + Duration::from_secs(3600);
        let first = std::future::poll_fn(|cx| Poll::Ready(timer.poll_until(cx, late))).await;
        assert!(first.is_pending());
        timer.until(Instant::now() + Duration::from_millis(1)).await;
    }
}
