//! Asking: the only part of a probe that touches the network.

pub mod compare;
mod connect;
mod crowd;
mod exchange;
mod frames;
mod request;
mod route;
mod session;
mod watch;

use tokio::time::{Duration, Instant};

use super::Settings;
use super::seen::{Asked, Exchange, Millis, Outcome, Route, Seen, TlsSeen, Variation};

use exchange::OpenCount;
pub use exchange::{Path, Upgraded};
pub use request::request;

/// What is being done, for people who wait.
pub type Tell<'a> = &'a mut dyn FnMut(&str);

/// Part of the limit after which a silent handshake is waited for and compared at the same time.
const PATIENCE: u32 = 3;

/// Looks at the path; every wait is bounded by the settings. What was seen is in `seen` at any
/// time, so that a probe that is dropped halfway has something to say.
pub async fn look(settings: &Settings, seen: &mut Seen, tell: Tell<'_>) {
    let started = Instant::now();
    let deadline = started + settings.timeout;
    seen.asked = asked(settings);
    tell("resolving");
    route::resolve(settings, seen, deadline).await;
    tell("connecting");
    let Some(address) = route::open(settings, seen, started, deadline).await else {
        return;
    };
    let guarded = guarded(settings, seen);
    let path = Path {
        settings: guarded.as_ref().unwrap_or(settings),
        address,
        started,
        open: OpenCount::default(),
    };
    if !seen.routes.iter().any(Route::is_open) {
        compare::compare(&path, seen, tell, deadline).await;
        return;
    }
    tell("upgrading");
    let open = first(&path, seen, tell, deadline).await;
    let handshake = seen.handshake.clone().filter(Exchange::is_upgrade);
    if let (Some(handshake), Some(open)) = (handshake, open) {
        tell("talking, and holding connections idle");
        // Each in its place as soon as it is known: a signal may end the other.
        let (session, watch) = (&mut seen.session, &mut seen.watch);
        let talk = async {
            *session = Some(session::session(&path, &handshake, open).await);
        };
        let hold = watch::watch(&path, &handshake, watch);
        tokio::join!(talk, hold);
        if settings.watching.clients > 0 {
            tell("opening many connections");
            seen.crowd = crowd::crowd(&path).await;
        }
    }
    // What a session showed may need a comparison too; the session took time of its own.
    // A handshake that was slow once is given the time to be so again.
    let took = seen.handshake.as_ref().map_or(0.0, |h| h.took_ms.seconds());
    let again = Duration::try_from_secs_f64(1.5 * took).unwrap_or_default();
    let patience = (settings.timeout / PATIENCE)
        .max(again)
        .min(settings.timeout);
    let deadline = match seen.session {
        Some(_) => Instant::now() + patience,
        None => deadline,
    };
    compare::compare(&path, seen, tell, deadline).await;
}

/// The settings without secrets, when no server with a trusted certificate answered and the user did
/// not say that this does not matter.
fn guarded(settings: &Settings, seen: &mut Seen) -> Option<Settings> {
    let trusted = |tls: &TlsSeen| tls.problem.is_none() && tls.distrust.is_none();
    let mut tls = seen.routes.iter().filter_map(|route| route.tls.as_ref());
    let distrusted = seen.asked.secure && !tls.any(trusted);
    let secret = seen.asked.query || !seen.asked.credentials.is_empty();
    seen.asked.withheld = distrusted && secret && !settings.insecure;
    seen.asked.withheld.then(|| settings.without_secrets())
}

/// The handshake as asked for. While it stays silent, the comparisons that decide about silence are
/// made beside it, so that both end within the limit.
async fn first(
    path: &Path<'_>,
    seen: &mut Seen,
    tell: Tell<'_>,
    deadline: Instant,
) -> Option<Upgraded> {
    let patience = Instant::now() + path.settings.timeout / PATIENCE;
    let mut handshake = std::pin::pin!(path.ask_and_keep(Variation::Handshake, deadline));
    let (exchange, open) = match tokio::time::timeout_at(patience, handshake.as_mut()).await {
        Ok(came) => came,
        Err(_) => {
            seen.handshake = Some(still_silent(path));
            let mut meanwhile = seen.clone();
            meanwhile.handshake = Some(still_silent(path));
            let came = {
                let comparing = compare::compare(path, &mut meanwhile, tell, deadline);
                let mut comparing = std::pin::pin!(comparing);
                tokio::select! {
                    came = handshake.as_mut() => {
                        // Late, but open: it is not left alone for comparisons of a silence that ended.
                        if came.1.is_none() {
                            comparing.await;
                        }
                        came
                    }
                    () = comparing.as_mut() => handshake.await,
                }
            };
            seen.compared = meanwhile.compared;
            came
        }
    };
    seen.handshake = Some(exchange);
    open
}

/// A handshake that has had no answer so far.
fn still_silent(path: &Path<'_>) -> Exchange {
    Exchange {
        asked: Variation::Handshake,
        at_ms: Millis::default(),
        address: path.address.to_string(),
        first_byte_ms: None,
        took_ms: Millis::from(path.settings.timeout / PATIENCE),
        outcome: Outcome::NoBytes { end: None },
    }
}

fn asked(settings: &Settings) -> Asked {
    let url = &settings.url;
    let mut path = url.path.split('?');
    Asked {
        url: url.to_string(),
        secure: url.secure,
        host: url.host.clone(),
        port: url.port,
        path: path.next().unwrap_or("/").to_owned(),
        query: path.next().is_some(),
        origin: settings.origin.clone(),
        subprotocols: settings.subprotocols.clone(),
        credentials: settings.credentials(),
        headers: settings.headers.iter().map(|(n, _)| n.clone()).collect(),
        header_bytes: settings.headers.iter().map(|(_, v)| v.len()).sum(),
        proxy: (settings.proxy.as_ref()).map(|p| format!("{}:{}", p.host, p.port)),
        own_ca: settings.own_ca,
        client_certificate: settings.tls.has_client_certificate(),
        withheld: false,
        insecure: settings.insecure,
        timeout_ms: Millis::from(settings.timeout),
        at: settings.now,
    }
}
