//! A server that is being served: within this process, or as several that share the port.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::load;
use crate::commands::control::{Counts, Load};
use crate::scenario::ServerFaultPlan;
use crate::server::{Running, Totals};

/// What the command and its control channel do with a server, however many processes it has.
pub trait Served: Send + Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// What it has done so far; an error when a process does not say so in time.
    fn totals(&self) -> io::Result<Totals>;

    /// The same with what it took; `listen_overflows` is not looked at.
    fn counts(&self) -> io::Result<Counts>;

    /// How busy its threads have been.
    fn load(&self) -> io::Result<Load>;

    /// Switches a fault on, in every process or in none; see [`Running::start_fault`].
    fn start_fault(
        &self,
        id: u64,
        plan: ServerFaultPlan,
        duration: Option<Duration>,
    ) -> Result<(), String>;

    /// Switches it off.
    fn end_fault(&self, id: u64) -> Result<(), String>;

    /// Closes every connection and returns when all are gone, or their time is up.
    fn stop(&self);
}

impl Served for Running {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn totals(&self) -> io::Result<Totals> {
        Ok(self.totals())
    }

    fn counts(&self) -> io::Result<Counts> {
        Ok(Counts {
            totals: self.totals(),
            cpu_s: load::cpu_s(),
            listen_overflows: None,
        })
    }

    fn load(&self) -> io::Result<Load> {
        Ok(Load {
            processes: vec![load::read()?],
        })
    }

    fn start_fault(
        &self,
        id: u64,
        plan: ServerFaultPlan,
        duration: Option<Duration>,
    ) -> Result<(), String> {
        self.start_fault(id, plan, duration)
            .map_err(|error| error.to_string())
    }

    fn end_fault(&self, id: u64) -> Result<(), String> {
        self.end_fault(id).map_err(|error| error.to_string())
    }

    fn stop(&self) {
        self.stop();
    }
}
