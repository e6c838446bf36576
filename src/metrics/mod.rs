//! What is measured: every metric and counter, defined once.

/// A distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum Metric {
    /// All of dialling.
    Handshake,
    /// Name to address.
    Resolve,
    /// SYN to established.
    TcpConnect,
    /// ClientHello to finished.
    TlsHandshake,
    /// HTTP request to a checked 101.
    Upgrade,
    /// Received - intended.
    RoundTrip,
    /// Received - sent.
    ServiceTime,
    /// Sent - intended.
    ScheduleLag,
    /// A broadcast's intended time to a receiver's arrival.
    Delivery,
    /// A beat's last byte sent to its answer.
    HeartbeatRtt,
    /// A beat's last byte sent - due.
    HeartbeatLag,
    /// Last received byte to the verdict that the connection is dead.
    DeathDetection,
    /// A server's ping read to our pong handed to the kernel.
    PongDelay,
    /// Loss of a connection to its re-establishment, waiting included.
    ReconnectTime,
    /// Dial begun - due.
    ArrivalLag,
    /// An open connection's life.
    SessionTime,
}

/// A count of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum Counter {
    /// Client starts that were due (open and closed loads).
    ArrivalsScheduled,
    /// Those that started.
    ArrivalsStarted,
    /// Those due with no slot free.
    ArrivalsDropped,
    /// Dials begun.
    ConnectionsAttempted,
    /// Dials that became open connections.
    ConnectionsOpened,
    /// Dials that failed (by kind in the failures).
    ConnectionsFailed,
    /// Dials given up because the run ended.
    ConnectionsAbandoned,
    /// Open connections that ended (by cause in the closes).
    ConnectionsClosed,
    /// Dials of a client that was connected before.
    ReconnectsAttempted,
    /// Those that succeeded.
    Reconnected,
    /// Clients that used up their attempts.
    GaveUp,
    /// Messages handed to the kernel that wait for an answer.
    MessagesSent,
    /// Messages handed to the kernel that wait for none.
    MessagesSentUnmatched,
    /// Answers that came in time.
    RepliesMatched,
    /// Messages whose answer did not come in time.
    RepliesTimedOut,
    /// Messages whose connection went before the answer.
    RepliesLost,
    /// Messages still waiting when the run ended.
    RepliesOutstanding,
    /// Answers after their timeout, or to nothing we asked.
    MessagesUnexpected,
    /// Due messages not sent: too late, or while disconnected.
    SendsSkipped,
    /// Data messages received, whatever they were.
    MessagesReceived,
    /// `expect` steps answered in time.
    ExpectsMatched,
    /// `expect` steps not answered in time.
    ExpectsTimedOut,
    /// Receivers our broadcasts should have had.
    DeliveriesExpected,
    /// Deliveries that arrived and were expected.
    DeliveriesReceived,
    /// Deliveries that did not arrive by the end.
    DeliveriesMissing,
    /// Deliveries that arrived without being expected (sent before the receiver joined).
    DeliveriesUnexpected,
    /// Beats sent.
    HeartbeatsSent,
    /// Beats acknowledged within the timeout.
    HeartbeatsOnTime,
    /// Beats acknowledged by a later beat's answer (RFC 6455 5.5.3).
    HeartbeatsSuperseded,
    /// Beats whose own answer came after the timeout.
    HeartbeatsLate,
    /// Beats never answered.
    HeartbeatsMissed,
    /// Beats within their timeout when the connection ended.
    HeartbeatsCut,
    /// Beats within their timeout when the run ended.
    HeartbeatsPending,
    /// Beats not sent because the connection was not writable.
    HeartbeatsBlocked,
    /// Pongs that match nothing.
    PongsUnsolicited,
    /// Pongs for a beat already acknowledged.
    PongsDuplicate,
    /// Connections declared dead.
    DeclaredDead,
    /// Verdicts proven wrong within the grace time.
    FalseDead,
    /// Pings received from the server.
    ServerPings,
    /// Server pings that did not come within `expect_server_ping`.
    ServerPingsOverdue,
    /// Bytes handed to the kernel after the upgrade, frame headers included.
    BytesSent,
    /// Bytes received after the upgrade, frame headers included.
    BytesReceived,
    /// Sessions whose steps ended by themselves.
    SessionsCompleted,
}
