//! Reconnect policies against what is known of the clients they are named after: their waits one by
//! one, and the storm that 2,000 of them make.

mod file;
mod presets;
mod reference;
