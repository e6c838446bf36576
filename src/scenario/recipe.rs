//! A scenario for another process of this program: not what was read, but how to read it again.
//!
//! Both read the same text with the same flags and the same environment, and a fingerprint over
//! everything that came of it tells whether it is the same scenario: a data file that changed in
//! between is noticed. Secrets are in the flags, so a replica only goes through a pipe.

use std::fmt::Write;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use super::{Overrides, Reconnect, Scenario, Statistics};

/// What a scenario was read with, beside its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The name of its file: others are looked for in its folder.
    pub file: String,
    /// The flags laid over it.
    pub overrides: Overrides,
    /// Whether `${NAME}` was looked up in the process's environment.
    pub environment: bool,
}

/// A scenario on its way to another process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    text: String,
    recipe: Recipe,
    /// What commands change after the reading.
    name: String,
    reconnect: Reconnect,
    source_addresses: Vec<IpAddr>,
    fingerprint: u64,
}

impl Replica {
    /// Of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            text: scenario.source.to_string(),
            recipe: scenario.recipe.clone(),
            name: scenario.name.clone(),
            reconnect: scenario.reconnect.clone(),
            source_addresses: scenario.target.source_addresses.clone(),
            fingerprint: fingerprint(scenario),
        }
    }

    /// The scenario.
    ///
    /// # Errors
    /// When it cannot be read any more, or has become another one.
    pub fn scenario(self, statistics: &Statistics<'_>) -> Result<Scenario, String> {
        let environment = self.recipe.environment;
        let env = |name: &str| std::env::var(name).ok().filter(|_| environment);
        let (file, overrides) = (&self.recipe.file, &self.recipe.overrides);
        let read = Scenario::parse(file, &self.text, overrides, &env, statistics);
        let mut scenario = read.map_err(|problems| problems.to_string())?;
        scenario.recipe.environment = environment;
        scenario.name = self.name;
        scenario.reconnect = self.reconnect;
        scenario.target.source_addresses = self.source_addresses;
        if fingerprint(&scenario) == self.fingerprint {
            Ok(scenario)
        } else {
            Err(
                "the scenario read as another one the second time\nhint: did a file that it names \
                 change, or is one a pipe, which can be read once only? --processes 1 reads it once"
                    .to_owned(),
            )
        }
    }
}

/// Of everything that a scenario says.
fn fingerprint(scenario: &Scenario) -> u64 {
    struct Hasher(Xxh3Default);
    impl Write for Hasher {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut hasher = Hasher(Xxh3Default::new());
    // The hasher takes everything.
    let _ = write!(hasher, "{scenario:?}");
    hasher.0.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Statistics<'static> {
        Statistics {
            kind: &|_| None,
            names: &[],
        }
    }

    fn scenario(folder: &std::path::Path) -> Scenario {
        let text = "name = \"x\"\n[[data]]\nfile = \"users.csv\"\n[target]\nurl = \"ws://h/{{row.user}}\"\n\
                    [load]\nstages = [ { duration = \"1s\", clients = 3 } ]\n";
        let file = folder.join("x.toml").display().to_string();
        let overrides = Overrides {
            seed: Some(7),
            headers: vec![("Cookie".to_owned(), "s3cr3t".to_owned())],
            ..Overrides::default()
        };
        let read = Scenario::parse(&file, text, &overrides, &|_| None, &none());
        read.unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn a_replica_is_the_same_scenario_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("users.csv");
        std::fs::write(&data, "user\na\nb\n").expect("written");
        let mut ours = scenario(folder.path());
        ours.reconnect = super::super::reconnect::preset("signalr").expect("known");
        ours.target.source_addresses = vec![IpAddr::from([127, 0, 0, 3])];
        let replica = Replica::of(&ours);
        let theirs = replica.clone().scenario(&none()).expect("read again");
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        std::fs::write(&data, "user\na\nc\n").expect("written");
        let error = replica.scenario(&none()).expect_err("changed");
        assert!(error.contains("a file that it names change"), "{error}");
    }
}
