//! The faults of a run: what was planned, and what really happened when.

use serde::{Deserialize, Serialize};

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Our own clients.
    Client,
    /// The built-in server.
    Server,
    /// The relay.
    Relay,
}

/// A fault at one of its times. Times are in seconds from the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Which of all times of all faults of the run it is, from 0.
    #[serde(default)]
    pub occurrence: usize,
    /// Its place among the scenario's faults, from 0.
    pub fault: usize,
    /// Its kind, as in the scenario.
    pub kind: String,
    /// Who does it.
    pub by: By,
    /// When it was to begin.
    pub planned_s: f64,
    /// When the command to begin was given.
    pub sent_s: f64,
    /// When its doer had confirmed it.
    pub acked_s: Option<f64>,
    /// When it ends; absent = in an instant, or with the run.
    pub until_s: Option<f64>,
    /// It happens in an instant.
    #[serde(default)]
    pub instant: bool,
    /// Our own clients that it hit; absent for faults of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<u64>,
    /// Why it did not happen.
    pub error: Option<String>,
}

impl FaultRecord {
    /// Whether it works between two times.
    fn is_active(&self, start_s: f64, end_s: f64) -> bool {
        let until = match self.until_s {
            Some(until) => until,
            None if self.instant => self.sent_s,
            None => f64::INFINITY,
        };
        self.error.is_none() && self.sent_s < end_s && until >= start_s
    }
}

/// The kinds active between two times, each once, in the order of their beginnings.
pub fn active(records: &[FaultRecord], start_s: f64, end_s: f64) -> String {
    let mut names: Vec<&str> = Vec::new();
    for record in records.iter().filter(|r| r.is_active(start_s, end_s)) {
        if !names.contains(&record.kind.as_str()) {
            names.push(&record.kind);
        }
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, sent_s: f64, until_s: Option<f64>) -> FaultRecord {
        FaultRecord {
            occurrence: 0,
            clients: None,
            fault: 0,
            kind: kind.to_owned(),
            by: By::Server,
            planned_s: sent_s,
            sent_s,
            acked_s: Some(sent_s),
            until_s,
            instant: kind == "drop_connections",
            error: None,
        }
    }

    #[test]
    fn an_interval_names_what_was_active_in_it() {
        let mut failed = record("backlog", 1.0, None);
        failed.error = Some("no".to_owned());
        let records = [
            record("restart_server", 1.5, Some(3.0)),
            record("drop_connections", 2.5, None),
            record("drop_pongs", 4.2, None),
            record("drop_pongs", 4.3, None),
            failed,
        ];
        let of = |second: u32| active(&records, f64::from(second), f64::from(second + 1));
        let seconds: Vec<String> = (0..6).map(of).collect();
        assert_eq!(
            seconds,
            [
                "",
                "restart_server",
                "restart_server drop_connections",
                "restart_server",
                "drop_pongs",
                "drop_pongs"
            ]
        );
    }
}
