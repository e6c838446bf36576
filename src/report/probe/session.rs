//! What was said on the open connection, a row a step.

use super::words::{self, time};
use crate::probe::seen::{Reply, Session};

/// (what was sent, what came).
pub fn rows(session: &Session) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let chosen = [
        ("subprotocol", &session.subprotocol),
        ("extensions", &session.extensions),
    ];
    for (name, value) in chosen {
        if let Some(value) = value {
            rows.push((name.to_owned(), words::short(value)));
        }
    }
    for step in &session.steps {
        let waited = matches!(step.reply, Reply::Nothing | Reply::NotSent);
        let link = if waited { "in" } else { "after" };
        let reply = words::reply(&step.reply);
        let text = format!("{reply} {link} {}", time(step.took_ms.0));
        rows.push((words::step(&step.kind), text));
    }
    if session.pings_ms.len() > 1 {
        rows.push(("pings".to_owned(), pings(session)));
    }
    if session.server_pings > 0 {
        let text = format!("{} of the server, answered", session.server_pings);
        rows.push(("pings".to_owned(), text));
    }
    if let Some(ended) = &session.ended {
        let text = format!("{} after {}", words::ended(ended), time(ended.at_ms.0));
        rows.push(("end".to_owned(), text));
    }
    rows
}

fn pings(session: &Session) -> String {
    let mut times: Vec<f64> = session.pings_ms.iter().map(|ms| ms.0).collect();
    times.sort_by(f64::total_cmp);
    let (middle, last) = (times.len() / 2, times.len() - 1);
    format!(
        "{} answered, median {}, longest {}",
        times.len(),
        time(times[middle]),
        time(times[last])
    )
}
