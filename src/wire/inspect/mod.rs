//! A connection opened to be looked at: every byte, every ending, what TLS said, what TCP knows.
//!
//! The dialler of a run answers "did it open, and how long did it take"; this answers "what exactly
//! happened", judges nothing and hides nothing. It is not made for speed.

mod head;
mod line;
mod tls;

pub use head::{Head, HeadError, MAX_HEAD, parse_head};
pub use line::{ConnectFault, End, Line, Read, TcpState};
pub use tls::{Distrust, InspectTls, TlsFault, TlsSeen};
