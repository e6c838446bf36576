//! Who may: logins, rules, origins, rates.

use super::picture::Picture;
use super::tree::Cause;
use super::{decided, finding, status};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "the handshake is allowed",
    entries: &[
        &AUTH,
        &PROXY_LOGIN,
        &CREDENTIALS_LOST,
        &FORBIDDEN,
        &FORBIDDEN_BY_APP,
        &ORIGIN,
        &RATE,
    ],
    ask,
};

const EXPECTED: &str = "a 101 with the headers of an upgrade";

static AUTH: Entry = Entry {
    id: "auth",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "401: a login is wanted (token, cookie or password), and none was sent",
    evidence: "401; WWW-Authenticate names the kind; version 99 tells whether the proxy or the application \
               asks",
    expected: EXPECTED,
    causes: &[
        (
            "the service wants authentication: a token, a cookie or a password",
            "with a valid one it opens",
        ),
        (
            "an Origin list answers 401 to others (verifyClient)",
            "with --origin of the web page it opens",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "wsbench probe URL -H 'Authorization: Bearer TOKEN'   # or -H 'Cookie: session=...'\n\
                      # basic authentication: -H \"Authorization: Basic $(printf 'user:password' | base64)\"",
        },
        Fix {
            product: Product::Nginx,
            snippet: "# in the location of the WebSocket, if it should be open: auth_basic off;",
        },
    ],
    limits: "which credentials are valid is known to the service alone",
};

static PROXY_LOGIN: Entry = Entry {
    id: "proxy-login",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "407: a forward proxy on the way wants a login",
    evidence: "407 Proxy Authentication Required in answer to the handshake",
    expected: EXPECTED,
    causes: &[(
        "a corporate proxy intercepts the connection and wants authentication",
        "",
    )],
    fixes: &[Fix {
        product: Product::Client,
        snippet: "wsbench probe URL --proxy http://USER:PASSWORD@proxy:3128",
    }],
    limits: "",
};

static CREDENTIALS_LOST: Entry = Entry {
    id: "cred-lost",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The credential that was sent is not accepted: it is wrong, or lost on the way",
    evidence: "401 or 403 though a credential was sent (or a close for want of a login right after the \
               101); a deliberately wrong one gets the same",
    expected: EXPECTED,
    causes: &[
        (
            "the credential (token, cookie) is wrong, expired, or for another service",
            "the same to the server directly is refused too",
        ),
        (
            "a proxy drops or replaces the header on the way (Authorization, Cookie), so that the server \
             sees no credential",
            "the same to the server directly opens",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "# remove proxy_set_header Authorization \"\"; and proxy_set_header Cookie \"\";\n\
                      # or pass them on: proxy_set_header Authorization $http_authorization;",
        },
        Fix {
            product: Product::Squid,
            snippet: "cache_peer 127.0.0.1 parent 8080 0 originserver login=PASS",
        },
        Fix {
            product: Product::Apache,
            snippet: "# remove RequestHeader unset Authorization (or Cookie)",
        },
        Fix {
            product: Product::Client,
            snippet: "# a fresh token; browsers cannot set Authorization: a cookie, a query parameter or the \
                      subprotocol carries it there",
        },
    ],
    limits: "wrong and lost look the same from outside",
};

static FORBIDDEN: Entry = Entry {
    id: "forbidden",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "403: a rule forbids this, to an ordinary GET too",
    evidence: "403 for the handshake, an ordinary GET and version 99 alike",
    expected: EXPECTED,
    causes: &[
        (
            "an access rule of the proxy: IP allow-list, deny all, Require all denied",
            "it opens from another address; the proxy's error log",
        ),
        (
            "a firewall rule (WAF, bot protection, country block)",
            "a page with a request id; the WAF's log",
        ),
        (
            "the service wants a login and answers 403 without one",
            "with a valid token or cookie it opens",
        ),
        (
            "the upgrade headers are lost, and a GET of this path is forbidden",
            "the same handshake to the server directly opens",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "location /ws { allow 203.0.113.0/24; deny all; ... }   # the client's network",
        },
        Fix {
            product: Product::Apache,
            snippet: "<Location /ws>\n\x20 Require all granted\n</Location>",
        },
        Fix {
            product: Product::Cloudflare,
            snippet: "# Security > Events names the rule that blocked the request",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "allow the client's address on this path",
        },
    ],
    limits: "which rule it was is known to the proxy's log alone",
};

static FORBIDDEN_BY_APP: Entry = Entry {
    id: "forbidden-by-app",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "403 from the WebSocket server itself: the handshake arrives, and the application refuses it",
    evidence: "403 for the handshake, another answer for version 99: the headers arrive",
    expected: EXPECTED,
    causes: &[
        (
            "no WebSocket route has this path (Starlette, FastAPI and uvicorn answer 403 then)",
            "the right path opens",
        ),
        (
            "the Origin is not allowed (CSRF protection of a framework)",
            "with --origin of the web page it opens",
        ),
        (
            "the application refuses the login: none, or a wrong one",
            "with a valid token or cookie it opens",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "wsbench probe URL --origin https://app.example.com -H 'Cookie: session=...'",
        },
        Fix {
            product: Product::Server,
            snippet: "add the client's origin to the allowed ones, or the route for this path",
        },
    ],
    limits: "why the application refuses is known to its log alone",
};

