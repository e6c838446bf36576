//! From the name to an open connection, seen for each address.

use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};

use super::connect;
use super::exchange::Path;
use super::request::PROXY_LINE;
use crate::probe::Settings;
use crate::probe::certificate;
use crate::probe::seen::{
    Exchange, Millis, Outcome, Route, Seen, TEXT, TcpOpened, TlsProblem, TlsSeen, Variation,
    escaped,
};
use crate::wire::inspect::{self, ConnectFault, Distrust, Line, Read, TlsFault};

/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;
/// How long other addresses are waited for once one has opened: longer than the kernel's wait before
/// it sends a SYN again (1 s), so that one lost packet does not condemn an address.
const GRACE: Duration = Duration::from_millis(2_500);

/// Asks the resolver, unless the address is given.
pub async fn resolve(settings: &Settings, seen: &mut Seen, deadline: Instant) {
    let (host, port) = match &settings.proxy {
        Some(proxy) => (proxy.host.clone(), proxy.port),
        None => (settings.url.host.clone(), settings.url.port),
    };
    if let (None, Some(address)) = (&settings.proxy, settings.fixed_address()) {
        seen.resolved.addresses = vec![SocketAddr::new(address, port).to_string()];
        return;
    }
    let started = Instant::now();
    let asking = tokio::net::lookup_host((host.as_str(), port));
    let found = timeout_at(deadline, asking).await;
    let took = Millis::from(started.elapsed());
    seen.resolved.took_ms = Some(took);
    match found {
        Err(_) => seen.resolved.error = Some("no answer in time".to_owned()),
        Ok(Err(error)) => seen.resolved.error = Some(escaped(error.to_string().as_bytes(), TEXT)),
        Ok(Ok(addresses)) => {
            let mut list: Vec<_> = addresses.map(|a| a.to_string()).collect();
            list.dedup();
            if list.is_empty() {
                seen.resolved.error = Some("no address".to_owned());
            }
            list.truncate(MAX_ADDRESSES);
            seen.resolved.addresses = list;
        }
    }
}

/// Opens TCP and TLS to every address at once; the first in the resolver's order that works is the
/// path of all that follows; without one, the first whose TCP opened, for comparisons.
pub async fn open(
    settings: &Settings,
    seen: &mut Seen,
    started: Instant,
    deadline: Instant,
) -> Option<SocketAddr> {
    let addresses = seen.resolved.addresses.iter();
    let addresses: Vec<SocketAddr> = addresses.filter_map(|a| a.parse().ok()).collect();
    let (first, _) = watch::channel(None);
    let tries = (addresses.iter()).map(|&a| one(settings, a, started, deadline, &first));
    let tried = futures_util::future::join_all(tries).await;
    let (routes, connects): (Vec<Route>, Vec<Option<Exchange>>) = tried.into_iter().unzip();
    let refused = |exchange: &Option<Exchange>| {
        let status = exchange.as_ref().map(Exchange::status);
        status.is_some_and(|status| !matches!(status, Some(200..300)))
    };
    let works = (0..routes.len()).find(|&i| routes[i].is_open() && !refused(&connects[i]));
    let opened = works.or_else(|| routes.iter().position(|route| route.tcp.is_some()));
    seen.routes = routes;
    seen.connect = opened.and_then(|i| connects[i].clone());
    let chosen = opened.filter(|_| !refused(&seen.connect))?;
    Some(addresses[chosen])
}

/// Opens TCP; once another address has opened, this one has [`GRACE`] to do so too.
async fn connect(
    address: SocketAddr,
    deadline: Instant,
    first: &watch::Sender<Option<Instant>>,
) -> Result<Line, ConnectFault> {
    let mut other = first.subscribe();
    let given_up = async {
        // The sender outlives all that wait for it.
        let opened = other.wait_for(Option::is_some).await.map(|at| *at);
        let at = opened.ok().flatten().unwrap_or(deadline);
        sleep_until(at + GRACE).await;
    };
    let result = tokio::select! {
        result = Line::connect(address, deadline) => result,
        () = given_up => Err(ConnectFault::TimedOut),
    };
    if result.is_ok() {
        first.send_if_modified(|at| at.replace(Instant::now()).is_none());
    }
    result
}

