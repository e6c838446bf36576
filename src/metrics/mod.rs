//! What is measured and how it is kept: counters and distributions of times, one set a shard.
//!
//! Nothing recorded is lost: the merge of all intervals is all that was recorded, and the books are
//! checked (`conservation`) before anything is printed. Nothing here reads a clock or a socket.

pub mod catalogue;
pub mod conservation;
pub mod event;
pub mod histogram;
pub mod interval;
pub mod recorder;
mod serial;
pub mod sheet;

pub use catalogue::{Counter, Metric, Orientation};
pub use conservation::{AtEnd, Broken};
pub use event::{ConnectionEvent, ConnectionStep, Events};
pub use histogram::{Histogram, HistogramError, Quantile, is_supported};
pub use interval::{Gauges, Interval, Phase, Total, Window};
pub use recorder::{Blank, Origin, Recorder};
pub use sheet::{Sheet, Tally};
