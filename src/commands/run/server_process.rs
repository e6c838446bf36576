//! The built-in server of a run, in a process of its own, so that its work is not the generator's.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use crate::commands::server_flags::arguments;
use crate::scenario::{ServerPlan, Target};
use crate::wire::Url;

/// A running `wsbench serve`; ends with us, since it watches our end of its stdin.
pub struct ServerProcess {
    child: Child,
    ended: bool,
}

impl ServerProcess {
    /// Starts it and waits until it listens.
    pub fn start(plan: &ServerPlan, target: &Target) -> anyhow::Result<Self> {
        let address = match plan.listen {
            Some(address) => address,
            None => address_of(target)?,
        };
        let program = std::env::current_exe().context("find our own program")?;
        let mut command = Command::new(program);
        command
            .args(arguments(plan, address))
            .arg("--stop-on-stdin-eof")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C on the terminal is for us: the server has to outlive the drain.
            .process_group(0);
        if let Some(token) = &plan.token {
            // Not an argument: those can be read by everybody on the machine.
            command.env("WSBENCH_SERVER_TOKEN", token);
        }
        let mut child = command.spawn().context("start the built-in server")?;
        let stdout = child.stdout.take().context("read the server's stdout")?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("wait for the built-in server")?;
        if !line.starts_with("listening on") {
            let _ = child.wait();
            bail!(
                "the built-in server did not start on {address}\n\
                 hint: is the port in use? change `target.url` (or `server.listen`), \
                 or test a server of your own with --target URL"
            );
        }
        Ok(Self {
            child,
            ended: false,
        })
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.ended |= matches!(self.child.try_wait(), Ok(Some(_)));
        self.ended
    }

    /// Asks it to end by closing its stdin; ends it for good after `grace`. False when it had ended
    /// before.
    pub fn stop(mut self, grace: Duration) -> bool {
        let lasted = !self.has_ended();
        self.end(grace);
        lasted
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the run is over: no client waits on this thread"
    )]
    fn end(&mut self, grace: Duration) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + grace;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.ended = true;
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Duration::ZERO);
        }
    }
}

/// Host and port of the target's first URL.
fn address_of(target: &Target) -> anyhow::Result<SocketAddr> {
    let text = target.urls.first().map(ToString::to_string);
    let text = text.context("the target has no URL")?;
    let hint = "hint: give `server.listen`";
    let url = Url::parse(&text).with_context(|| format!("the target's URL has holes; {hint}"))?;
    let mut found = (url.host.as_str(), url.port)
        .to_socket_addrs()
        .with_context(|| format!("resolve {}; {hint}", url.host))?;
    let address = found.find(|a| a.ip().is_loopback());
    address.with_context(|| format!("{} is not this machine; {hint}", url.host))
}
