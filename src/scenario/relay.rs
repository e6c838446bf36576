//! `[relay]`: a path between the clients and the target that misbehaves as told.
//!
//! The words are toxiproxy's. A toxic works on a share of the connections that pass, in one direction
//! or both, on all bytes or (aware of WebSocket frames) on frames of some kinds only.

use std::net::SocketAddr;
use std::time::Duration;

/// The relay of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelayPlan {
    /// Where it listens; `None` = a free port on 127.0.0.1.
    pub listen: Option<SocketAddr>,
    /// What works on connections from the start.
    pub toxics: Vec<Toxic>,
}

/// One thing that goes wrong on the path.
#[derive(Clone, Debug, PartialEq)]
pub struct Toxic {
    /// What.
    pub kind: ToxicKind,
    /// Which way.
    pub direction: Direction,
    /// Which frames; empty = all bytes, the handshake included.
    pub frames: Vec<FrameKind>,
    /// The share of connections it works on, above 0 to 1.
    pub share: f64,
    /// The chance that it works on a frame (or a piece of bytes), above 0 to 1.
    pub probability: f64,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Client to target.
    Upstream,
    /// Target to client.
    Downstream,
    /// Both.
    #[default]
    Both,
}

/// A kind of WebSocket frame (RFC 6455 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Opcode 1, and continuations of such a message.
    Text,
    /// Opcode 2, and continuations of such a message.
    Binary,
    /// Opcode 9.
    Ping,
    /// Opcode 10.
    Pong,
    /// Opcode 8.
    Close,
}

/// What a toxic does.
#[derive(Clone, Debug, PartialEq)]
pub enum ToxicKind {
    /// Bytes arrive later, in order.
    Latency {
        /// By at least so much.
        latency: Duration,
        /// And U(-jitter, jitter) more or less, never before the bytes ahead of them.
        jitter: Duration,
    },
    /// Bytes pass at most so fast.
    Bandwidth {
        /// At least 1.
        bytes_per_s: u64,
    },
    /// A blackhole: nothing passes and nobody is told; the connection is ended after `timeout`
    /// (zero = never).
    Timeout {
        /// Before both sides are closed; zero = never.
        timeout: Duration,
    },
    /// Both sides get RST after `timeout`.
    ResetPeer {
        /// Zero = at once.
        timeout: Duration,
    },
    /// The end of the connection is passed on late.
    SlowClose {
        /// By so much.
        delay: Duration,
    },
    /// Bytes are cut into small pieces with pauses between.
    Slicer {
        /// Of a piece, in bytes; at least 1.
        size: usize,
        /// A piece is U(-variation, variation) longer or shorter, at least 1.
        variation: usize,
        /// Between pieces.
        delay: Duration,
    },
    /// The connection is closed once so many bytes have passed.
    LimitData {
        /// In the toxic's direction.
        bytes: u64,
    },
    /// A byte is changed in each piece or frame (the header is left alone).
    Corrupt,
    /// Frames vanish; needs `frames`.
    DropFrames,
    /// The connection is cut (RST) in the middle of a frame.
    CutFrame,
    /// Nobody is let through: connections are refused with RST, open ones are reset.
    Down,
}

impl ToxicKind {
    /// As in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Timeout { .. } => "timeout",
            Self::ResetPeer { .. } => "reset_peer",
            Self::SlowClose { .. } => "slow_close",
            Self::Slicer { .. } => "slicer",
            Self::LimitData { .. } => "limit_data",
            Self::Corrupt => "corrupt",
            Self::DropFrames => "drop_frames",
            Self::CutFrame => "cut_frame",
            Self::Down => "down",
        }
    }
}