/// TCP, CONNECT when there is a forward proxy, and for `wss` TLS to one address, closed again.
async fn one(
    settings: &Settings,
    address: SocketAddr,
    probe: Instant,
    deadline: Instant,
    first: &watch::Sender<Option<Instant>>,
) -> (Route, Option<Exchange>) {
    let started = Instant::now();
    let mut route = Route {
        address: address.to_string(),
        ..Route::default()
    };
    let mut line = match connect(address, deadline, first).await {
        Ok(line) => Some(line),
        // It opened, and was reset before we looked: what follows sees the same.
        Err(ConnectFault::Reset) => {
            let took_ms = Millis::from(started.elapsed());
            route.tcp = Some(TcpOpened {
                took_ms,
                syn_resends: 0,
            });
            route.tls = settings.url.secure.then(|| TlsSeen {
                problem: Some(TlsProblem::Reset),
                ..TlsSeen::default()
            });
            None
        }
        Err(fault) => {
            route.fault = Some(words(&fault));
            None
        }
    };
    if let Some(line) = &line {
        route.tcp = Some(TcpOpened {
            took_ms: Millis::from(started.elapsed()),
            syn_resends: line.tcp().total_retransmits,
        });
    }
    // A comparison needs its part of the time when a proxy or TLS stays silent.
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    let mut said = None;
    if let (Some(plain), Some(_)) = (line.take_if(|_| settings.proxy.is_some()), &settings.proxy) {
        let (exchange, tunnel) =
            connect::tunnel(plain, settings, address.to_string(), probe, half).await;
        (said, line) = (Some(exchange), tunnel);
    }
    if let Some(plain) = line.take_if(|_| settings.url.secure) {
        let name = &settings.url.host;
        let (secured, mut tls) = secure(plain, settings, name, half).await;
        if let Some(TlsProblem::NotTls(words)) = &mut tls.problem
            && settings.proxy.is_none()
        {
            let soon = deadline.min(Instant::now() + Duration::from_secs(1));
            first_bytes(settings, address, words, soon).await;
        }
        route.tls = Some(tls);
        line = secured;
    }
    if let Some(mut line) = line {
        let soon = Instant::now() + Duration::from_millis(200);
        line.finish(soon.min(deadline)).await;
    }
    route.took_ms = Millis::from(started.elapsed());
    (route, said)
}

/// What a server that speaks no TLS says to a ClientHello, in place of rustls' complaint about it.
async fn first_bytes(
    settings: &Settings,
    address: SocketAddr,
    words: &mut String,
    deadline: Instant,
) {
    let hello = settings.tls.client_hello(&settings.url.host);
    let Ok(mut line) = Line::connect(address, deadline).await else {
        return;
    };
    let mut bytes = Vec::new();
    if line.send(&hello, deadline).await.is_ok()
        && let Read::Bytes(_) = line.read(&mut bytes, deadline).await
    {
        *words = escaped(&bytes, 120);
    }
}

async fn secure(
    line: Line,
    settings: &Settings,
    name: &str,
    deadline: Instant,
) -> (Option<Line>, TlsSeen) {
    let started = Instant::now();
    let (outcome, seen) = line.secure(&settings.tls, name, deadline).await;
    let mut tls = tls_seen(&seen, settings);
    tls.took_ms = Millis::from(started.elapsed());
    match outcome {
        Ok(line) => (Some(line), tls),
        Err(fault) => {
            tls.problem = Some(problem(&fault));
            (None, tls)
        }
    }
}

fn tls_seen(seen: &inspect::TlsSeen, settings: &Settings) -> TlsSeen {
    let (chain, unreadable) = certificate::chain(&seen.chain);
    let at = certificate::valid_moment(&chain, settings.now);
    let distrust = settings.tls.distrust_of_chain(&seen.chain, at);
    let shown = |text: &String| escaped(text.as_bytes(), TEXT);
    TlsSeen {
        version: seen.version.clone(),
        cipher: seen.cipher.clone(),
        alpn: seen.alpn.as_ref().map(shown),
        client_certificate_asked: seen.client_certificate_asked,
        chain,
        unreadable,
        distrust: seen.distrust.as_ref().map(shown),
        unknown_issuer: distrust == Some(Distrust::UnknownIssuer),
        chain_distrust: distrust.map(|distrust| match distrust {
            Distrust::UnknownIssuer => "no trusted root signed it".to_owned(),
            Distrust::Other(text) => shown(&text),
        }),
        signature: seen.signature.as_ref().map(shown),
        ..TlsSeen::default()
    }
}

