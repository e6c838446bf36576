//! How far a machine's own numbers can be trusted, decided from measured points.
//!
//! Pure: points go in, the next load to try or a statement comes out. Whoever measures them
//! (`commands::calibrate`) neither judges nor searches.
//!
//! ```text
//!  Search --rate--> (measured) --Point--> lies() --honest or not--> Search ... --> Calibration::conclude
//! ```
//!
//! *Lying* means that `round_trip` holds lateness of the generator itself. It counts from the intended
//! time (a sender that counts from the actual one omits its own waiting: the "coordinated omission" of
//! wrk2), so what a late generator adds is not lost but blamed on the server.

mod conclude;
mod document;
mod noise;
mod point;
mod search;
#[cfg(test)]
pub(crate) mod tests;

pub use document::{
    Beyond, Bottleneck, Calibration, Capacity, Handshakes, Knee, Lateness, Machine, Noise,
    SCHEMA_VERSION, Trusted, Truth,
};
pub use point::{Lie, Measured, Point, Quantiles, lies};
pub use search::{Found, Search, Shape};
