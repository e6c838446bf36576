//! What all shards of a run share: the scenario made ready to execute. Nothing in it changes but
//! the books of broadcasts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::faults::{self, Occurrence};
use super::groups::Groups;
use super::heartbeat::Rule;
use super::identity::Door;
use super::live::StepQuestions;
use super::matching::Matchers;
use super::program::Program;
use super::schedule::{Deal, LoadCurve, Phases};
use crate::clock::Epoch;
use crate::metrics::Origin;
use crate::scenario::{LoadModel, Scenario};
use crate::wire::{
    ClientTls, DialSettings, Limits, Override, TlsError, TlsSettings, TlsVersion, Url, client_tls,
};

/// A scenario ready to run.
#[derive(Debug)]
pub struct Plan {
    /// Where offsets count from.
    pub epoch: Epoch,
    /// What is asked for.
    pub scenario: Arc<Scenario>,
    /// When warm-up, measure and drain end.
    pub phases: Phases,
    /// When clients start and stop.
    pub curve: LoadCurve,
    /// Which client plays which session.
    pub deal: Deal,
    /// Where clients dial, by position in the target's URLs, if all that get one see the same.
    pub doors: Vec<Option<Arc<Door>>>,
    /// A program for each session.
    pub programs: Vec<Arc<Program>>,
    /// The matchers of each session.
    pub matchers: Vec<Arc<Matchers>>,
    /// Which question each step of each session asks.
    pub questions: Vec<StepQuestions>,
    /// When a connection counts as dead; `None` = it is never judged.
    pub rule: Option<Arc<Rule>>,
    /// Who expects whose broadcasts.
    pub groups: Groups,
    /// What goes wrong, in order of time.
    pub faults: Vec<Occurrence>,
    /// Generator threads.
    pub shards: u16,
    /// For `wss://`.
    pub tls: Option<ClientTls>,
    /// Where clients connect instead of the target's address; set by whoever started a relay there.
    pub via: Option<SocketAddr>,
}

/// How often an interval is cut.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// Most bytes a connection may have waiting to be written.
const MAX_OUTBOUND: usize = 1 << 20;

impl Plan {
    /// Compiles a scenario. The epoch is read here: the run starts now.
    ///
    /// # Errors
    /// When TLS files cannot be read or do not fit together.
    pub fn new(scenario: Arc<Scenario>, shards: u16) -> Result<Self, TlsError> {
        let tls = needs_tls(&scenario)
            .then(|| client_tls(&tls_settings(&scenario)))
            .transpose()?;
        let sessions = &scenario.sessions;
        let programs: Vec<Arc<Program>> = sessions
            .iter()
            .map(|s| Arc::new(Program::compile(s)))
            .collect();
        let matchers: Vec<Arc<Matchers>> = sessions
            .iter()
            .map(|s| Arc::new(Matchers::compile(s, &scenario.heartbeat)))
            .collect();
        let questions = programs
            .iter()
            .zip(&matchers)
            .map(|(program, matchers)| StepQuestions::of(program, matchers))
            .collect();
        let phases = Phases::of(&scenario.load);
        Ok(Self {
            faults: faults::occurrences(&scenario, &phases),
            phases,
            curve: LoadCurve::new(&scenario.load, scenario.seed),
            deal: Deal::new(sessions.iter().map(|s| s.weight)),
            doors: Door::shared(&scenario.target),
            programs,
            matchers,
            questions,
            rule: Rule::of(&scenario.heartbeat).map(Arc::new),
            groups: Groups::default(),
            shards: shards.max(1),
            tls,
            via: None,
            epoch: Epoch::now(),
            scenario,
        })
    }

    /// Whether something that began at `at` enters totals.
    pub fn origin(&self, at: crate::clock::Offset) -> Origin {
        if self.phases.is_measured(at) {
            Origin::Measured
        } else {
            Origin::Other
        }
    }

    /// Slots of one shard in an open load; the first shards get what does not divide.
    pub fn slots(&self, shard: u16) -> u64 {
        match self.scenario.load.model {
            LoadModel::Closed => u64::MAX,
            LoadModel::Open { max_clients, .. } => {
                let (all, of) = (u64::from(max_clients), u64::from(self.shards));
                all / of + u64::from(u64::from(shard) < all % of)
            }
        }
    }

    /// What a dialler needs.
    pub fn dial_settings(&self) -> DialSettings {
        let target = &self.scenario.target;
        let overrides = target.resolve.iter().map(|o| Override {
            host: o.host.clone(),
            port: o.port,
            address: o.address,
        });
        DialSettings {
            timeout: target.connect_timeout,
            nodelay: target.nodelay,
            tls: self.tls.clone(),
            server_name: target.tls.server_name.clone(),
            overrides: overrides.collect(),
            via: self.via,
        }
    }

    /// Bounds of every connection.
    pub fn limits(&self) -> Limits {
        Limits {
            max_message: self.scenario.target.max_message,
            max_frame: self.scenario.target.max_frame,
            max_outbound: MAX_OUTBOUND,
        }
    }
}

/// A URL whose scheme is a template may turn out to be `wss`: then TLS is set up too.
fn needs_tls(scenario: &Scenario) -> bool {
    scenario.target.urls.iter().any(|url| {
        let mut text = Vec::new();
        let context = super::identity::sample_context();
        url.render(&context, &mut fastrand::Rng::with_seed(0), &mut text);
        let text = String::from_utf8_lossy(&text);
        Url::parse(&text).map_or(true, |url| url.secure)
    })
}

fn tls_settings(scenario: &Scenario) -> TlsSettings {
    let tls = &scenario.target.tls;
    TlsSettings {
        ca: tls.ca.clone(),
        cert: tls.cert.clone(),
        key: tls.key.clone(),
        insecure: tls.insecure,
        min_version: if tls.tls13_only {
            TlsVersion::Tls13
        } else {
            TlsVersion::Tls12
        },
        resumption: tls.resumption,
    }
}
