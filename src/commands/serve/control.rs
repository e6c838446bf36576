//! The server's end of the control channel: commands from stdin, answers on stdout. Nothing that
//! comes in can stop it but the end of stdin.

use std::io::{self, BufRead, Write};

use super::served::Served;
use crate::commands::control::{Answer, Command, Counts, Line, MAX_LINE, read_line};
use crate::units::TimeSpan;

/// Answers every line until there are no more, or nobody reads the answers.
pub fn obey(
    served: &dyn Served,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<()> {
    let overflows = listen_overflows();
    loop {
        let answer = match read_line(input)? {
            Line::End => return Ok(()),
            Line::TooLong => error(None, &format!("a line of more than {MAX_LINE} bytes")),
            Line::Text(line) if line.trim_ascii().is_empty() => continue,
            Line::Text(line) => match serde_json::from_slice(&line) {
                Ok(command) => act(served, command, overflows),
                Err(cause) => error(None, &format!("this line is no command: {cause}")),
            },
        };
        output.write_all(answer.line().as_bytes())?;
        output.flush()?;
    }
}

fn act(served: &dyn Served, command: Command, overflows: Option<u64>) -> Answer {
    match command {
        Command::Start {
            id,
            fault,
            duration,
        } => done(id, start(served, id, &fault, duration.as_deref())),
        Command::End { id } => done(id, served.end_fault(id)),
        Command::Totals => match served.counts() {
            Ok(counts) => Answer::Totals(Counts {
                listen_overflows: listen_overflows()
                    .zip(overflows)
                    .map(|(now, then)| now.saturating_sub(then)),
                ..counts
            }),
            Err(cause) => error(None, &cause.to_string()),
        },
        // Unknown is an answer too: whoever asks counts them.
        Command::Load => Answer::Load(served.load().unwrap_or_default()),
    }
}

fn start(served: &dyn Served, id: u64, fault: &str, duration: Option<&str>) -> Result<(), String> {
    let plan = fault.parse().map_err(|e| format!("{e}"))?;
    let duration = duration.map(str::parse::<TimeSpan>).transpose();
    let duration = duration.map_err(|e| format!("duration: {e}"))?;
    served.start_fault(id, plan, duration.map(|span| span.0))
}

fn done(id: u64, switched: Result<(), String>) -> Answer {
    match switched {
        Ok(()) => Answer::Done { id },
        Err(cause) => error(Some(id), &cause),
    }
}

fn error(id: Option<u64>, text: &str) -> Answer {
    Answer::Error {
        id,
        error: text.to_owned(),
    }
}

/// The host's counter of connections that found an accept queue full.
fn listen_overflows() -> Option<u64> {
    counter(
        &std::fs::read_to_string("/proc/net/netstat").ok()?,
        "ListenOverflows",
    )
}

/// Of `/proc/net/netstat`: a line of names, then a line of numbers.
fn counter(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut pairs = names.split_whitespace().zip(numbers.split_whitespace());
    pairs.find(|(known, _)| *known == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::server_flags::tests::plan;
    use crate::server::Server;

    fn answers(input: &str) -> Vec<Answer> {
        let running = Server::start(plan(), ([127, 0, 0, 1], 0).into()).expect("a free port");
        let mut output = Vec::new();
        obey(&running, &mut input.as_bytes(), &mut output).expect("memory");
        let lines = output
            .split(|byte| *byte == b'\n')
            .filter(|l| !l.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect()
    }

    #[test]
    fn every_line_has_its_answer_and_none_ends_it() {
        let long = "x".repeat(1 << 20);
        let input = [
            "garbage\n",
            "\n",
            "{\"do\":\"dance\"}\n",
            "\u{0}\u{1}\n",
            "{\"do\":\"start\",\"id\":1,\"fault\":\"freeze\"}\n",
            "{\"do\":\"start\",\"id\":1,\"fault\":\"drop_pongs\",\"duration\":\"x\"}\n",
            &long,
            "\n",
            "{\"do\":\"start\",\"id\":1,\"fault\":\"drop_pongs\"}\n",
            "{\"do\":\"start\",\"id\":1,\"fault\":\"drop_pongs\"}\n",
            "{\"do\":\"end\",\"id\":1}\n",
            "{\"do\":\"totals\"}\n",
            "{\"do\":\"tot",
        ]
        .concat();
        let answers = answers(&input);
        let shown: Vec<String> = answers
            .iter()
            .map(|answer| match answer {
                Answer::Done { id } => format!("done {id}"),
                Answer::Error { id, .. } => format!("error {id:?}"),
                Answer::Totals(counts) => format!("{} upgrades", counts.totals.upgrades),
                Answer::Load(load) => format!("{} threads", load.processes[0].threads.len()),
            })
            .collect();
        let none = "error None";
        assert_eq!(
            shown,
            [
                none,
                none,
                none,
                "error Some(1)",
                "error Some(1)",
                none,
                "done 1",
                "error Some(1)",
                "done 1",
                "0 upgrades",
                none
            ]
        );
    }

    #[test]
    fn the_hosts_counters_are_found_by_name() {
        let text =
            "TcpExt: A ListenOverflows B\nTcpExt: 1 23 4\nIpExt: ListenOverflows\nIpExt: 9\n";
        assert_eq!(counter(text, "ListenOverflows"), Some(23));
        assert_eq!(counter(text, "C"), None);
        assert_eq!(counter("", "A"), None);
    }
}
