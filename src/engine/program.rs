//! A session's steps as a flat program: what a client runs without recursion.

use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{Reply, SendStep, Session, Step};

/// One instruction; the numbers are positions in the lists of [`Program`].
#[derive(Clone, Debug)]
pub enum Op {
    /// Send once, and wait for the answer if the step blocks.
    Send(usize),
    /// Start the schedule of a step; go on at once.
    Start(usize),
    /// Wait for a message the server sends by itself.
    Expect(usize),
    /// Wait.
    Pause {
        /// Shortest.
        min: Duration,
        /// Longest.
        max: Duration,
    },
    /// A control ping and its pong.
    Ping {
        /// How long to wait for the pong.
        timeout: Duration,
    },
    /// Jump back to `to` unless the loop's counter has reached `times`.
    Again {
        /// Which counter.
        counter: usize,
        /// Rounds; `None` = until the end of the run.
        times: Option<u64>,
        /// First instruction of the loop.
        to: usize,
    },
    /// Close handshake; the session ends.
    Close {
        /// Close code.
        code: u16,
        /// Close reason.
        reason: Arc<str>,
    },
}

/// A compiled session.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Instructions in order.
    pub ops: Vec<Op>,
    /// Steps of [`Op::Send`] and [`Op::Start`], in file order.
    pub sends: Vec<Arc<SendStep>>,
    /// Questions of [`Op::Expect`], in file order.
    pub expects: Vec<Arc<Reply>>,
    /// For each send, which of the session's delivery groups is its own.
    pub group_of: Vec<Option<usize>>,
    /// Loops, for their counters.
    pub counters: usize,
    /// Whether it ends with the run: it has a schedule or an endless loop, or no steps at all.
    pub lasts: bool,
}

impl Program {
    /// Flattens a session.
    pub fn compile(session: &Session) -> Self {
        let mut program = Self {
            lasts: session.steps.is_empty(),
            ..Self::default()
        };
        program.append(&session.steps);
        program
    }

    fn append(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Send(send) => {
                    let position = self.sends.len();
                    let delivery = self.sends.iter().filter_map(|s| s.delivery.as_ref());
                    let groups = delivery.filter(|d| d.group.is_some()).count();
                    let own = send.delivery.as_ref().and_then(|d| d.group.as_ref());
                    self.group_of.push(own.map(|_| groups));
                    self.sends.push(Arc::clone(send));
                    let scheduled = send.schedule.as_ref();
                    self.lasts |= scheduled.is_some_and(|s| s.count.is_none());
                    self.ops.push(match scheduled {
                        Some(_) => Op::Start(position),
                        None => Op::Send(position),
                    });
                }
                Step::Expect(reply) => {
                    self.ops.push(Op::Expect(self.expects.len()));
                    self.expects.push(Arc::clone(reply));
                }
                Step::Pause { min, max } => self.ops.push(Op::Pause {
                    min: *min,
                    max: *max,
                }),
                Step::Ping { timeout } => self.ops.push(Op::Ping { timeout: *timeout }),
                Step::Close { code, reason } => self.ops.push(Op::Close {
                    code: *code,
                    reason: reason.as_str().into(),
                }),
                Step::Repeat { times, steps } => self.append_loop(*times, steps),
            }
        }
    }

    fn append_loop(&mut self, times: Option<u64>, steps: &[Step]) {
        let (to, counter) = (self.ops.len(), self.counters);
        self.counters += 1;
        self.lasts |= times.is_none();
        self.append(steps);
        self.ops.push(Op::Again { counter, times, to });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_jump_back_over_their_own_steps() {
        let pause = Step::Pause {
            min: Duration::ZERO,
            max: Duration::ZERO,
        };
        let inner = Step::Repeat {
            times: Some(2),
            steps: vec![pause.clone()],
        };
        let session = Session {
            name: "s".to_owned(),
            weight: 1,
            steps: vec![
                pause.clone(),
                Step::Repeat {
                    times: Some(3),
                    steps: vec![inner, pause],
                },
            ],
        };
        let program = Program::compile(&session);
        let shown: Vec<String> = program
            .ops
            .iter()
            .map(|op| match op {
                Op::Again { counter, to, .. } => format!("again {counter} to {to}"),
                Op::Pause { .. } => "pause".to_owned(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            shown,
            ["pause", "pause", "again 1 to 1", "pause", "again 0 to 1"]
        );
        assert!(!program.lasts);
    }
}
