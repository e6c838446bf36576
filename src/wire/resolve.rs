//! Names to addresses: asked once a minute for each thread, however many clients dial.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::OnceCell;
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
    answer: OnceCell<Addresses>,
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
        let answer = entry
            .answer
            .get_or_init(|| async {
                match tokio::net::lookup_host((url.host.as_str(), url.port)).await {
                    Ok(found) => match found.collect::<Vec<_>>() {
                        none if none.is_empty() => Err("no address".to_owned()),
                        some => Ok(some),
                    },
                    Err(error) => Err(error.to_string()),
                }
            })
            .await;
        (answer.clone(), fresh)
    }

    fn entry(&self, url: &Url) -> (Rc<Entry>, bool) {
        let mut entries = self.entries.borrow_mut();
        let key = (url.host.clone(), url.port);
        if let Some(entry) = entries.get(&key) {
            let keep = match entry.answer.get() {
                Some(Err(_)) => KEEP_FAILURE,
                _ => KEEP,
            };
            if entry.asked.elapsed() < keep {
                return (Rc::clone(entry), false);
            }
        }
        let entry = Rc::new(Entry {
            asked: Instant::now(),
            answer: OnceCell::new(),
        });
        entries.insert(key, Rc::clone(&entry));
        (entry, true)
    }
}
