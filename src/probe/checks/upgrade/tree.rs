//! The decision tree: one cause for a refused handshake, by what its answer and the comparisons say.
//!
//! Certain words first (a server that names what it misses), then what comparisons prove, then what
//! the status alone allows.

use super::picture::Picture;
use super::redirect;
use crate::probe::ask::compare::refusal::{self, NO_HOST, NO_PATH};
use crate::probe::ask::compare::scheme::speaks_of_tls;
use crate::probe::fingerprint::{self, Product};
use crate::probe::seen::{Seen, Variation};

/// Why a handshake was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A redirect of some kind.
    Redirect(redirect::Kind),
    /// 407.
    ProxyLogin,
    /// Too many in too short a time.
    RateLimited,
    /// The next hop wants TLS, or was given it unasked.
    UpstreamTls,
    /// HTTP/1.0 between proxy and server.
    Http10,
    /// A header of the handshake is missing where it is read.
    HeaderLost,
    /// Upgrade and Connection do not arrive: a WebSocket server says so.
    NotForwarded,
    /// The same, or the wrong place: an application answers as to a plain GET.
    NotForwardedApp,
    /// The proxy refuses upgrades.
    UpgradeRefused,
    /// What arrives is no longer the request that was sent.
    Damaged,
    /// Another version is wanted.
    Version,
    /// Too much in the head.
    TooLarge,
    /// Engine.IO.
    SocketIo,
    /// The subprotocol: none offered, or a wrong one.
    Subprotocol,
    /// The Origin.
    Origin,
    /// Who are you?
    Auth,
    /// Something was sent, and still.
    CredentialsLost,
    /// A rule, for everybody.
    Forbidden,
    /// The application's own rule.
    ForbiddenByApp,
    /// The proxy has no route for it.
    NoRoute,
    /// A WebSocket server is there, at another path.
    WrongPath,
    /// Another site answers.
    WrongHost,
    /// A web page.
    Page,
    /// The server behind is not there, or does not answer in HTTP.
    UpstreamDown,
    /// Nobody usable behind.
    NoHealthyServer,
    /// It does not answer in time.
    UpstreamTimeout,
    /// On purpose.
    Maintenance,
    /// A 503 of no certain kind.
    Unavailable,
    /// The handler failed.
    ServerError,
    /// Not known.
    Unknown,
}

/// The cause, when the handshake was refused with an answer that is this group's business.
pub fn cause(seen: &Seen) -> Option<Cause> {
    let picture = Picture::of(seen)?;
    let tls_question = matches!(picture.answer.status, 400 | 495..=497)
        && (picture.says(&["certificate"])
            || (!seen.asked.secure && speaks_of_tls(picture.answer) && !no_tls_here(seen)));
    if tls_question {
        return None;
    }
    let by_words = by_words(&picture);
    Some(by_words.unwrap_or_else(|| by_status(&picture)))
}

/// The port was asked for TLS and has none: a sentence about TLS comes from the next hop.
fn no_tls_here(seen: &Seen) -> bool {
    let other = seen.to(&Variation::OtherScheme);
    other.is_some_and(|e| matches!(e.outcome, crate::probe::seen::Outcome::NoTls(_)))
}

/// Answers that say what they miss.
fn by_words(picture: &Picture<'_>) -> Option<Cause> {
    let (status, secure) = (picture.answer.status, picture.seen.asked.secure);
    // Envoy names what failed towards the server behind it.
    let envoy = matches!(status, 502 | 503) && picture.says(&["tls_error", "tls error"]);
    if envoy || speaks_of_tls(picture.answer) && (secure || no_tls_here(picture.seen)) {
        return Some(Cause::UpstreamTls);
    }
    if matches!(status, 414 | 431 | 494)
        || picture.says(&[
            "header or cookie too large",
            "header fields too large",
            "header too large",
        ])
        || picture.opens(&Variation::WithoutHeaders)
    {
        return Some(Cause::TooLarge);
    }
    if picture.is_engine_io() {
        return Some(Cause::SocketIo);
    }
    if let 400 | 403 | 404 | 426 | 505 = status {
        let names_http = picture.says(&["no upgrade state", "http/1.0", "http/1.1"]);
        if names_http || status == 505 {
            return Some(Cause::Http10);
        }
        if names_upgrade(picture) {
            return Some(Cause::NotForwarded);
        }
        if status != 426 && names_version_or_key(picture) {
            return Some(Cause::HeaderLost);
        }
        if picture.says(&["subprotocol", "sec-websocket-protocol"]) {
            return Some(Cause::Subprotocol);
        }
    }
    let about_origin = picture.says(&[
        "origin not",
        "invalid origin",
        "origin header",
        "bad origin",
        "cross-origin",
        "cross origin",
        "csrf",
    ]);
    if picture.opens_with_other_origin().is_some() || (about_origin && matches!(status, 400..=403))
    {
        return Some(Cause::Origin);
    }
    None
}

