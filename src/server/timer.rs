//! Waiting until an instant, to a few microseconds.
//!
//! Tokio's own timers tick in milliseconds: a server that promises to answer after exactly 20 ms
//! cannot be built on them. Linux has timerfd; elsewhere, and in simulations, tokio's timer serves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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
    Descriptor(descriptor::Descriptor),
    Runtime(Pin<Box<Sleep>>),
}

impl Timer {
    /// The best this system has; to be made within the runtime that polls it.
    #[cfg(target_os = "linux")]
    pub fn precise() -> io::Result<Self> {
        Ok(Self {
            armed: None,
            kind: Kind::Descriptor(descriptor::Descriptor::new()?),
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

    /// Ready once `due` has come.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.armed = None;
                return Poll::Ready(());
            }
            let rearm = self.armed.replace(due) != Some(due);
            match &mut self.kind {
                #[cfg(target_os = "linux")]
                Kind::Descriptor(descriptor) => {
                    if rearm {
                        descriptor.set(left);
                    }
                    ready!(descriptor.poll(cx));
                }
                Kind::Runtime(sleep) => {
                    if rearm {
                        sleep.as_mut().reset(due);
                    }
                    ready!(sleep.as_mut().poll(cx));
                }
            }
            // It may have been the ring of an earlier wait: look at the clock again.
            self.armed = None;
        }
    }

    /// Waits until `due`.
    pub async fn until(&mut self, due: Instant) {
        std::future::poll_fn(|cx| self.poll_until(cx, due)).await;
    }
}

#[cfg(target_os = "linux")]
mod descriptor {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A one-shot timer in the reactor's epoll set.
    #[derive(Debug)]
    pub struct Descriptor {
        timer: TimerFd,
        watched: AsyncFd<OwnedFd>,
    }

    impl Descriptor {
        pub fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let watched = timer.as_fd().try_clone_to_owned()?;
            // SAFETY: an `OwnedFd` is open for as long as it lives and always the same descriptor.
            #[expect(unsafe_code, reason = "the safe constructors are deprecated")]
            let watched = unsafe { AsyncFd::register_with_interest(watched, Interest::READABLE)? };
            Ok(Self { timer, watched })
        }

        /// Rings once, so much later; never zero, which would disarm it.
        pub fn set(&self, left: Duration) {
            let expiration = Expiration::OneShot(TimeSpec::from_duration(left));
            self.timer
                .set(expiration, TimerSetTimeFlags::empty())
                .expect("a one-shot of a valid duration can always be set");
        }

        /// The expiry is not read: setting the timer anew clears it, and with edge-triggered epoll
        /// the next expiry is a new edge. That saves a system call each time.
        pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
            match ready!(self.watched.poll_read_ready(cx)) {
                Ok(mut guard) => guard.clear_ready(),
                // The runtime is shutting down.
                Err(_) => return Poll::Pending,
            }
            Poll::Ready(())
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
