//! Bytes on a path: dialling, the HTTP upgrade, frames, closing.
//!
//! Two seams: what carries the bytes (anything `AsyncRead + AsyncWrite`) and what frames them (the
//! codec). Knows nothing of load, schedules or measurement.
