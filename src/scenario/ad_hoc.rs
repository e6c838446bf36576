//! A scenario made from a bare URL: an echo, open or closed, with heartbeats.

use std::fmt::Write;
use std::time::Duration;

use super::problem::Problems;
use super::threshold::Statistics;
use super::{Overrides, Scenario};
use crate::units::TimeSpan;

/// What `wsbench run ws://...` is told by its flags.
#[derive(Clone, Debug, PartialEq)]
pub struct AdHoc {
    /// `ws://` or `wss://`; templates are allowed.
    pub url: String,
    /// Kept connected.
    pub clients: u32,
    /// Messages per second of all clients together; `None` = closed loop, each client sends its next
    /// message when the previous one came back.
    pub rate: Option<f64>,
    /// Of the whole load; warm-up (a tenth, at most 2 s) included.
    pub duration: Duration,
    /// Bytes of a message.
    pub size: usize,
}

impl Default for AdHoc {
    fn default() -> Self {
        Self {
            url: String::new(),
            clients: 10,
            rate: None,
            duration: Duration::from_secs(10),
            size: 64,
        }
    }
}

impl Scenario {
    /// Makes the scenario as text and reads it, so that what is saved can be run again.
    pub fn ad_hoc(options: &AdHoc, overrides: &Overrides) -> Result<Self, Problems> {
        let name = "the flags of an ad-hoc run";
        let fail = |message: &str, hint: &str| Err(Problems::whole(name, message.to_owned(), hint));
        if options.clients == 0 {
            return fail(
                "a run needs at least one client",
                "write for example --clients 10",
            );
        }
        if options.size > MAX_SIZE {
            return fail(
                "messages of more than 16 MiB",
                "write for example --size 64",
            );
        }
        if options.duration < Duration::from_millis(10) {
            return fail(
                "a run needs at least 10 ms",
                "write for example --duration 10s",
            );
        }
        let every = match options.rate {
            None => None,
            Some(rate) => {
                let seconds = f64::from(options.clients) / rate;
                match Duration::try_from_secs_f64(seconds) {
                    Ok(period) if rate > 0.0 && !period.is_zero() && period < LONGEST_PERIOD => {
                        Some(period)
                    }
                    _ => return fail("the rate is out of range", "write for example --rate 100/s"),
                }
            }
        };
        let text = text(options, every);
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        Self::parse(name, &text, overrides, &|_| None, &statistics)
    }
}

const MAX_SIZE: usize = 16 << 20;
const LONGEST_PERIOD: Duration = Duration::from_secs(86_400);

fn text(options: &AdHoc, every: Option<Duration>) -> String {
    let warm_up = (options.duration / 10).min(Duration::from_secs(2));
    // Everybody is connected half-way through the warm-up.
    let ramp = warm_up / 2;
    let clients = options.clients;
    let max = options.size.max(1 << 20);
    let mut out = String::from("name = \"ad-hoc\"\ndescription = \"Echo of a bare URL.\"\n");
    let mut push = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{line}");
    };
    push(format!(
        "\n[target]\nurl = {}\nmax_message = {max}",
        quote(&options.url)
    ));
    push(format!(
        "\n[load]\nwarm_up = \"{}\"\ndrain = \"5s\"",
        TimeSpan(warm_up)
    ));
    push("stages = [".to_owned());
    push(format!(
        "  {{ duration = \"{}\", clients = {clients} }},",
        TimeSpan(ramp)
    ));
    let hold = TimeSpan(options.duration - ramp);
    push(format!(
        "  {{ duration = \"{hold}\", clients = {clients} }},\n]"
    ));
    let send = quote(&payload(options.size));
    let timeout = TimeSpan(options.duration.min(Duration::from_secs(5)));
    push("\n[[session]]\nname = \"echo\"\n[[session.step]]".to_owned());
    match every {
        Some(period) => {
            push(format!("every = \"{}\"\nsend = {send}", TimeSpan(period)));
            push(format!(
                "reply = {{ echo = true, timeout = \"{timeout}\" }}"
            ));
        }
        None => push(format!(
            "repeat = {{ steps = [ {{ send = {send}, expect = {{ echo = true, timeout = \"{timeout}\" }} }} ] }}"
        )),
    }
    out
}

