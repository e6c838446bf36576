//! How many clients, when.

use std::time::Duration;

/// The load curve with its phases.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Closed or open, with its limit.
    pub model: LoadModel,
    /// At least one, total longer than zero. The curve starts at 0 and is linear within a stage.
    pub stages: Vec<Stage>,
    /// The first part of the stages, not counted in totals; shorter than the stages together.
    pub warm_up: Duration,
    /// After the stages: how long outstanding replies are waited for.
    pub drain: Duration,
    /// Generator threads; `None` = chosen from the machine's cores.
    pub shards: Option<u16>,
}

/// What a stage's goal counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoadModel {
    /// Goal = clients kept connected.
    Closed,
    /// Goal = client arrivals per second.
    Open {
        /// Slots; an arrival due without a free slot is dropped and counted.
        max_clients: u32,
        /// Exponential gaps (a Poisson process) instead of even ones.
        poisson: bool,
    },
}

/// A linear segment of the load curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Longer than zero.
    pub duration: Duration,
    /// Value at the end of the stage: clients (whole) or arrivals per second.
    pub goal: f64,
}

impl Load {
    /// Length of all stages together.
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|s| s.duration).sum()
    }

    /// The most clients that can be connected at once.
    pub fn max_clients(&self) -> u32 {
        match self.model {
            LoadModel::Closed => self
                .stages
                .iter()
                .map(|s| s.goal as u32)
                .max()
                .unwrap_or_default(),
            LoadModel::Open { max_clients, .. } => max_clients,
        }
    }
}