static ORIGIN: Entry = Entry {
    id: "origin",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The Origin decides: the server refuses this one",
    evidence: "another Origin (or none) opens, or the answer speaks of the Origin",
    expected: EXPECTED,
    causes: &[(
        "the server allows only certain Origins (cross-site WebSocket protection)",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "wsbench probe URL --origin https://app.example.com   # the web page's own",
        },
        Fix {
            product: Product::Server,
            snippet: "add the web page's origin (scheme, host, port) to the allowed ones",
        },
        Fix {
            product: Product::Nginx,
            snippet: "# if the server compares Origin with Host: proxy_set_header Host $host;",
        },
    ],
    limits: "which origins are allowed is known to the server alone",
};

static RATE: Entry = Entry {
    id: "too-many-requests",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "Handshakes are rate limited",
    evidence: "429, or a 503 that passes when tried again; Retry-After",
    expected: EXPECTED,
    causes: &[
        (
            "a limit on requests in a time (API gateway, limit_req, a stick table)",
            "it opens after a pause",
        ),
        (
            "a limit on connections at a time",
            "it opens when others are closed",
        ),
        ("the server sheds load", "its own log and load"),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "limit_req_zone $binary_remote_addr zone=ws:10m rate=10r/s;\n\
                      limit_req zone=ws burst=50 nodelay;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100 }",
        },
        Fix {
            product: Product::Client,
            snippet: "wait for Retry-After, reconnect with back-off and jitter",
        },
    ],
    limits: "how much is allowed is known to the gateway alone; see probe --clients",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((cause, picture)) = decided(seen) else {
        return Vec::new();
    };
    let answered = status(&picture);
    let found = match cause {
        Cause::ProxyLogin => finding(&PROXY_LOGIN, &picture),
        Cause::Auth => finding(&AUTH, &picture).titled(login_wanted(&picture, &answered)),
        Cause::CredentialsLost => lost(finding(&CREDENTIALS_LOST, &picture), seen, &answered),
        Cause::Forbidden => finding(&FORBIDDEN, &picture),
        Cause::ForbiddenByApp => {
            let names = &seen.asked.credentials;
            let found = finding(&FORBIDDEN_BY_APP, &picture);
            match names.is_empty() {
                true => found,
                false => found.saw(format!("sent with credentials in {}", names.join(", "))),
            }
        }
        Cause::Origin => finding(&ORIGIN, &picture).titled(origin(&picture, &answered)),
        Cause::RateLimited => {
            let after = picture.answer.header("retry-after");
            let after = after.map_or(String::new(), |s| format!("; Retry-After: {s}"));
            let opened = seen.all_to(&Variation::Again).any(Exchange::is_upgrade);
            let how = if opened {
                "the same handshake opened when tried again"
            } else {
                "too many requests"
            };
            finding(&RATE, &picture).titled(format!(
                "Handshakes are rate limited: {answered} ({how}{after})"
            ))
        }
        _ => return Vec::new(),
    };
    vec![found]
}

fn login_wanted(picture: &Picture<'_>, answered: &str) -> String {
    let who = if picture.arrives && !picture.like_version {
        "the application asks: version 99 gets another answer, so the handshake arrives there"
    } else if picture.identical() {
        "an ordinary GET gets the same: the proxy asks, or the application asks for every request"
    } else {
        "who asks is not visible"
    };
    // RFC 9110 15.5.2 wants the header; checks of one's own in a handshake seldom send it.
    let Some(kind) = picture.answer.header("www-authenticate") else {
        return format!(
            "{answered} without WWW-Authenticate: a token or cookie is wanted, or another Origin than the \
             one sent; {who}"
        );
    };
    let kind = kind.split_whitespace().next().unwrap_or("unnamed");
    format!(
        "{answered}: a login is wanted (authentication {kind}), and no credential was sent; {who}"
    )
}

fn origin(picture: &Picture<'_>, answered: &str) -> String {
    match (
        picture.opens_with_other_origin(),
        &picture.seen.asked.origin,
    ) {
        (Some(Variation::WithoutOrigin), Some(origin)) => {
            format!(
                "The server refuses the Origin {origin} ({answered}); without an Origin it opens"
            )
        }
        (Some(_), _) => format!(
            "The server wants another Origin: without one it answers {answered}, with the target's own it \
             opens"
        ),
        (None, Some(origin)) => format!("The server refuses the Origin {origin}: {answered}"),
        (None, None) => {
            format!("The server refuses handshakes without the right Origin: {answered}")
        }
    }
}

/// What the comparison with no and with a wrong credential says.
fn lost(found: Finding, seen: &Seen, answered: &str) -> Finding {
    let same = |variation: &Variation| {
        let handshake = seen.handshake.as_ref();
        let other = seen.to(variation);
        other
            .zip(handshake)
            .is_some_and(|(other, handshake)| other.same_as(handshake))
    };
    let what = match seen.asked.credentials.as_slice() {
        [] => "in the query of the URL".to_owned(),
        names => format!("in {}", names.join(", ")),
    };
    let (like_wrong, like_none) = (
        same(&Variation::WrongCredentials),
        same(&Variation::WithoutCredentials),
    );
    let differs = seen.to(&Variation::WithoutCredentials).is_some() && !like_none;
    if like_wrong && differs {
        return found.only(&[0]).titled(format!(
            "The credential sent {what} arrives and is not valid ({answered}): a deliberately wrong one gets \
             the same, none at all another answer"
        ));
    }
    let ignored = like_wrong && like_none;
    let compared = if ignored {
        "; with a wrong one and without any the answer is the same"
    } else {
        ""
    };
    found.titled(format!(
        "The credential sent {what} is not accepted ({answered}){compared}: it is wrong, or a proxy drops \
         it on the way"
    ))
}
