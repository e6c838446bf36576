//! Reconnect habits of known clients by name, each as it behaves by default, and the plain policies
//! they are compared with.
//!
//! Waits are those of RELIABILITY 3.1; `stable_after` is when the client itself starts over: most do
//! as soon as they are connected, which lets a flapping server keep them at their shortest wait.

use std::borrow::Cow;
use std::time::Duration;

use super::{Factors, Jitter, Reconnect, ReconnectPolicy};
use crate::scenario::nearest;

/// One entry of the list.
struct Preset {
    name: &'static str,
    /// One line for people.
    doc: &'static str,
    plan: Reconnect,
}

/// The plan of a name; `None` when there is no such preset.
pub fn preset(name: &str) -> Option<Reconnect> {
    let found = PRESETS.iter().find(|preset| preset.name == name)?;
    Some(found.plan.clone())
}

/// Every name with one line on it, in the order to show them.
pub fn presets() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRESETS.iter().map(|preset| (preset.name, preset.doc))
}

/// The preset that a misspelled name was meant to be.
pub fn nearest_preset(name: &str) -> Option<&'static str> {
    nearest(name, NAMES)
}

/// Every name, in the order to show them.
pub const NAMES: [&str; PRESETS.len()] = {
    let mut names = [""; PRESETS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = PRESETS[index].name;
        index += 1;
    }
    names
};

const SECOND: Duration = Duration::from_secs(1);

/// socket.io-client 4.8.4, lib/manager.ts (reconnectionDelay, reconnectionDelayMax,
/// randomizationFactor) and lib/contrib/backo2.ts: the jitter comes before the cap, so from the fifth
/// wait on every wait is exactly 5 s. Starts over when connected.
const SOCKETIO: Reconnect = exponential(1000, 2.0)
    .jitter(Jitter::Backo2)
    .max_wait(5 * 1000)
    .stable_after(0);

/// phoenix.js 1.8, assets/js/phoenix/socket.js: `[10, 50, 100, 150, 200, 250, 500, 1000, 2000][tries - 1]
/// || 5000`. Starts over when connected.
const PHOENIX: Reconnect = list(&PHOENIX_DELAYS).stable_after(0);
const PHOENIX_DELAYS: [Duration; 10] = millis([10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000]);

/// @microsoft/signalr, DefaultReconnectPolicy.ts: `[0, 2000, 10000, 30000, null]`, counted from each
/// loss of a connection.
const SIGNALR: Reconnect = list(&SIGNALR_DELAYS).max_attempts(4).stable_after(0);
const SIGNALR_DELAYS: [Duration; 4] = millis([0, 2000, 10_000, 30_000]);

/// reconnecting-websocket 4.4, reconnecting-websocket.ts: minReconnectionDelay = 1000 + random() x 4000
/// is evaluated when the module is loaded; growth 1.3, maxReconnectionDelay 10000, minUptime 5000.
const RECONNECTING_WEBSOCKET: Reconnect = exponential(1000, 1.3)
    .jitter(Jitter::Once(Factors::new(1.0, 5.0)))
    .max_wait(10_000)
    .stable_after(5_000);

/// partysocket 1.3, ws.ts: minReconnectionDelay 3000, growth 1.3, maxReconnectionDelay 10000,
/// minUptime 5000.
const PARTYSOCKET: Reconnect = exponential(3000, 1.3).max_wait(10_000).stable_after(5_000);

/// Action Cable 8.1, connection_monitor.js: staleThreshold 6 s x (1 + 0.15)^min(attempts, 10) x
/// (1 + U(0, 1)) for the first poll, (1 + U(0, 0.15)) later (rails PR 40229, 40873). Starts over when
/// connected.
const ACTIONCABLE: Reconnect = exponential(6000, 1.15)
    .max_delay(Duration::from_nanos(24_273_346_414))
    .jitter(Jitter::FirstThen(
        Factors::new(1.0, 2.0),
        Factors::new(1.0, 1.15),
    ))
    .stable_after(0);

/// graphql-ws 6.4, src/client.ts: randomisedExponentialBackoff (1 s x 2^retries + U(0.3 s, 3 s)),
/// retryAttempts 5. Starts over when connected.
const GRAPHQL_WS: Reconnect = exponential(1000, 2.0)
    .added(300, 3000)
    .max_attempts(5)
    .stable_after(0);

