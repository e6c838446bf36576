//! Heartbeat habits of known stacks, by name (each as its client behaves by default).

/// What a preset sets; keys of the scenario change its times.
pub(super) struct Preset {
    pub name: &'static str,
    /// As `heartbeat.style`.
    pub style: &'static str,
    /// As `heartbeat.send`.
    pub send: &'static str,
    /// Pointers and values of the answer.
    pub reply: &'static [(&'static str, &'static str)],
    pub empty: bool,
    /// Milliseconds.
    pub interval: u64,
    /// Milliseconds.
    pub timeout: u64,
    /// 0 = never by misses.
    pub max_missed: u32,
    /// Milliseconds; 0 = never by silence.
    pub max_quiet: u64,
    pub idle_only: bool,
}

const PING: Preset = Preset {
    name: "ws",
    style: "ping",
    send: "",
    reply: &[],
    empty: true,
    interval: 30_000,
    timeout: 30_000,
    max_missed: 1,
    max_quiet: 0,
    idle_only: false,
};

/// Sources: the README of ws 8 (isAlive), websockets 17, phoenix.js 1.8, SignalR js 10, Discord gateway
/// documents, stompjs 7, pusher-js 8, Rails 8 Action Cable.
pub(super) static PRESETS: [Preset; 8] = [
    PING,
    Preset {
        name: "websockets",
        empty: false,
        interval: 20_000,
        timeout: 20_000,
        ..PING
    },
    Preset {
        name: "phoenix",
        style: "json",
        send: r#"[null,"{{seq}}","phoenix","heartbeat",{}]"#,
        reply: &[("/1", "{{seq}}"), ("/3", "phx_reply")],
        ..PING
    },
    Preset {
        name: "signalr",
        style: "one_way",
        send: "{\"type\":6}\u{1e}",
        interval: 15_000,
        max_missed: 0,
        max_quiet: 30_000,
        ..PING
    },
    Preset {
        name: "discord",
        style: "json",
        send: r#"{"op":1,"d":{{seq}}}"#,
        reply: &[("/op", "11")],
        interval: 41_250,
        timeout: 41_250,
        ..PING
    },
    Preset {
        name: "stomp",
        style: "one_way",
        send: "\n",
        interval: 10_000,
        max_missed: 0,
        max_quiet: 20_000,
        ..PING
    },
    Preset {
        name: "pusher",
        style: "json",
        send: r#"{"event":"pusher:ping","data":{}}"#,
        reply: &[("/event", "pusher:pong")],
        interval: 120_000,
        timeout: 30_000,
        idle_only: true,
        ..PING
    },
    Preset {
        name: "actioncable",
        style: "none",
        interval: 3_000,
        max_missed: 0,
        max_quiet: 6_000,
        ..PING
    },
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_preset_is_in_the_table_of_keys() {
        let names = super::PRESETS.iter().map(|preset| preset.name);
        assert!(names.eq(super::super::tables::heartbeat::PRESETS));
    }
}