/// Exactly `size` bytes; begins with the client and the message number when both fit (fixed widths).
fn payload(size: usize) -> String {
    const CLIENT_AND_SEQ: &str = "{{10000000 + client}}-{{1000000000 + seq}} ";
    const SEQ: &str = "{{1000000000 + seq}} ";
    let (start, length) = match size {
        20.. => (CLIENT_AND_SEQ, 20),
        11.. => (SEQ, 11),
        _ => ("", 0),
    };
    match size - length {
        0 => start.to_owned(),
        rest => format!("{start}{{{{text {rest}}}}}"),
    }
}

/// A TOML basic string; `${` is kept from being a reference.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Context, Payload, ScheduleKind, Step};
    use super::*;

    fn options(url: &str) -> AdHoc {
        AdHoc {
            url: url.to_owned(),
            ..AdHoc::default()
        }
    }

    #[test]
    fn a_rate_is_an_open_schedule_of_each_client() {
        let options = AdHoc {
            clients: 20,
            rate: Some(100.0),
            ..options("ws://127.0.0.1:9001/")
        };
        let scenario = Scenario::ad_hoc(&options, &Overrides::default()).expect("good");
        let Step::Send(send) = &scenario.sessions[0].steps[0] else {
            panic!("a send");
        };
        let schedule = send.schedule.as_ref().expect("a schedule");
        assert_eq!(schedule.period, Duration::from_millis(200));
        assert_eq!(schedule.kind, ScheduleKind::Fixed);
        assert!(!send.blocking);
        assert_eq!(scenario.load.duration(), Duration::from_secs(10));
        assert_eq!(scenario.load.warm_up, Duration::from_secs(1));
        assert_eq!(scenario.load.max_clients(), 20);
        assert!(scenario.warnings.is_empty(), "{:?}", scenario.warnings);
    }

    #[test]
    fn without_a_rate_it_is_a_closed_loop_of_exact_size() {
        for size in [0, 1, 10, 11, 12, 20, 21, 64, 70_000, 2 << 20] {
            let options = AdHoc {
                size,
                ..options("ws://h/")
            };
            let scenario = Scenario::ad_hoc(&options, &Overrides::default()).expect("good");
            let Step::Repeat { times: None, steps } = &scenario.sessions[0].steps[0] else {
                panic!("an endless repeat");
            };
            let Step::Send(send) = &steps[0] else {
                panic!("a send");
            };
            assert!(send.blocking);
            let Payload::Text(template) = &send.payload else {
                panic!("text");
            };
            for (client, seq) in [(0, 0), (9_999_999, 999_999_999)] {
                let mut out = Vec::new();
                let context = Context {
                    client,
                    seq,
                    ..Context::default()
                };
                template.render(&context, &mut fastrand::Rng::with_seed(1), &mut out);
                assert_eq!(out.len(), size);
            }
            assert!(scenario.target.max_message >= size);
        }
    }

    #[test]
    fn flags_are_laid_over_it_and_wrong_ones_refused() {
        let overrides = Overrides {
            headers: vec![("Authorization".to_owned(), "Bearer t0ken".to_owned())],
            seed: Some(9),
            ..Overrides::default()
        };
        let scenario = Scenario::ad_hoc(&options("wss://h/?token=abcd"), &overrides).expect("good");
        assert_eq!(scenario.seed, 9);
        assert_eq!(scenario.target.headers.len(), 1);
        assert_eq!(scenario.secrets, ["Bearer t0ken", "abcd", "t0ken"]);
        for (options, reason) in [
            (options("http://h/"), "not a WebSocket URL"),
            (
                AdHoc {
                    clients: 0,
                    ..options("ws://h/")
                },
                "at least one client",
            ),
            (
                AdHoc {
                    rate: Some(f64::NAN),
                    ..options("ws://h/")
                },
                "rate is out of range",
            ),
            (
                AdHoc {
                    rate: Some(0.0),
                    ..options("ws://h/")
                },
                "rate is out of range",
            ),
            (
                AdHoc {
                    rate: Some(-1.0),
                    ..options("ws://h/")
                },
                "rate is out of range",
            ),
            (
                AdHoc {
                    rate: Some(1e300),
                    ..options("ws://h/")
                },
                "rate is out of range",
            ),
            (
                AdHoc {
                    duration: Duration::ZERO,
                    ..options("ws://h/")
                },
                "at least 10 ms",
            ),
            (
                AdHoc {
                    size: usize::MAX,
                    ..options("ws://h/")
                },
                "16 MiB",
            ),
            (options("ws://h/\"\n${X}{{seq}}"), "seq"),
        ] {
            let problems = Scenario::ad_hoc(&options, &Overrides::default()).expect_err(reason);
            assert!(problems.to_string().contains(reason), "{problems}");
        }
    }
}