/// centrifuge-js 5.8, src/utils.ts `backoff`: min(max, min + U(0, min(max, min x 2^step))) with
/// minReconnectDelay 500 and maxReconnectDelay 20000. Starts over when connected.
const CENTRIFUGE: Reconnect = exponential(500, 2.0)
    .max_delay(Duration::from_secs(20))
    .jitter(Jitter::Each(Factors::FULL))
    .added(500, 500)
    .max_wait(20_000)
    .stable_after(0);

/// @slack/socket-mode 3.1, SocketModeClient.ts `delayReconnectAttempt`: clientPingTimeout (5 s) x
/// failures in a row. Starts over when connected.
const SLACK: Reconnect = plan(ReconnectPolicy::Linear {
    step: Duration::from_secs(5),
})
.stable_after(0);

/// gRPC connection-backoff.md with the 1 s that implementations start with: x 1.6, cap 120 s, then
/// +-20 %. Starts over when connected.
const GRPC: Reconnect = exponential(1000, 1.6)
    .max_delay(Duration::from_secs(120))
    .jitter(Jitter::Each(Factors::new(0.8, 1.2)))
    .stable_after(0);

/// AWS "Exponential Backoff And Jitter" with base 1 s and cap 30 s.
const EXPONENTIAL: Reconnect = exponential(1000, 2.0).max_delay(Duration::from_secs(30));

#[rustfmt::skip]
static PRESETS: [Preset; 20] = [
    entry("none", "never reconnects", plan(ReconnectPolicy::None)),
    entry("fixed", "1 s, no jitter: the herd stays in step", fixed(1000)),
    entry("fixed-jitter", "1 s +-50 %", fixed(1000).jitter(Jitter::Each(Factors::new(0.5, 1.5)))),
    entry("exponential", "1 s x 2, cap 30 s, no jitter", EXPONENTIAL),
    entry("full", "U(0, v), v = 1 s x 2, cap 30 s: \"full jitter\"", EXPONENTIAL.jitter(Jitter::Each(Factors::FULL))),
    entry("equal", "v/2 + U(0, v/2), v = 1 s x 2, cap 30 s: \"equal jitter\"", EXPONENTIAL.jitter(Jitter::Each(Factors::EQUAL))),
    entry("decorrelated", "U(1 s, 3 x the wait before), cap 30 s: \"decorrelated jitter\"", plan(ReconnectPolicy::Decorrelated { initial: SECOND, max_delay: Duration::from_secs(30) })),
    entry("uniform", "U(0, 10 s), always", fixed(10_000).jitter(Jitter::Each(Factors::FULL))),
    entry("socketio", "socket.io-client 4: 1 s x 2, +-50 %, then cap 5 s (exactly 5 s from the 5th wait on)", SOCKETIO),
    entry("phoenix", "phoenix.js 1.8: 10, 50, 100, 150, 200, 250, 500, 1000, 2000 ms, then 5 s", PHOENIX),
    entry("signalr", "SignalR: 0, 2, 10, 30 s, then gives up", SIGNALR),
    entry("reconnecting-websocket", "reconnecting-websocket 4: U(1 s, 5 s) drawn once per client, x 1.3, cap 10 s", RECONNECTING_WEBSOCKET),
    entry("partysocket", "partysocket 1.3: 3 s x 1.3, cap 10 s", PARTYSOCKET),
    entry("actioncable", "Rails Action Cable 8: 6 s x 1.15, the first x U(1, 2), the others x U(1, 1.15)", ACTIONCABLE),
    entry("graphql-ws", "graphql-ws 6: 1 s x 2, plus U(0.3 s, 3 s), gives up after 5", GRAPHQL_WS),
    entry("centrifuge", "centrifuge-js 5: 500 ms + U(0, 500 ms x 2^n), cap 20 s", CENTRIFUGE),
    entry("stompjs", "stompjs 7: 5 s, no jitter", fixed(5000).stable_after(0)),
    entry("mqtt", "mqtt.js 5: 1 s, no jitter", fixed(1000).stable_after(0)),
    entry("slack", "Slack socket mode 3: 5 s x failures in a row, no jitter", SLACK),
    entry("grpc", "gRPC: 1 s x 1.6, cap 120 s, then +-20 %", GRPC),
];

const fn entry(name: &'static str, doc: &'static str, plan: Reconnect) -> Preset {
    Preset { name, doc, plan }
}

