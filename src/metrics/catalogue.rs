//! Every metric and counter, defined once: its name in files, its direction, its meaning.
//!
//! The doc comment of a variant is its one-line definition in reports, so the two cannot drift.
//! Names never change once released: baselines and scenarios hold them.

/// Which way is better, for comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// A smaller number is better.
    Lower,
    /// A larger number is better.
    Higher,
    /// It describes the run; neither way is better.
    Neutral,
}

/// Writes an enum and its catalogue from one list of `/// definition`, `Variant = "name", Orientation`.
macro_rules! catalogue {
    ($(#[$meta:meta])* $kind:ident { $(#[doc = $doc:literal] $variant:ident = $name:literal, $better:ident;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(usize)]
        pub enum $kind {
            $(#[doc = $doc] $variant,)*
        }

        impl $kind {
            /// All of them, in the order of files and reports.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The stable name in files and thresholds.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One line that says what it is.
            pub const fn definition(self) -> &'static str {
                match self { $(Self::$variant => $doc.trim_ascii(),)* }
            }

            /// Which way is better.
            pub const fn orientation(self) -> Orientation {
                match self { $(Self::$variant => Orientation::$better,)* }
            }

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|item| item.name() == name)
            }
        }
    };
}

catalogue! {
    /// A distribution of times.
    Metric {
        /// All of dialling.
        Handshake = "handshake", Lower;
        /// Name to address.
        Resolve = "resolve", Lower;
        /// SYN to established.
        TcpConnect = "tcp_connect", Lower;
        /// ClientHello to finished.
        TlsHandshake = "tls_handshake", Lower;
        /// HTTP request to a checked 101.
        Upgrade = "upgrade", Lower;
        /// Received - intended.
        RoundTrip = "round_trip", Lower;
        /// Received - sent.
        ServiceTime = "service_time", Lower;
        /// Sent - intended.
        ScheduleLag = "schedule_lag", Lower;
        /// A broadcast's intended time to a receiver's arrival.
        Delivery = "delivery", Lower;
        /// A beat's last byte sent to its answer.
        HeartbeatRtt = "heartbeat_rtt", Lower;
        /// A beat's last byte sent - due.
        HeartbeatLag = "heartbeat_lag", Lower;
        /// Last received byte to the verdict that the connection is dead.
        DeathDetection = "death_detection", Lower;
        /// A server's ping read to our pong handed to the kernel.
        PongDelay = "pong_delay", Lower;
        /// Loss of a connection to its re-establishment, waiting included.
        ReconnectTime = "reconnect_time", Lower;
        /// Client started - due.
        ArrivalLag = "arrival_lag", Lower;
        /// Dial begun - due, of every dial, reconnects included.
        DialLag = "dial_lag", Lower;
        /// An open connection's life.
        SessionTime = "session_time", Neutral;
        /// Last received byte to the end of a connection that nobody closed.
        QuietBeforeLoss = "quiet_before_loss", Neutral;
    }
}

impl Metric {
    /// The unit in files and reports.
    pub const fn unit(self) -> &'static str {
        "ms"
    }
}