/// A server says that Upgrade or Connection is not as it should be, in words of the servers that
/// PROXIES section 4 measured: websockets, aiohttp, axum, and what others say alike.
fn names_upgrade(picture: &Picture<'_>) -> bool {
    let header = picture.says(&[
        "connection header",
        "upgrade header",
        "`upgrade` header",
        "upgrade hdr",
        "\"upgrade\" only to",
        "'upgrade' token not found",
        "not a websocket handshake",
        "not a websocket upgrade",
        "expected websocket upgrade",
        "can \\\"upgrade\\\"",
        "connection upgrade hdr",
    ]);
    let handshake_like_get = picture.like_get || !picture.arrives;
    header && handshake_like_get
}

/// A server misses the version or the key, which were both sent.
fn names_version_or_key(picture: &Picture<'_>) -> bool {
    picture.says(&[
        "sec-websocket-key",
        "sec-websocket-version",
        "unsupported version",
        "websocket version",
        "handshake error: none",
    ])
}

fn by_status(picture: &Picture<'_>) -> Cause {
    match picture.answer.status {
        300..400 => redirect::kind(picture).map_or(Cause::Unknown, Cause::Redirect),
        426 => upgrade_required(picture),
        407 | 511 => Cause::ProxyLogin,
        429 => Cause::RateLimited,
        401 => credentials(picture),
        403 | 451 => forbidden(picture),
        400 => bad_request(picture),
        404 | 405 | 406 | 410 | 415 => not_found(picture),
        421 => Cause::WrongHost,
        200..300 => page(picture),
        500 | 508 => Cause::ServerError,
        502 | 520..=523 | 525..=527 | 530 | 561 => Cause::UpstreamDown,
        503 => unavailable(picture),
        504 | 408 | 524 | 460 | 598 | 599 => Cause::UpstreamTimeout,
        413 => Cause::TooLarge,
        _ => Cause::Unknown,
    }
}

/// A server that lists its versions (RFC 6455 4.4) minds the version: it knows 13, or it does not.
fn upgrade_required(picture: &Picture<'_>) -> Cause {
    match picture.answer.header("sec-websocket-version") {
        Some(versions) if !versions.split(',').any(|v| v.trim() == "13") => Cause::Version,
        Some(_) if !picture.like_get => Cause::HeaderLost,
        _ => Cause::NotForwarded,
    }
}

fn credentials(picture: &Picture<'_>) -> Cause {
    if picture.has_credentials() {
        Cause::CredentialsLost
    } else {
        Cause::Auth
    }
}

fn forbidden(picture: &Picture<'_>) -> Cause {
    let get = picture.to(&Variation::PlainGet);
    let get_passes = get.is_some_and(|get| get.status != 403);
    if picture.arrives && !picture.like_version {
        return Cause::ForbiddenByApp;
    }
    if get_passes && picture.like_version {
        return Cause::UpgradeRefused;
    }
    if picture.has_credentials() {
        return Cause::CredentialsLost;
    }
    Cause::Forbidden
}