/// Without jitter, for ever, as the scenario file's defaults.
const fn plan(policy: ReconnectPolicy) -> Reconnect {
    Reconnect {
        policy,
        jitter: Jitter::NONE,
        added: (Duration::ZERO, Duration::ZERO),
        max_wait: None,
        max_attempts: None,
        stable_after: Duration::from_secs(10),
    }
}

const fn fixed(delay: u64) -> Reconnect {
    plan(ReconnectPolicy::Fixed {
        delay: Duration::from_millis(delay),
    })
}

/// Without a cap.
const fn exponential(initial: u64, factor: f64) -> Reconnect {
    plan(ReconnectPolicy::Exponential {
        initial: Duration::from_millis(initial),
        factor,
        max_delay: Duration::MAX,
    })
}

const fn list(delays: &'static [Duration]) -> Reconnect {
    plan(ReconnectPolicy::List {
        delays: Cow::Borrowed(delays),
    })
}

const fn millis<const N: usize>(millis: [u64; N]) -> [Duration; N] {
    let mut times = [Duration::ZERO; N];
    let mut index = 0;
    while index < N {
        times[index] = Duration::from_millis(millis[index]);
        index += 1;
    }
    times
}

/// Times in milliseconds.
impl Reconnect {
    const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The cap before jitter, of an exponential policy.
    const fn max_delay(mut self, longest: Duration) -> Self {
        if let ReconnectPolicy::Exponential { max_delay, .. } = &mut self.policy {
            *max_delay = longest;
        }
        self
    }

    const fn added(mut self, low: u64, high: u64) -> Self {
        self.added = (Duration::from_millis(low), Duration::from_millis(high));
        self
    }

    const fn max_wait(mut self, longest: u64) -> Self {
        self.max_wait = Some(Duration::from_millis(longest));
        self
    }

    const fn max_attempts(mut self, most: u32) -> Self {
        self.max_attempts = Some(most);
        self
    }

    const fn stable_after(mut self, open: u64) -> Self {
        self.stable_after = Duration::from_millis(open);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_has_a_plan_and_a_line() {
        let names: BTreeSet<_> = NAMES.into_iter().collect();
        assert_eq!(names.len(), NAMES.len(), "no name twice");
        for (name, doc) in presets() {
            let plan = preset(name).expect("named");
            assert!(!doc.is_empty() && doc.len() < 100, "{name}: {doc}");
            let never = plan.policy == ReconnectPolicy::None;
            assert_eq!(plan.to_string() == "never", never, "{name}");
        }
        assert_eq!(preset("socket.io"), None);
        assert_eq!(nearest_preset("socket.io"), Some("socketio"));
        assert_eq!(nearest_preset("exponentail"), Some("exponential"));
        assert_eq!(nearest_preset("kubernetes"), None);
    }

    #[test]
    fn the_longest_delay_is_bounded() {
        for (name, seconds) in [
            ("none", 0),
            ("fixed", 1),
            ("full", 30),
            ("decorrelated", 30),
            ("socketio", 5),
            ("signalr", 30),
            ("phoenix", 5),
            ("slack", 30),
            ("grpc", 120),
        ] {
            let longest = preset(name).expect("named").longest_delay();
            assert_eq!(longest.as_secs(), seconds, "{name}");
        }
    }

    /// The words that `wsbench check` prints.
    #[test]
    fn presets_in_words() {
        for (name, words) in [
            ("fixed", "after 1s"),
            ("fixed-jitter", "after 1s, each x 0.5 to 1.5"),
            ("full", "after 1s, then x 2 up to 30s, full jitter"),
            (
                "decorrelated",
                "after 1s to 3 x the wait before, up to 30s (decorrelated)",
            ),
            (
                "socketio",
                "after 1s, then x 2, each +-50 % (backo2), never longer than 5s",
            ),
            (
                "signalr",
                "after 0s, 2s, 10s, 30s, at most 4 attempts in a row",
            ),
            (
                "reconnecting-websocket",
                "after 1s, then x 1.3, all x 1 to 5 drawn once for each client, never longer than 10s",
            ),
            (
                "graphql-ws",
                "after 1s, then x 2, plus 300ms to 3s, at most 5 attempts in a row",
            ),
            ("slack", "after 5s, then 5s longer each time"),
        ] {
            assert_eq!(preset(name).expect("named").to_string(), words);
        }
    }
}
