//! What a run and its relay say to each other: one line of JSON each way, over stdin and stdout.
//!
//! `{"start":{"id":1,"toxic":{"kind":"timeout","share":"0.25"},"after_ms":2000,"duration_ms":5000}}`,
//! `{"end":{"id":1}}`, `{"totals":{}}`; answered by `{"ok":{"id":1}}`,
//! `{"error":{"id":1,"message":"..."}}`, `{"totals":{...}}`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::relay::Totals;
use crate::scenario::{TimedToxic, Toxic};

/// To the relay.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A toxic begins, now or later.
    Start {
        /// Chosen by the run.
        id: u64,
        /// Kind and keys, as in the scenario's file.
        toxic: BTreeMap<String, String>,
        /// Counts from when the command is read; none = now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
        /// None = until it is ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// A toxic ends.
    End {
        /// As it was started with.
        id: u64,
    },
    /// What has happened so far?
    Totals {},
}

/// From the relay.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done, or noted for later.
    Ok {
        /// Of the toxic.
        id: u64,
    },
    /// Not done.
    Error {
        /// Of the toxic, if the command was understood.
        id: Option<u64>,
        /// With its hint.
        message: String,
    },
    /// What has happened so far.
    Totals(Totals),
}

impl Command {
    /// Starts `toxic` so much later, for so long.
    pub fn start(id: u64, toxic: &Toxic, after: Option<Duration>, span: Option<Duration>) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let pairs = toxic.pairs().into_iter();
        let mut keys: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value)).collect();
        keys.insert("kind".to_owned(), toxic.kind.name().to_owned());
        Self::Start {
            id,
            toxic: keys,
            after_ms: after.map(ms),
            duration_ms: span.map(ms),
        }
    }
}

/// The toxic of a start command.
pub fn toxic(keys: &BTreeMap<String, String>) -> Result<Toxic, String> {
    let kind = keys.get("kind").map_or("", String::as_str);
    let rest = keys.iter().filter(|(key, _)| *key != "kind");
    let pairs: Vec<_> = rest
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let timed = TimedToxic::from_pairs(kind, &pairs).map_err(|error| error.to_string())?;
    Ok(timed.toxic)
}

/// One line.
pub fn line(message: &impl Serialize) -> String {
    // Maps with text keys and numbers: always JSON.
    let mut line = serde_json::to_string(message).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_replies_survive_the_line() {
        let text = "latency,latency=50ms,jitter=10ms,frames=text+ping,share=0.3";
        let timed: TimedToxic = text.parse().expect("a toxic");
        let seconds = Duration::from_secs(2);
        let command = Command::start(7, &timed.toxic, None, Some(seconds));
        let read: Command = serde_json::from_str(&line(&command)).expect("JSON");
        assert_eq!(read, command);
        let Command::Start { toxic: keys, .. } = read else {
            panic!("{read:?}");
        };
        assert_eq!(toxic(&keys), Ok(timed.toxic));
        assert_eq!(line(&Command::End { id: 1 }), "{\"end\":{\"id\":1}}\n");
        assert_eq!(line(&Command::Totals {}), "{\"totals\":{}}\n");
        assert_eq!(line(&Reply::Ok { id: 1 }), "{\"ok\":{\"id\":1}}\n");
        let totals = Reply::Totals(Totals::default());
        let read: Reply = serde_json::from_str(&line(&totals)).expect("JSON");
        assert_eq!(read, totals);
    }
}
