//! Waiting until an instant, to a few microseconds.
//!
//! Tokio's own timers tick in milliseconds: a server that promises to answer after exactly 20 ms
//! cannot be built on them. Linux has timerfd; elsewhere, and in simulations, tokio's timer serves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// One wait at a time.
#[derive(Debug)]
pub(super) struct Timer {
    armed: Option<Instant>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    #[cfg(target_os = "linux")]
    Descriptor(tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>),
    Runtime(Pin<Box<Sleep>>),
}

impl Timer {
    /// The best this system has; to be made within the runtime that polls it.
    #[cfg(target_os = "linux")]
    pub fn precise() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, and an OwnedFd that stays here meets its conditions"
        )]
        let descriptor =
            tokio::io::unix::AsyncFd::with_interest(descriptor, tokio::io::Interest::READABLE)?;
        Ok(Self {
            armed: None,
            kind: Kind::Descriptor(descriptor),
        })
    }

    /// The best this system has; to be made within the runtime that polls it.
    #[cfg(not(target_os = "linux"))]
    pub fn precise() -> io::Result<Self> {
        Ok(Self::runtime())
    }

    /// Tokio's timer, which follows a paused clock.
    pub fn runtime() -> Self {
        Self {
            armed: None,
            kind: Kind::Runtime(Box::pin(tokio::time::sleep_until(Instant::now()))),
        }
    }

    /// Ready once `due` has come. A system that fails to tell the time counts as due.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        if Instant::now() >= due {
            self.armed = None;
            return Poll::Ready(());
        }
        let rearm = self.armed != Some(due);
        self.armed = Some(due);
        let waited = match &mut self.kind {
            #[cfg(target_os = "linux")]
            Kind::Descriptor(descriptor) => poll_descriptor(descriptor, rearm.then_some(due), cx),
            Kind::Runtime(sleep) => {
                if rearm {
                    sleep.as_mut().reset(due);
                }
                sleep.as_mut().poll(cx)
            }
        };
        if waited.is_ready() {
            self.armed = None;
        }
        waited
    }

    /// Waits until `due`.
    pub async fn until(&mut self, due: Instant) {
        std::future::poll_fn(|cx| self.poll_until(cx, due)).await;
    }
}

#[cfg(target_os = "linux")]
fn poll_descriptor(
    descriptor: &tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>,
    rearm: Option<Instant>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
    if let Some(due) = rearm {
        let left = due.saturating_duration_since(Instant::now());
        let zero = Timespec::default();
        let setting = Itimerspec {
            it_interval: zero,
            // Zero would disarm it.
            it_value: Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos().max(1)),
            },
        };
        if timerfd_settime(descriptor, TimerfdTimerFlags::empty(), &setting).is_err() {
            return Poll::Ready(());
        }
    }
    loop {
        let Ok(mut guard) = std::task::ready!(descriptor.poll_read_ready(cx)) else {
            return Poll::Ready(());
        };
        match rustix::io::read(descriptor, &mut [0; 8]) {
            Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
            _ => return Poll::Ready(()),
        }
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
        never_early(Timer::precise().expect("a timer")).await;
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
        let mut timer = Timer::precise().expect("a timer");
        let late = Instant::now() + Duration::from_secs(3600);
        let first = std::future::poll_fn(|cx| Poll::Ready(timer.poll_until(cx, late))).await;
        assert!(first.is_pending());
        timer.until(Instant::now() + Duration::from_millis(1)).await;
    }
}
