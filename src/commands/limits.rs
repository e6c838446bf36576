//! Plans that ask too much of their target, refused or questioned before anything is dialled.

use crate::report::view::count;
use crate::scenario::pressure::{Excess, ROUND_TRIP, UNASKED};
use crate::scenario::{Pressure, Scenario, Step, redact, redact_url};

/// Why a plan is not run, in two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the plan asks for and what is allowed.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

/// What is beyond the run's caps: not even an explicit yes lets it pass.
pub fn beyond(scenario: &Scenario) -> Option<Refusal> {
    let found = Pressure::of(scenario).beyond(&scenario.limits);
    if found.is_empty() {
        return None;
    }
    let raise = |excess: &Excess| format!("{} {}", excess.flag, rounded(excess));
    let raise: Vec<_> = found.iter().map(raise).collect();
    Some(Refusal {
        reason: format!("the plan asks for {}", against(&found, "the limit is")),
        hint: format!(
            "lower the load, or raise the limit if the target can take it: {}",
            raise.join(" ")
        ),
    })
}

/// What needs an explicit yes, since the target is not this machine.
pub fn unasked(scenario: &Scenario) -> Option<Refusal> {
    let target = &scenario.target;
    let elsewhere = target.urls.iter().find(|url| !target.leads_here(url))?;
    let pressure = Pressure::of(scenario);
    let found = pressure.unasked(&scenario.limits);
    if found.is_empty() {
        return None;
    }
    let url = redact_url(&elsewhere.to_string());
    let asked = against(&found, "without a question up to");
    let reckoned = pressure.looped_messages_per_s > 0.0
        && found.iter().any(|excess| excess.unit == "messages/s");
    let note = if reckoned {
        let millis = (ROUND_TRIP * 1e3) as u64;
        format!("; what is sent as fast as it is answered is reckoned with {millis} ms an answer")
    } else {
        String::new()
    };
    let slow = found.iter().any(|excess| excess.unit == "dials/s");
    let slower = if slow {
        format!(" or --max-dials-per-s {}", UNASKED.dials_per_s)
    } else {
        String::new()
    };
    let reason =
        format!("the target {url} is not this machine, and the plan asks for {asked}{note}");
    Some(Refusal {
        reason: redact(&reason, &scenario.secrets).into_owned(),
        hint: format!(
            "is it yours to load? then say --yes (or WSBENCH_YES=1); else lower the load{slower}"
        ),
    })
}

/// What cannot be counted when clients are spread over processes.
pub fn apart(scenario: &Scenario, processes: u16) -> Option<Refusal> {
    let groups = |step: &Step| match step {
        Step::Send(send) => send.delivery.as_ref().is_some_and(|d| d.group.is_some()),
        _ => false,
    };
    let grouped = scenario.sessions.iter().any(|s| s.steps.iter().any(groups));
    (processes > 1 && grouped).then(|| Refusal {
        reason: format!(
            "the clients of a group (`delivery.group`) count each other's messages, which they can \
             in one process only, and this run takes {processes}"
        ),
        hint: "run fewer clients, raise the hard limit of descriptors (`ulimit -Hn`, systemd \
               LimitNOFILE=), or leave `group` out: deliveries are then timed, but not counted as \
               missing"
            .to_owned(),
    })
}

/// The caps and what the plan asks for, in a line.
pub fn in_words(scenario: &Scenario) -> String {
    let limits = &scenario.limits;
    let mut text = format!("{} dials/s", count(limits.dials_per_s));
    for (limit, unit) in [
        (limits.messages_per_s, "messages/s"),
        (limits.clients, "clients"),
    ] {
        text += &match limit {
            Some(limit) => format!(", {} {unit}", count(limit)),
            None => format!(", any {unit}"),
        };
    }
    let dials = Pressure::of(scenario).dials_per_s;
    if dials > limits.dials_per_s as f64 {
        let dials = count(dials.ceil() as u64);
        text += &format!("; of the {dials} dials/s planned those beyond it wait");
    }
    text
}

fn against(found: &[Excess], limit: &str) -> String {
    let each = found.iter().map(|excess| {
        let (planned, allowed) = (count(rounded(excess)), count(excess.allowed));
        format!("{planned} {} ({limit} {allowed})", excess.unit)
    });
    each.collect::<Vec<_>>().join(", ")
}

fn rounded(excess: &Excess) -> u64 {
    excess.planned.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, Statistics};

    fn scenario(url: &str, rest: &str) -> Scenario {
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = format!("name = \"x\"\n[target]\nurl = \"{url}\"\n{rest}");
        let none = Overrides::default();
        let read = Scenario::parse("x.toml", &text, &none, &|_| None, &statistics);
        read.unwrap_or_else(|problems| panic!("{problems}"))
    }

    const STEEP: &str = "[load]\nstages = [ { duration = \"10s\", clients = 20000 } ]\n";

    #[test]
    fn a_plan_against_this_machine_is_not_questioned() {
        let scenario = scenario("ws://127.0.0.1:1/", STEEP);
        assert_eq!((beyond(&scenario), unasked(&scenario)), (None, None));
        assert_eq!(
            in_words(&scenario),
            "50,000 dials/s, any messages/s, any clients"
        );
    }

    #[test]
    fn a_plan_against_another_needs_a_yes_and_keeps_to_the_caps() {
        let scenario = scenario("wss://example.com/?token=s3cr3t-t0ken", STEEP);
        let refusal = beyond(&scenario).expect("20,000 clients");
        assert_eq!(
            refusal.reason,
            "the plan asks for 20,000 clients (the limit is 10,000)"
        );
        assert!(refusal.hint.ends_with("--max-clients 20000"), "{refusal:?}");
        let question = unasked(&scenario).expect("not asked");
        assert!(!question.reason.contains("s3cr3t"), "{question:?}");
        assert!(
            question
                .reason
                .contains("1,000 dials/s (without a question up to 100)"),
            "the cap lets no more through: {question:?}"
        );
        assert!(question.hint.contains("--yes"), "{question:?}");
        assert!(in_words(&scenario).contains("of the 2,000 dials/s planned"));
    }

    #[test]
    fn a_closed_loop_is_questioned_by_what_it_could_send() {
        let rest = |clients: u32| {
            format!(
                "[load]\nstages = [ {{ duration = \"10s\", clients = {clients} }} ]\n[[session]]\n[[session.step]]\nrepeat = {{ steps = [ {{ send = \"x\", expect = {{ echo = true }} }} ] }}\n"
            )
        };
        let url = "ws://example.com/";
        assert_eq!(unasked(&scenario(url, &rest(10))), None);
        let question = unasked(&scenario(url, &rest(11))).expect("1,100/s");
        assert!(question.reason.contains("10 ms an answer"), "{question:?}");
        assert_eq!(beyond(&scenario(url, &rest(200))), None);
    }
}
