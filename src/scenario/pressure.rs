//! How hard a plan presses its target at its peak, computed before it runs.
//!
//! Upper bounds where the plan has bounds. What goes as fast as the server answers has none: it is
//! reckoned with a round trip of [`ROUND_TRIP`] and kept apart, since only a question may rest on it.

use super::forecast::{once, schedules};
use super::{Limits, LoadModel, Scenario, Session, Stage, Step};

/// The round trip, in seconds, by which work that waits for answers is reckoned.
pub const ROUND_TRIP: f64 = 0.01;

/// What a plan asks of its target at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pressure {
    /// Dials a second: the steepest ascent or the most arrivals, and what clients dial that close by
    /// their own step; reconnects come on top. The cap may let less through.
    pub dials_per_s: f64,
    /// Messages a second that are scheduled, or that come with the arrivals of an open load.
    pub messages_per_s: f64,
    /// Messages a second of steps that wait for answers, reckoned.
    pub looped_messages_per_s: f64,
    /// Clients at once.
    pub clients: u32,
}

/// Something of which a plan asks more than it may.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excess {
    /// What is counted: `dials/s`, `messages/s`, `clients`.
    pub unit: &'static str,
    /// What the plan asks for.
    pub planned: f64,
    /// What it may ask for.
    pub allowed: u64,
    /// The flag that sets the limit.
    pub flag: &'static str,
}

/// More than this of any of the three, on somebody else's machine, needs an explicit yes.
pub const UNASKED: Limits = Limits {
    dials_per_s: 100,
    messages_per_s: Some(1_000),
    clients: Some(1_000),
};

impl Pressure {
    /// Of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let load = &scenario.load;
        let open = matches!(load.model, LoadModel::Open { .. });
        let clients = load.max_clients();
        let arrivals = if open {
            load.stages.iter().map(|s| s.goal).fold(0.0, f64::max)
        } else {
            steepest(&load.stages)
        };
        let weights: u32 = scenario.sessions.iter().map(|session| session.weight).sum();
        let (mut scheduled, mut looped, mut again) = (0.0, 0.0, 0.0);
        for session in &scenario.sessions {
            let share = f64::from(session.weight) / f64::from(weights.max(1));
            let clients = f64::from(clients) * share;
            let rates = schedules(&session.steps).map(|(period, _)| 1.0 / period);
            scheduled += clients * rates.sum::<f64>();
            looped += clients * loop_rate(&session.steps);
            if open {
                scheduled += arrivals * share * once(&session.steps);
            } else if let Some(life) = life(session) {
                // The same client dials again at once.
                again += clients / life;
                looped += clients / life * once(&session.steps);
            }
        }
        Self {
            dials_per_s: arrivals + again,
            messages_per_s: scheduled,
            looped_messages_per_s: looped,
            clients,
        }
    }

    /// What is beyond the caps of a run. Dials are not: those beyond their cap wait.
    pub fn beyond(&self, limits: &Limits) -> Vec<Excess> {
        self.excesses(limits, self.messages_per_s)
    }

    /// What needs an explicit yes when the target is somebody else's machine.
    pub fn unasked(&self, limits: &Limits) -> Vec<Excess> {
        let dials = Excess {
            unit: "dials/s",
            planned: self.dials_per_s.min(limits.dials_per_s as f64),
            allowed: UNASKED.dials_per_s,
            flag: "--max-dials-per-s",
        };
        let mut found = self.excesses(&UNASKED, self.messages_per_s + self.looped_messages_per_s);
        if dials.planned > dials.allowed as f64 {
            found.insert(0, dials);
        }
        found
    }

    fn excesses(&self, limits: &Limits, messages_per_s: f64) -> Vec<Excess> {
        let clients = f64::from(self.clients);
        let rows = [
            (
                "messages/s",
                messages_per_s,
                limits.messages_per_s,
                "--max-messages-per-s",
            ),
            ("clients", clients, limits.clients, "--max-clients"),
        ];
        let excess = |(unit, planned, allowed, flag)| {
            let allowed: u64 = allowed?;
            // Rates are sums of quotients: 1,000.0000001 is 1,000.
            (planned > allowed as f64 * (1.0 + 1e-9)).then_some(Excess {
                unit,
                planned,
                allowed,
                flag,
            })
        };
        rows.into_iter().filter_map(excess).collect()
    }
}

/// Clients started a second in the steepest ascent of a closed load.
fn steepest(stages: &[Stage]) -> f64 {
    let mut level = 0.0;
    let mut most = 0.0;
    for stage in stages {
        most = f64::max(most, (stage.goal - level) / stage.duration.as_secs_f64());
        level = stage.goal;
    }
    most
}

/// Messages a second of one client that sends the same again and again without a schedule.
fn loop_rate(steps: &[Step]) -> f64 {
    let rate = |step: &Step| match step {
        Step::Repeat { times: None, steps } => {
            Some(once(steps) / length(steps).unwrap_or(f64::INFINITY).max(ROUND_TRIP))
        }
        _ => None,
    };
    steps.iter().find_map(rate).unwrap_or(0.0)
}

/// Seconds from one dial to the next of a client whose steps end with a close; `None` = they do not.
fn life(session: &Session) -> Option<f64> {
    let close = session
        .steps
        .iter()
        .position(|step| matches!(step, Step::Close { .. }))?;
    // The upgrade and the close wait for an answer each.
    Some(length(&session.steps[..close])? + 2.0 * ROUND_TRIP)
}