fn problem(fault: &TlsFault) -> TlsProblem {
    match fault {
        TlsFault::Alert(alert) => TlsProblem::Alert(alert.clone()),
        TlsFault::NotTls(bytes) => TlsProblem::NotTls(escaped(bytes.as_bytes(), TEXT)),
        TlsFault::Closed => TlsProblem::Closed,
        TlsFault::Reset => TlsProblem::Reset,
        TlsFault::TimedOut => TlsProblem::TimedOut,
        TlsFault::Other(text) => TlsProblem::Other(escaped(text.as_bytes(), TEXT)),
    }
}

fn words(fault: &ConnectFault) -> String {
    match fault {
        ConnectFault::Refused => "refused".to_owned(),
        ConnectFault::TimedOut => "timeout".to_owned(),
        ConnectFault::Reset => "reset".to_owned(),
        ConnectFault::Unreachable(text) => format!("unreachable: {text}"),
        ConnectFault::Local(text) => format!("local: {text}"),
        ConnectFault::Other(text) => text.clone(),
    }
}

/// A fresh connection along the path, ready for the request of `variation`.
pub async fn line(
    path: &Path<'_>,
    variation: &Variation,
    deadline: Instant,
) -> Result<Line, Outcome> {
    let settings = path.settings;
    if *variation == Variation::Connect {
        return Line::connect(path.address, deadline)
            .await
            .map_err(|fault| Outcome::NotOpened(words(&fault)));
    }
    let secure_wanted = settings.url.secure != (*variation == Variation::OtherScheme);
    let line = plain(path, secure_wanted, deadline).await?;
    if !secure_wanted {
        return Ok(line);
    }
    let name = match variation {
        Variation::ServerName(name) => name,
        _ => &settings.url.host,
    };
    encrypted(line, settings, name, deadline).await
}

/// TCP to the target, or a tunnel to it.
async fn plain(path: &Path<'_>, secure: bool, deadline: Instant) -> Result<Line, Outcome> {
    let line = Line::connect(path.address, deadline)
        .await
        .map_err(|fault| not_opened(&fault, secure))?;
    if path.settings.proxy.is_none() {
        return Ok(line);
    }
    let address = path.address.to_string();
    let (said, tunnel) =
        connect::tunnel(line, path.settings, address, path.started, deadline).await;
    tunnel.ok_or_else(|| connect::refusal(&said))
}

async fn encrypted(
    line: Line,
    settings: &Settings,
    name: &str,
    deadline: Instant,
) -> Result<Line, Outcome> {
    match secure(line, settings, name, deadline).await {
        (Some(line), _) => Ok(line),
        (None, tls) => Err(Outcome::NoTls(tls.problem.unwrap_or(TlsProblem::TimedOut))),
    }
}

/// What came of a connection that did not open, or was reset as soon as it did.
fn not_opened(fault: &ConnectFault, secure: bool) -> Outcome {
    match fault {
        ConnectFault::Reset if secure => Outcome::NoTls(TlsProblem::Reset),
        ConnectFault::Reset => Outcome::NoBytes {
            end: Some("RST".to_owned()),
        },
        _ => Outcome::NotOpened(words(fault)),
    }
}

/// A connection on which TLS came up behind a line of PROXY protocol.
pub async fn line_behind_proxy_line(path: &Path<'_>, deadline: Instant) -> Result<Line, Outcome> {
    let mut line = plain(path, true, deadline).await?;
    // A peer that is gone shows itself at the ClientHello.
    let _ = line.send(PROXY_LINE.as_bytes(), deadline).await;
    encrypted(line, path.settings, &path.settings.url.host, deadline).await
}