catalogue! {
    /// A count of events.
    Counter {
        /// Client starts that were due (open and closed loads).
        ArrivalsScheduled = "arrivals_scheduled", Neutral;
        /// Those that started.
        ArrivalsStarted = "arrivals_started", Neutral;
        /// Those due with no slot free.
        ArrivalsDropped = "arrivals_dropped", Lower;
        /// Dials begun.
        ConnectionsAttempted = "connections_attempted", Neutral;
        /// Dials that became open connections.
        ConnectionsOpened = "connections_opened", Higher;
        /// Dials that failed (by kind in the failures).
        ConnectionsFailed = "connections_failed", Lower;
        /// Dials that were due and had to wait for our own cap on dials a second.
        DialsHeldBack = "dials_held_back", Lower;
        /// Dials given up because the run ended.
        ConnectionsAbandoned = "connections_abandoned", Neutral;
        /// Open connections that ended (by cause in the closes).
        ConnectionsClosed = "connections_closed", Neutral;
        /// Dials of a client that was connected before.
        ReconnectsAttempted = "reconnects_attempted", Lower;
        /// Those that succeeded.
        Reconnected = "reconnected", Neutral;
        /// Clients that used up their attempts.
        GaveUp = "gave_up", Lower;
        /// Messages handed to the kernel that wait for an answer.
        MessagesSent = "messages_sent", Neutral;
        /// Messages handed to the kernel that wait for none.
        MessagesSentUnmatched = "messages_sent_unmatched", Neutral;
        /// Answers that came in time.
        RepliesMatched = "replies_matched", Higher;
        /// Messages whose answer did not come in time.
        RepliesTimedOut = "replies_timed_out", Lower;
        /// Messages whose connection went before the answer.
        RepliesLost = "replies_lost", Lower;
        /// Messages still waiting when the run ended.
        RepliesOutstanding = "replies_outstanding", Lower;
        /// Answers after their timeout, or to nothing we asked.
        MessagesUnexpected = "messages_unexpected", Lower;
        /// Due messages not sent: too late, or while disconnected.
        SendsSkipped = "sends_skipped", Lower;
        /// Data messages received, whatever they were.
        MessagesReceived = "messages_received", Neutral;
        /// `expect` steps answered in time.
        ExpectsMatched = "expects_matched", Higher;
        /// `expect` steps not answered in time.
        ExpectsTimedOut = "expects_timed_out", Lower;
        /// Receivers our broadcasts should have had.
        DeliveriesExpected = "deliveries_expected", Neutral;
        /// Deliveries that arrived and were expected.
        DeliveriesReceived = "deliveries_received", Higher;
        /// Deliveries that did not arrive by the end.
        DeliveriesMissing = "deliveries_missing", Lower;
        /// Deliveries that arrived without being expected (sent before the receiver joined).
        DeliveriesUnexpected = "deliveries_unexpected", Lower;
        /// Beats sent.
        HeartbeatsSent = "heartbeats_sent", Neutral;
        /// Beats acknowledged within the timeout.
        HeartbeatsOnTime = "heartbeats_on_time", Higher;
        /// Beats acknowledged by a later beat's answer (RFC 6455 5.5.3).
        HeartbeatsSuperseded = "heartbeats_superseded", Lower;
        /// Beats whose own answer came after the timeout.
        HeartbeatsLate = "heartbeats_late", Lower;
        /// Beats never answered.
        HeartbeatsMissed = "heartbeats_missed", Lower;
        /// Beats within their timeout when the connection ended.
        HeartbeatsCut = "heartbeats_cut", Lower;
        /// Beats within their timeout when the run ended.
        HeartbeatsPending = "heartbeats_pending", Neutral;
        /// Beats not sent: the connection was not writable, or the generator stood still.
        HeartbeatsBlocked = "heartbeats_blocked", Lower;
        /// Pongs that match nothing.
        PongsUnsolicited = "pongs_unsolicited", Lower;
        /// Pongs for a beat already acknowledged.
        PongsDuplicate = "pongs_duplicate", Lower;
        /// Connections declared dead.
        DeclaredDead = "declared_dead", Lower;
        /// Verdicts proven wrong within the grace time.
        FalseDead = "false_dead", Lower;
        /// Pings received from the server.
        ServerPings = "server_pings", Neutral;
        /// Server pings that did not come within `expect_server_ping`.
        ServerPingsOverdue = "server_pings_overdue", Lower;
        /// Bytes handed to the kernel after the upgrade, frame headers included.
        BytesSent = "bytes_sent", Neutral;
        /// Bytes received after the upgrade, frame headers included.
        BytesReceived = "bytes_received", Neutral;
        /// Sessions whose steps ended by themselves.
        SessionsCompleted = "sessions_completed", Higher;
        /// Times recorded across a stall of the generator: true, but not the target's doing.
        SamplesInStall = "samples_in_stall", Lower;
    }
}

impl Counter {
    /// The unit in files and reports.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::BytesSent | Self::BytesReceived => "bytes",
            _ => "count",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_snake_case(name: &str) -> bool {
        !name.is_empty()
            && !name.starts_with('_')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    }

    #[test]
    fn names_are_unique_snake_case_and_found_again() {
        let mut seen = BTreeSet::new();
        for metric in Metric::ALL.iter().copied() {
            assert!(is_snake_case(metric.name()), "{}", metric.name());
            assert!(seen.insert(metric.name()), "{} twice", metric.name());
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
        for counter in Counter::ALL.iter().copied() {
            assert!(is_snake_case(counter.name()), "{}", counter.name());
            assert!(seen.insert(counter.name()), "{} twice", counter.name());
            assert_eq!(Counter::from_name(counter.name()), Some(counter));
        }
    }

    #[test]
    fn files_use_the_same_names() {
        for metric in Metric::ALL {
            let json = serde_json::to_string(metric).unwrap();
            assert_eq!(json, format!("\"{}\"", metric.name()));
        }
        for counter in Counter::ALL {
            let json = serde_json::to_string(counter).unwrap();
            assert_eq!(json, format!("\"{}\"", counter.name()));
        }
    }

    #[test]
    fn positions_are_indices() {
        for (index, metric) in Metric::ALL.iter().enumerate() {
            assert_eq!(*metric as usize, index);
        }
        for (index, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index);
        }
    }

    #[test]
    fn definitions_are_one_sentence() {
        for text in Metric::ALL.iter().map(|m| m.definition()) {
            assert!(text.ends_with('.') && text.len() < 100, "{text}");
        }
        for text in Counter::ALL.iter().map(|c| c.definition()) {
            assert!(text.ends_with('.') && text.len() < 100, "{text}");
        }
    }
}
