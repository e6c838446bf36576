//! What a run saved: the numbers, what they are about, and the files that hold them.
//!
//! A result is complete without the run: it can be rendered, judged and compared again from its
//! `result.json`. Nothing here measures, judges or prints.

pub mod csv;
pub mod environment;
pub mod facts;
pub mod fault;
#[cfg(test)]
pub(crate) mod fixture;
pub mod follow;
pub mod hlog;
pub mod judgement;
pub mod load;
pub mod merge;
pub mod run;
pub mod served;
pub mod statistics;
pub mod store;
pub mod storm;
pub mod summary;
pub mod text;
pub mod timeline;

pub use environment::Environment;
pub use facts::{Caps, EndReason, Phases, RunFacts, Stall, ValidityLimits};
pub use fault::FaultRecord;
pub use follow::{FollowError, Follower};
pub use judgement::{BaselineOutcome, InvalidReason, ThresholdOutcome, ThresholdState, Verdict};
pub use load::LoadError;
pub use run::{RunResult, Validity};
pub use served::{LateReplies, ServerCounts, ServerLoad};
pub use statistics::{Kind, Statistic};
pub use store::{Store, StoreError};
pub use storm::StormReport;
pub use summary::{MetricSummary, Redact, Summary, TallyRow, UnansweredAfter};
pub use timeline::{Timeline, TimelineRow};
