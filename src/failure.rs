//! Why a connection could not be opened, or how it ended: small, countable kinds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a handshake failed, or why an open connection was lost. Never a string: counted by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FailureKind {
    /// The name did not resolve.
    Dns,
    /// Nothing listens there (RST to our SYN).
    Refused,
    /// No route, or an ICMP error.
    Unreachable,
    /// TCP did not open within the deadline.
    ConnectTimeout,
    /// Our own ephemeral ports are used up (EADDRNOTAVAIL); never the target's fault.
    PortExhausted,
    /// Our own file descriptors are used up (EMFILE, ENFILE); never the target's fault.
    FdExhausted,
    /// TLS failed; the alert's code, RFC 8446 6, or `None` for a failure without an alert.
    Tls(Option<u8>),
    /// The answer to the upgrade was not 101.
    HttpStatus(u16),
    /// The answer was not a correct upgrade.
    BadUpgrade(BadUpgrade),
    /// TCP was up, but no complete answer came within the deadline.
    HandshakeTimeout,
    /// RST.
    Reset,
    /// FIN without a close frame.
    EofWithoutClose,
    /// A close frame with an unexpected code; 1005 = without a code.
    CloseCode(u16),
    /// The peer broke RFC 6455.
    Protocol(Violation),
    /// Our heartbeat rule declared the connection dead.
    HeartbeatDead,
    /// Anything else the operating system reported (errno, 0 = unknown).
    Io(i32),
}

/// What was wrong with an answer to the upgrade request (RFC 6455 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BadUpgrade {
    /// Not HTTP at all.
    NotHttp,
    /// The peer speaks TLS on this port.
    LooksLikeTls,
    /// The head is larger than the limit.
    HeadTooLarge,
    /// The connection ended within the head, or before it.
    Truncated,
    /// 101 with HTTP/1.0.
    HttpVersion,
    /// No `Upgrade: websocket`.
    NoUpgrade,
    /// No `Connection: Upgrade`.
    NoConnection,
    /// No Sec-WebSocket-Accept.
    NoAccept,
    /// Sec-WebSocket-Accept does not belong to our key, or stands there twice.
    WrongAccept,
    /// An extension nobody asked for.
    Extension,
    /// A subprotocol nobody asked for.
    Subprotocol,
}

/// How a peer broke RFC 6455.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Violation {
    /// 5.2: a reserved bit without an extension.
    ReservedBits,
    /// 5.2: a reserved opcode.
    Opcode,
    /// 5.1: a masked frame from a server, or an unmasked one from a client.
    Masking,
    /// 5.2: a 64-bit length with its highest bit set.
    Length,
    /// 5.5: a control frame in fragments.
    FragmentedControl,
    /// 5.5: a control frame of more than 125 bytes.
    LongControl,
    /// 5.4: a continuation without a start.
    StrayContinuation,
    /// 5.4: a new message inside a fragmented one.
    Interleaved,
    /// 8.1: text that is not UTF-8.
    Utf8,
    /// A message or frame beyond our limit.
    TooLarge,
    /// 5.5.1 and 7.4: a close frame of one byte, or with a forbidden code (the code that came).
    CloseFrame(u16),
}

impl Violation {
    /// The code of the close frame we answer with (RFC 6455 7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Utf8 => 1007,
            Self::TooLarge => 1009,
            _ => 1002,
        }
    }
}

/// How an open connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CloseCause {
    /// We closed as planned and the peer answered.
    ByUs,
    /// We closed as planned, but the peer did not answer in time; ended with RST.
    ByUsUnanswered,
    /// The peer closed with a normal code: 1000 or 1001.
    ByPeer(u16),
    /// A fault of our own ended it: planned, and yet a loss to the client.
    ByFault,
    /// It was lost.
    Lost(FailureKind),
}

impl CloseCause {
    /// Whether it counts as a failure.
    pub const fn failure(self) -> Option<FailureKind> {
        match self {
            Self::Lost(kind) => Some(kind),
            _ => None,
        }
    }
}

