//! Names to addresses: asked once a minute for each thread, however many clients dial.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::url::Url;

/// How long an answer is used.
const KEEP: Duration = Duration::from_secs(60);
/// How long a failure is used: long enough not to flood a resolver, short enough to recover.
const KEEP_FAILURE: Duration = Duration::from_secs(1);

/// `host:port:address`, as curl's `--resolve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Lower case.
    pub host: String,
    /// The URL's port.
    pub port: u16,
    /// Where to connect instead.
    pub address: IpAddr,
}

/// Addresses of a target, or the resolver's words.
pub(super) type Addresses = Result<Vec<SocketAddr>, String>;

#[derive(Debug)]
struct Entry {
    asked: Instant,
    /// `None` until it came.
    answer: watch::Receiver<Option<Addresses>>,
}

/// A cache; clients that ask while a question is under way share its answer.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    overrides: Vec<Override>,
    entries: RefCell<HashMap<(String, u16), Rc<Entry>>>,
}

impl Resolver {
    pub fn new(overrides: Vec<Override>) -> Self {
        Self {
            overrides,
            entries: RefCell::default(),
        }
    }

    /// The addresses, and whether a resolver was asked for this call.
    pub async fn resolve(&self, url: &Url) -> (Addresses, bool) {
        let fixed = self
            .overrides
            .iter()
            .find(|o| o.host == url.host && o.port == url.port)
            .map(|o| o.address)
            .or_else(|| url.address());
        if let Some(address) = fixed {
            return (Ok(vec![SocketAddr::new(address, url.port)]), false);
        }
        let (entry, fresh) = self.entry(url);
        let mut answer = entry.answer.clone();
        let came = answer.wait_for(Option::is_some).await;
        let found = came.map_or(None, |found| found.clone());
        let given_up = || Err("the look-up was given up".to_owned());
        (found.unwrap_or_else(given_up), fresh)
    }

    fn entry(&self, url: &Url) -> (Rc<Entry>, bool) {
        let mut entries = self.entries.borrow_mut();
        let key = (url.host.clone(), url.port);
        if let Some(entry) = entries.get(&key) {
            let keep = match *entry.answer.borrow() {
                Some(Err(_)) => KEEP_FAILURE,
                _ => KEEP,
            };
            if entry.asked.elapsed() < keep {
                return (Rc::clone(entry), false);
            }
        }
        let (tell, answer) = watch::channel(None);
        let asked = key.clone();
        // On its own: a dial that times out must not cancel the question for all others, who would
        // each ask again.
        tokio::spawn(async move {
            tell.send_replace(Some(look_up(asked).await));
        });
        let entry = Rc::new(Entry {
            asked: Instant::now(),
            answer,
        });
        entries.insert(key, Rc::clone(&entry));
        (entry, true)
    }
}

async fn look_up((host, port): (String, u16)) -> Addresses {
    match tokio::net::lookup_host((host.as_str(), port)).await {
        Ok(found) => match found.collect::<Vec<_>>() {
            none if none.is_empty() => Err("no address".to_owned()),
            some => Ok(some),
        },
        Err(error) => Err(error.to_string()),
    }
}