fn bad_request(picture: &Picture<'_>) -> Cause {
    // Everything else was in order, and still it is refused: what is left is the place.
    if picture.arrives && !picture.like_version {
        return Cause::WrongPath;
    }
    if picture.identical() && picture.answer.body.trim().is_empty() {
        return Cause::Damaged;
    }
    if picture.identical() {
        return Cause::NotForwardedApp;
    }
    Cause::Unknown
}

fn not_found(picture: &Picture<'_>) -> Cause {
    let slash = refusal::other_slash(&picture.seen.asked.path);
    if slash.is_some_and(|path| picture.opens(&Variation::Path(path))) {
        return Cause::WrongPath;
    }
    let any_path_opens = [NO_PATH, "/"]
        .iter()
        .any(|path| picture.opens(&Variation::Path((*path).to_owned())));
    if picture.arrives && !picture.like_version {
        return Cause::WrongPath;
    }
    if any_path_opens {
        return Cause::NoRoute;
    }
    if is_own_page(picture) {
        return Cause::NoRoute;
    }
    Cause::NotForwardedApp
}

/// The standard 404 of a proxy or a router itself, not of an application behind it.
fn is_own_page(picture: &Picture<'_>) -> bool {
    let app = ["x-powered-by", "x-runtime", "x-aspnet-version"];
    if app.iter().any(|name| picture.answer.header(name).is_some()) {
        return false;
    }
    let body = picture.answer.body.to_ascii_lowercase();
    let pages = [
        "<center>nginx",
        "<center>openresty",
        "was not found on this server",
        "404 page not found",
        "default backend - 404",
        "no matching virtual host",
        "there isn't a",
    ];
    let own = pages.iter().any(|page| body.contains(page));
    let lighttpd = body.contains("<h1>404") && is(picture, Product::Lighttpd);
    let empty =
        body.trim().is_empty() && (is(picture, Product::Envoy) || is(picture, Product::Caddy));
    own || lighttpd || empty
}

fn is(picture: &Picture<'_>, product: Product) -> bool {
    fingerprint::of(picture.answer).contains(&product)
}

/// A page for everybody: of another site, of the proxy's own default, of an application.
fn page(picture: &Picture<'_>) -> Cause {
    let defaults = [
        "welcome to nginx",
        "default page",
        "it works!",
        "test page",
        "welcome to caddy",
        "placeholder page",
        "congratulations",
    ];
    let body = picture.answer.body.trim().to_ascii_lowercase();
    let other_host = picture.to(&Variation::Host(NO_HOST.to_owned()));
    let host_blind = other_host.is_some_and(|other| other.same_as(picture.answer));
    let silent_default = body.is_empty() && host_blind && picture.like_any_path();
    if defaults.iter().any(|page| body.contains(page)) || silent_default {
        return Cause::WrongHost;
    }
    Cause::Page
}

fn unavailable(picture: &Picture<'_>) -> Cause {
    if picture.says(&[
        "no server is available",
        "no healthy upstream",
        "no available server",
        "no upstreams available",
        "no endpoints",
        "no healthy backend",
    ]) {
        // HAProxy says the same after its retries: then a server is there that refuses.
        let retried = picture.exchange.took_ms.seconds() >= 1.0;
        return match retried {
            true => Cause::UpstreamDown,
            false => Cause::NoHealthyServer,
        };
    }
    let standard = picture.says(&[
        "backend fetch failed",
        "upstream connect error",
        "disconnect/reset before headers",
        "capacity problems",
    ]);
    let own = [
        Product::Apache,
        Product::Lighttpd,
        Product::Varnish,
        Product::Envoy,
    ];
    if standard || own.iter().any(|product| is(picture, *product)) {
        return Cause::UpstreamDown;
    }
    if picture.says(&[
        "maintenance",
        "scheduled downtime",
        "be right back",
        "be back soon",
    ]) {
        return Cause::Maintenance;
    }
    if passes_sometimes(picture) {
        return Cause::RateLimited;
    }
    Cause::Unavailable
}

/// One of the repetitions opened.
fn passes_sometimes(picture: &Picture<'_>) -> bool {
    let mut again = picture.seen.all_to(&Variation::Again);
    again.any(crate::probe::seen::Exchange::is_upgrade)
}
