//! A command that makes the target: started, waited for, stopped.

use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::scenario::Target;

/// How long a command may take until its port accepts.
const UP: Duration = Duration::from_secs(30);
/// How long it may take to end after SIGTERM.
const DOWN: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(20);

/// A running command with all it started.
pub(super) struct Service {
    child: Child,
    address: String,
    ended: bool,
}

impl Service {
    /// Starts `command` with the shell, in a process group of its own, and waits until the target's
    /// port accepts connections; nothing if `stopped` says meanwhile that nobody wants it any more.
    pub fn start(
        command: &str,
        target: &Target,
        stopped: &mut dyn FnMut() -> bool,
    ) -> anyhow::Result<Option<Self>> {
        let address = address(target)?;
        if TcpStream::connect(&address).is_ok() {
            bail!(
                "something listens on {address} before `{command}` was started\n\
                 hint: end it, or give its URL instead of a command"
            );
        }
        let child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("start `{command}`"))?;
        let mut service = Self {
            child,
            address: address.clone(),
            ended: false,
        };
        let deadline = Instant::now() + UP;
        loop {
            if TcpStream::connect(&address).is_ok() {
                return Ok(Some(service));
            }
            if let Ok(Some(status)) = service.child.try_wait() {
                service.ended = true;
                bail!(
                    "`{command}` ended ({status}) before {address} accepted a connection\n\
                     hint: it has to stay in the foreground and serve the scenario's target, \
                     ws://{address}; what it says goes to stderr here"
                );
            }
            if stopped() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                bail!(
                    "`{command}` did not listen on {address} within {} s\n\
                     hint: the scenario's target must be what the command serves",
                    UP.as_secs()
                );
            }
            pause();
        }
    }

    /// Ends it: SIGTERM to the group, then SIGKILL.
    pub fn stop(mut self) {
        self.end();
    }

    /// The shell has ended and nobody listens any more.
    fn is_gone(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_))) && TcpStream::connect(&self.address).is_err()
    }

    fn end(&mut self) {
        if self.ended {
            return;
        }
        let group = i32::try_from(self.child.id()).map(Pid::from_raw);
        let Ok(group) = group else { return };
        // An error means that nobody is left in the group.
        let _ = killpg(group, Signal::SIGTERM);
        let deadline = Instant::now() + DOWN;
        while !self.is_gone() && Instant::now() < deadline {
            pause();
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
        self.ended = true;
        // The shell may end before what it started: the next side needs the port.
        let deadline = Instant::now() + DOWN;
        while TcpStream::connect(&self.address).is_ok() && Instant::now() < deadline {
            pause();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between runs: no client waits on this thread"
)]
fn pause() {
    std::thread::sleep(STEP);
}

fn address(target: &Target) -> anyhow::Result<String> {
    let url = target.urls.first().context("the scenario has no target")?;
    let text = url.to_string();
    let url = crate::wire::Url::parse(&text)
        .with_context(|| "a command needs a target whose URL is fixed, without templates")?;
    Ok(if url.host.contains(':') {
        format!("[{}]:{}", url.host, url.port)
    } else {
        format!("{}:{}", url.host, url.port)
    })
}
