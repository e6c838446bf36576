//! Renderings of a saved result. Reads results only; judges and measures nothing, prints nothing.

pub mod comparison;
pub mod github;
pub mod html;
pub mod idle_timer;
pub mod junit;
pub mod live;
pub mod markdown;
pub mod policies;
pub mod probe;
pub mod progress;
pub mod storms;
pub mod table;
pub mod terminal;
pub mod trackers;
pub mod view;

pub use terminal::Look;
