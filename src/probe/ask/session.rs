//! What the peer does on an open connection.

use super::exchange::{Path, Upgraded};
use crate::probe::seen::{Exchange, Session};

/// Walks the session checks on `open` and closes it.
pub async fn session(path: &Path<'_>, handshake: &Exchange, open: Upgraded) -> Session {
    let _ = (path, handshake, open);
    Session::default()
}
