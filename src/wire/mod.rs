//! Bytes on a path: dialling, the HTTP upgrade, frames, closing.
//!
//! Two seams: what carries the bytes ([`Carrier`]: TCP, TLS, `duplex` in tests) and what frames them
//! ([`Decoder`] and [`Outbox`], joined by [`Connection`]). Knows nothing of load, schedules or
//! measurement.

pub mod accept;
mod carrier;
mod connection;
mod decoder;
mod dial;
mod frame;
pub mod inspect;
pub mod listener;
mod outbox;
mod resolve;
pub mod response;
mod tcp_info;
mod tls;
mod tls_server;
mod upgrade;
mod url;

pub use carrier::{Carrier, Transport};
pub use connection::{Connection, Ending, Limits, Scratch};
pub use decoder::{Decoder, Event};
pub use dial::{Answer, Dial, DialError, DialSettings, Dialled, Dialler, Timings};
pub use frame::{Role, encode_frame, is_valid_close_code};
pub use outbox::{Full, Outbox};
pub use resolve::Override;
pub use tls::{ClientTls, TlsError, TlsSettings, TlsVersion, client_tls};
pub use tls_server::{Identity, TlsServer, TlsServerError};
pub use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
pub use upgrade::{UpgradeRequest, accept_key};
pub use url::{Url, UrlError};
