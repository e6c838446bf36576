//! What wakes a thread at an instant.
//!
//! tokio's timers tick in milliseconds, and that millisecond would be blamed on the server. A Linux
//! timerfd is exact to microseconds. Elsewhere, and under the paused clock of simulations, tokio's
//! timer is used, and the run says so.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One settable alarm.
#[derive(Debug)]
pub enum Alarm {
    /// Exact.
    #[cfg(target_os = "linux")]
    Timerfd(timerfd::Timerfd),
    /// Up to 2 ms late on the real clock, exact on the paused one.
    Tokio(Pin<Box<Sleep>>),
}

impl Alarm {
    /// The best alarm this system has; needs the runtime's context.
    pub fn exact() -> Self {
        #[cfg(target_os = "linux")]
        if let Ok(timer) = timerfd::Timerfd::new() {
            return Self::Timerfd(timer);
        }
        Self::simulated()
    }

    /// An alarm that follows the runtime's clock.
    pub fn simulated() -> Self {
        Self::Tokio(Box::pin(sleep_until(Instant::now())))
    }

    /// For reports.
    pub const fn name(&self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Timerfd(_) => "timerfd",
            Self::Tokio(_) => "tokio sleep (up to 2 ms late)",
        }
    }

    /// Rings `delay` after `now`, once; replaces what was set.
    pub fn set(&mut self, now: Instant, delay: Duration) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Timerfd(timer) => timer.set(delay),
            Self::Tokio(sleep) => sleep.as_mut().reset(now + delay),
        }
    }

    /// Ready when it rang since the last time it was set; may be ready without need.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Timerfd(timer) => timer.poll(cx),
            Self::Tokio(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

#[cfg(target_os = "linux")]
mod timerfd {
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
    pub struct Timerfd {
        timer: TimerFd,
        ready: AsyncFd<OwnedFd>,
    }

    impl Timerfd {
        pub fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let watched = timer.as_fd().try_clone_to_owned()?;
            // SAFETY: an `OwnedFd` is open for as long as it lives and always the same descriptor.
            #[expect(unsafe_code, reason = "the safe constructors are deprecated")]
            let ready = unsafe { AsyncFd::register_with_interest(watched, Interest::READABLE)? };
            Ok(Self { timer, ready })
        }

        pub fn set(&self, delay: Duration) {
            // Zero would disarm it.
            let delay = delay.max(Duration::from_nanos(1));
            let expiration = Expiration::OneShot(TimeSpec::from_duration(delay));
            self.timer
                .set(expiration, TimerSetTimeFlags::empty())
                .expect("a one-shot of a valid duration can always be set");
        }

        /// The expiry is never read: setting the timer anew clears it, and with edge-triggered
        /// epoll the next expiry is a new edge. That saves one system call a wake-up.
        pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
            match ready!(self.ready.poll_read_ready(cx)) {
                Ok(mut guard) => guard.clear_ready(),
                // The runtime is shutting down.
                Err(_) => return Poll::Pending,
            }
            Poll::Ready(())
        }
    }
}