/// Seconds that steps last at least; `None` = until the end.
fn length(steps: &[Step]) -> Option<f64> {
    let mut sum = 0.0;
    for step in steps {
        sum += match step {
            Step::Send(send) if send.blocking && send.schedule.is_none() => ROUND_TRIP,
            Step::Expect(_) | Step::Ping { .. } => ROUND_TRIP,
            // Schedules run beside the steps that follow.
            Step::Send(_) | Step::Close { .. } => 0.0,
            Step::Pause { min, .. } => min.as_secs_f64(),
            Step::Repeat { times: None, .. } => return None,
            Step::Repeat {
                times: Some(times),
                steps,
            } => *times as f64 * length(steps)?,
        };
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, Statistics};
    use super::*;

    fn pressure(load: &str, steps: &str) -> Pressure {
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = format!(
            "name = \"x\"\n[target]\nurl = \"ws://h/\"\n[load]\n{load}\n[[session]]\n{steps}"
        );
        let none = Overrides::default();
        let read = Scenario::parse("x.toml", &text, &none, &|_| None, &statistics);
        Pressure::of(&read.unwrap_or_else(|problems| panic!("{problems}")))
    }

    const HOLD: &str = "stages = [ { duration = \"2s\", clients = 200 }, { duration = \"10s\", clients = 200 }, { duration = \"1s\", clients = 250 } ]";
    const OPEN: &str = "model = \"open\"\nmax_clients = 50\nstages = [ { duration = \"10s\", arrivals_per_s = 20 } ]";

    #[test]
    fn a_plan_presses_by_its_ascents_its_schedules_and_its_loops() {
        for (load, steps, dials, messages, looped) in [
            (HOLD, "", 100.0, 0.0, 0.0),
            (
                HOLD,
                "[[session.step]]\nevery = \"2/s\"\nsend = \"x\"\n",
                100.0,
                500.0,
                0.0,
            ),
            // One message in 10 ms + 90 ms of each of 250 clients.
            (
                HOLD,
                "[[session.step]]\nrepeat = { steps = [ { send = \"x\", expect = { echo = true } }, { pause = \"90ms\" } ] }\n",
                100.0,
                0.0,
                2_500.0,
            ),
            // A new dial each 500 ms + 10 ms for each answer of the upgrade, the message, the close.
            (
                HOLD,
                "[[session.step]]\npause = \"470ms\"\n[[session.step]]\nsend = \"x\"\nexpect = { echo = true }\n[[session.step]]\nclose = {}\n",
                600.0,
                0.0,
                500.0,
            ),
            // Two messages with each arrival; whoever closed is gone.
            (
                OPEN,
                "[[session.step]]\nrepeat = { times = 2, steps = [ { send = \"x\" } ] }\n[[session.step]]\nclose = {}\n",
                20.0,
                40.0,
                0.0,
            ),
            (
                OPEN,
                "[[session.step]]\nevery = \"1s\"\nsend = \"x\"\n",
                20.0,
                50.0,
                0.0,
            ),
        ] {
            let got = pressure(load, steps);
            let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
            assert!(near(got.dials_per_s, dials), "{steps}: {got:?}");
            assert!(near(got.messages_per_s, messages), "{steps}: {got:?}");
            assert!(near(got.looped_messages_per_s, looped), "{steps}: {got:?}");
        }
    }

    #[test]
    fn dials_that_the_cap_holds_back_need_no_yes() {
        let plan = pressure("stages = [ { duration = \"1ms\", clients = 500 } ]", "");
        let capped = Limits {
            dials_per_s: 100,
            ..Limits::ELSEWHERE
        };
        assert_eq!(plan.unasked(&capped), []);
        assert_eq!(plan.unasked(&Limits::ELSEWHERE)[0].planned, 1_000.0);
    }

    #[test]
    fn only_what_is_above_a_limit_is_beyond_it() {
        let at = |dials_per_s, messages_per_s, looped_messages_per_s, clients| Pressure {
            dials_per_s,
            messages_per_s,
            looped_messages_per_s,
            clients,
        };
        let units = |found: Vec<Excess>| found.iter().map(|e| e.unit).collect::<Vec<_>>();
        for (plan, unasked, beyond) in [
            (at(100.0, 1_000.0, 0.0, 1_000), vec![], vec![]),
            (at(101.0, 0.0, 0.0, 1), vec!["dials/s"], vec![]),
            (at(1.0, 600.0, 500.0, 1), vec!["messages/s"], vec![]),
            (at(1.0, 10_000.0, 9e9, 1), vec!["messages/s"], vec![]),
            (
                at(1e6, 10_001.0, 0.0, 10_001),
                vec!["dials/s", "messages/s", "clients"],
                vec!["messages/s", "clients"],
            ),
        ] {
            assert_eq!(units(plan.unasked(&Limits::ELSEWHERE)), unasked, "{plan:?}");
            assert_eq!(units(plan.beyond(&Limits::ELSEWHERE)), beyond, "{plan:?}");
            assert_eq!(units(plan.beyond(&Limits::LOOPBACK)), [""; 0], "{plan:?}");
        }
    }
}
