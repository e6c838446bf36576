//! Who may come in: origin, token, free places, subprotocol. Pure; judged once a connection.

use std::time::Duration;

use crate::scenario::ServerPlan;
use crate::wire::accept::{Refusal, Request};

/// No place is left (`max_connections`).
pub const FULL: Refusal = Refusal {
    status: 503,
    text: "this server has as many connections as it may have; try again later",
    retry_after: Some(1),
};

/// What a fault says to an upgrade; `retry_after` is rounded up to whole seconds.
pub fn refused_by_fault(status: u16, retry_after: Option<Duration>) -> Refusal {
    let seconds = |span: Duration| span.as_secs() + u64::from(span.subsec_nanos() > 0);
    Refusal {
        status,
        text: "this server refuses connections on purpose (fault refuse)",
        retry_after: retry_after.map(|span| u32::try_from(seconds(span)).unwrap_or(u32::MAX)),
    }
}

/// The judgement over a correct upgrade request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission<'a> {
    /// Answer with HTTP.
    Refuse(Refusal),
    /// Switch protocols, with this subprotocol if any.
    Open(Option<&'a str>),
    /// Switch protocols, then close with this code and reason: browsers cannot see an HTTP status.
    OpenThenClose(u16, &'static str),
}

/// Judges everything that needs no count of connections.
pub fn admit<'a>(plan: &'a ServerPlan, request: &Request) -> Admission<'a> {
    if !plan.origins.is_empty() {
        let origin = request.origin.as_deref().unwrap_or("");
        if !plan.origins.iter().any(|o| o.eq_ignore_ascii_case(origin)) {
            return Admission::Refuse(Refusal {
                status: 403,
                text: "the request's Origin is not on this server's list",
                retry_after: None,
            });
        }
    }
    if let Some(token) = &plan.token
        && !presents(request, token)
    {
        if plan.reject_with_401 {
            return Admission::Refuse(Refusal {
                status: 401,
                text: "a valid token is needed: ?token=... or Authorization: Bearer ...",
                retry_after: None,
            });
        }
        return Admission::OpenThenClose(4001, "Invalid token");
    }
    let offered = |name: &&String| request.subprotocols.contains(name);
    Admission::Open(plan.subprotocols.iter().find(offered).map(String::as_str))
}

fn presents(request: &Request, token: &str) -> bool {
    let query = request
        .target
        .split_once('?')
        .map_or("", |(_, query)| query);
    let in_query = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("token="))
        .any(|value| equal(&percent_decode(value), token.as_bytes()));
    let bearer = request.bearer.as_deref();
    in_query || bearer.is_some_and(|value| equal(value.as_bytes(), token.as_bytes()))
}

/// Compares without telling by its duration where the first difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (x, y)| bits | (x ^ y));
    a.len() == b.len() && differing == 0
}

/// `%41` -> `A`; what is no escape stays as it is.
fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let escaped = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tests::plan;

    fn request(target: &str) -> Request {
        Request {
            target: target.to_owned(),
            origin: None,
            bearer: None,
            subprotocols: Vec::new(),
            accept: String::new(),
            length: 0,
        }
    }

    #[test]
    fn a_token_is_found_in_the_query_or_the_header() {
        let mut plan = plan();
        plan.token = Some("s e&cret%".to_owned());
        let wrong = Admission::OpenThenClose(4001, "Invalid token");
        for (target, expected) in [
            ("/?token=s%20e%26cret%25", Admission::Open(None)),
            ("/?a=1&token=s%20e%26cret%&b", Admission::Open(None)),
            ("/?token=s%20e", wrong),
            ("/?token=", wrong),
            ("/?xtoken=s%20e%26cret%25", wrong),
            ("/", wrong),
        ] {
            assert_eq!(admit(&plan, &request(target)), expected, "{target}");
        }
        let mut by_header = request("/");
        by_header.bearer = plan.token.clone();
        assert_eq!(admit(&plan, &by_header), Admission::Open(None));
        plan.reject_with_401 = true;
        let refused = admit(&plan, &request("/"));
        assert!(matches!(refused, Admission::Refuse(r) if r.status == 401));
    }

    #[test]
    fn origins_are_a_list_to_be_on() {
        let mut plan = plan();
        plan.origins = vec!["https://a.example".to_owned()];
        let mut request = request("/");
        assert!(matches!(admit(&plan, &request), Admission::Refuse(r) if r.status == 403));
        request.origin = Some("https://a.example.evil".to_owned());
        assert!(matches!(admit(&plan, &request), Admission::Refuse(r) if r.status == 403));
        request.origin = Some("HTTPS://A.example".to_owned());
        assert_eq!(admit(&plan, &request), Admission::Open(None));
    }

    #[test]
    fn the_server_prefers_among_what_is_offered() {
        let mut plan = plan();
        plan.subprotocols = vec!["v2".to_owned(), "v1".to_owned()];
        let mut request = request("/");
        assert_eq!(admit(&plan, &request), Admission::Open(None));
        request.subprotocols = vec!["v0".to_owned(), "v1".to_owned(), "v2".to_owned()];
        assert_eq!(admit(&plan, &request), Admission::Open(Some("v2")));
        request.subprotocols.pop();
        assert_eq!(admit(&plan, &request), Admission::Open(Some("v1")));
    }
}