impl FailureKind {
    /// The kind's name without its parameter, as in DESIGN section 3.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::PortExhausted => "port_exhausted",
            Self::FdExhausted => "fd_exhausted",
            Self::Tls(_) => "tls",
            Self::HttpStatus(_) => "http_status",
            Self::BadUpgrade(_) => "bad_upgrade",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Reset => "reset",
            Self::EofWithoutClose => "eof_without_close",
            Self::CloseCode(_) => "close_code",
            Self::Protocol(_) => "protocol_error",
            Self::HeartbeatDead => "heartbeat_dead",
            Self::Io(_) => "io",
        }
    }

    /// What the user can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Dns => "check the host name in the URL, or give `resolve`",
            Self::Refused => "nothing listens there: is the server up, and the port right?",
            Self::Unreachable => "no route to the host: check the address and the firewall",
            Self::ConnectTimeout => {
                "no answer to TCP: a firewall drops it, or the accept queue is full"
            }
            Self::PortExhausted => "our ports are used up: add `source_addresses`",
            Self::FdExhausted => "our descriptors are used up: raise `ulimit -n`",
            Self::Tls(_) => {
                "check the certificate, `ca`, `server_name`; `insecure` skips verification"
            }
            Self::HttpStatus(_) => "the server or a proxy refused the upgrade: see the example",
            Self::BadUpgrade(BadUpgrade::LooksLikeTls) => "the port speaks TLS: use wss://",
            Self::BadUpgrade(_) => "something on the path does not speak WebSocket",
            Self::HandshakeTimeout => "TCP opened but no complete answer came in time",
            Self::Reset => "the peer or something between reset the connection",
            Self::EofWithoutClose => {
                "the connection ended without a close frame: a proxy timeout or a crash"
            }
            Self::CloseCode(_) => "the server closed: its code and reason say why",
            Self::Protocol(_) => "the peer broke RFC 6455",
            Self::HeartbeatDead => "heartbeats went unanswered: a dead path or a frozen server",
            Self::Io(_) => "the operating system refused",
        }
    }
}

impl fmt::Display for FailureKind {
    /// `http_status{503}`: the name with its parameter, stable for files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Tls(Some(alert)) => write!(f, "{{{alert}}}"),
            Self::HttpStatus(code) | Self::CloseCode(code) => write!(f, "{{{code}}}"),
            Self::BadUpgrade(what) => write!(f, "{{{}}}", what.name()),
            Self::Protocol(Violation::CloseFrame(code)) => write!(f, "{{close_frame {code}}}"),
            Self::Protocol(what) => write!(f, "{{{}}}", what.name()),
            Self::Io(errno) if *errno != 0 => write!(f, "{{{errno}}}"),
            _ => Ok(()),
        }
    }
}

impl BadUpgrade {
    /// Stable name for files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotHttp => "not_http",
            Self::LooksLikeTls => "looks_like_tls",
            Self::HeadTooLarge => "head_too_large",
            Self::Truncated => "truncated",
            Self::HttpVersion => "http_version",
            Self::NoUpgrade => "no_upgrade",
            Self::NoConnection => "no_connection",
            Self::NoAccept => "no_accept",
            Self::WrongAccept => "wrong_accept",
            Self::Extension => "extension",
            Self::Subprotocol => "subprotocol",
        }
    }
}

impl Violation {
    /// Stable name for files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved_bits",
            Self::Opcode => "opcode",
            Self::Masking => "masking",
            Self::Length => "length",
            Self::FragmentedControl => "fragmented_control",
            Self::LongControl => "long_control",
            Self::StrayContinuation => "stray_continuation",
            Self::Interleaved => "interleaved",
            Self::Utf8 => "utf8",
            Self::TooLarge => "too_large",
            Self::CloseFrame(_) => "close_frame",
        }
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByUs => f.write_str("by_us"),
            Self::ByUsUnanswered => f.write_str("by_us_unanswered"),
            Self::ByPeer(code) => write!(f, "by_peer{{{code}}}"),
            Self::ByFault => f.write_str("by_fault"),
            Self::Lost(kind) => write!(f, "lost:{kind}"),
        }
    }
}
