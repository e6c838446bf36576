//! Who a client is: what its templates render to, once, before it first dials.

use std::net::IpAddr;
use std::sync::Arc;

use crate::scenario::template::Context;
use crate::scenario::{Target, Template};
use crate::wire::{UpgradeRequest, Url, UrlError};

use super::plan::Plan;

/// A client's number, its randomness, and where it dials. In this order in memory: see
/// [`super::live::Live`].
#[derive(Debug)]
#[repr(C)]
pub struct Identity {
    /// From 0, over all shards.
    pub number: u64,
    /// Which session it plays.
    pub session: usize,
    /// Seeded by the run's seed and the number.
    pub rng: fastrand::Rng,
    /// Where it dials and what it asks for.
    pub door: Arc<Door>,
    /// What it captured from answers, by slot.
    pub captures: Vec<String>,
}

/// Where a client dials, and what it asks for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Where.
    pub url: Url,
    /// What it asks for.
    pub request: UpgradeRequest,
}

impl Door {
    /// The doors of the URLs that look alike to every client, by position: a client that needs no
    /// copy of its own is some hundred bytes smaller.
    pub fn shared(target: &Target) -> Vec<Option<Arc<Self>>> {
        let headers = target.headers.iter().map(|(_, value)| value);
        let mut asked = headers.chain(&target.subprotocols);
        let alike = asked.all(Template::is_literal);
        let mut rng = fastrand::Rng::with_seed(0);
        let context = sample_context();
        let door = |url: &Template| {
            let literal = alike && url.is_literal();
            let mut door = || Self::render(target, url, &context, &mut rng);
            // A URL that is wrong is each client's to say.
            literal.then(|| door().ok().map(Arc::new)).flatten()
        };
        target.urls.iter().map(door).collect()
    }

    fn render(
        target: &Target,
        url: &Template,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Result<Self, UrlError> {
        let mut render = |template: &Template| {
            let mut bytes = Vec::new();
            template.render(context, rng, &mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let url = Url::parse(&render(url))?;
        let headers: Vec<(String, String)> = target
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), render(value)))
            .collect();
        let subprotocols = target.subprotocols.iter().map(&mut render).collect();
        let request = UpgradeRequest::new(&url, &headers, subprotocols);
        Ok(Self { url, request })
    }
}

/// A context with every hole filled by something harmless.
pub(super) fn sample_context() -> Context<'static> {
    Context::default()
}

/// Mixes a number into a seed: neighbours become unrelated (SplitMix64's finaliser).
pub fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Identity {
    /// Renders the target for client `number`.
    ///
    /// # Errors
    /// When this client's URL is not one, after its holes were filled.
    pub fn new(plan: &Plan, number: u64) -> Result<Self, UrlError> {
        let scenario = &plan.scenario;
        let target = &scenario.target;
        let mut rng = fastrand::Rng::with_seed(mix(scenario.seed, number));
        let context = Context {
            client: number,
            row: row(plan, number),
            ..Context::default()
        };
        let place = place(target.urls.len(), number);
        let door = match &plan.doors[place] {
            Some(door) => Arc::clone(door),
            None => Arc::new(Door::render(
                target,
                &target.urls[place],
                &context,
                &mut rng,
            )?),
        };
        Ok(Self {
            number,
            session: plan.deal.session_for(number),
            rng,
            door,
            captures: Vec::new(),
        })
    }

    /// A client that has nowhere to dial to: it fails instead of dialling.
    pub(super) fn nowhere(number: u64) -> Self {
        let url = Url {
            secure: false,
            host: String::new(),
            port: 0,
            path: "/".to_owned(),
        };
        Self {
            number,
            session: 0,
            rng: fastrand::Rng::with_seed(number),
            door: Arc::new(Door {
                url,
                request: UpgradeRequest::default(),
            }),
            captures: Vec::new(),
        }
    }

    /// From which local address it dials; `None` = from any.
    pub fn source(&self, plan: &Plan) -> Option<IpAddr> {
        let sources = &plan.scenario.target.source_addresses;
        (!sources.is_empty()).then(|| *deal(sources, self.number))
    }

    /// What message number `seq`, due at `intended_us`, is rendered from.
    pub fn context<'a>(&'a self, plan: &'a Plan, seq: u64, intended_us: u64) -> Context<'a> {
        Context {
            client: self.number,
            seq,
            intended_us,
            captures: &self.captures,
            row: row(plan, self.number),
        }
    }

    /// Keeps a captured value.
    pub fn capture(&mut self, slot: usize, value: &str) {
        if self.captures.len() <= slot {
            self.captures.resize(slot + 1, String::new());
        }
        value.clone_into(&mut self.captures[slot]);
    }
}

/// Round-robin over a list that is not empty.
fn deal<T>(list: &[T], number: u64) -> &T {
    &list[place(list.len(), number)]
}

fn place(length: usize, number: u64) -> usize {
    (number % length as u64) as usize
}

fn row(plan: &Plan, number: u64) -> &[String] {
    match &plan.scenario.data {
        Some(data) if !data.rows.is_empty() => deal(&data.rows, number).as_slice(),
        _ => &[],
    }
}
