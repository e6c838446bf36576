//! Connections that end at an age, whatever is said on them.

use super::picture::{self, End, Picture};
use super::words::{common_ending, lines, names, seconds};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

/// A proxy's or balancer's limit.
pub static MAX_AGE: Entry = Entry {
    id: "max-age",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "Connections are cut at a maximum age; traffic does not help",
    evidence: "Silent connections and those with pings or messages end at the same age, without a close frame, though they opened one after the other",
    expected: "A connection with traffic stays open.",
    causes: &[
        (
            "a proxy limits how long a stream may live: Envoy max_stream_duration (it ends 1 s later than set) or max_connection_duration, HAProxy hard limits, an nginx lua or njs rule",
            "the configuration of each hop",
        ),
        (
            "Google Cloud's load balancer: the backend service's timeout (30 s by default) is the lifetime of a WebSocket, not its idle time; Cloud Run: the request timeout (5 minutes by default, at most 60)",
            "a time of 30 or 300 s, `via: 1.1 google`",
        ),
        (
            "the server application ends connections at that age without a close frame",
            "connect to the server without the proxies",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "reconnect when a connection ends, after a random delay",
        },
        Fix {
            product: Product::Envoy,
            snippet: "# HttpConnectionManager, common_http_protocol_options; a route's max_stream_duration wins over it\ncommon_http_protocol_options:\n  max_stream_duration: 0s   # no limit",
        },
        Fix {
            product: Product::GoogleCloud,
            snippet: "gcloud compute backend-services update NAME --global --timeout=86400\n# Cloud Run, at most an hour: gcloud run services update NAME --timeout=3600",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "raise the maximum duration of a stream or request for the WebSocket path",
        },
    ],
    limits: "Which hop counts the age cannot be seen from outside.",
};

/// The server's own limit.
pub static MAX_AGE_APP: Entry = Entry {
    id: "max-age-app",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "The server closes connections at a maximum age; traffic does not help",
    evidence: "Silent connections and those with pings or messages get a close frame at the same age, though they opened one after the other",
    expected: "A connection with traffic stays open.",
    causes: &[
        (
            "the server, or a gateway that speaks WebSocket, lets no connection grow older (maximum age, token or session that expires)",
            "the code and reason of the close frame are its own words",
        ),
        (
            "the application waits that long for a first message that the probe does not know (a login, a subscription), and closes without it",
            "the application's protocol: connection_init, auth, subscribe ...",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "send the first message that the application expects; reconnect after a close, after a random delay",
        },
        Fix {
            product: Product::Server,
            snippet: "raise the maximum age of a connection",
        },
    ],
    limits: "",
};

/// Whether connections end at an age.
pub static AGE: Check = Check {
    name: "max-age",
    entries: &[&MAX_AGE, &MAX_AGE_APP],
    ask: age,
};

fn age(seen: &Seen) -> Vec<Finding> {
    let (Picture::Age(ends), Some(watch)) = (picture::of(seen), &seen.watch) else {
        return Vec::new();
    };
    let by_code = ends.iter().all(|end| end.ended.code.is_some());
    let ages: Vec<_> = ends.iter().map(End::age).collect();
    let (least, most) = (
        ages.iter().copied().fold(f64::MAX, f64::min),
        ages.iter().copied().fold(0.0, f64::max),
    );
    let how = common_ending(&ends);
    let age = seconds((least + most) / 2.0);
    let (entry, title) = if by_code {
        let title = format!(
            "The server closes every connection at {age} of age with {how}, whether there is traffic or not"
        );
        (&MAX_AGE_APP, title)
    } else {
        let title = format!(
            "Connections are cut at a maximum age of {age}: with and without traffic alike ({how})"
        );
        (&MAX_AGE, title)
    };
    let holds = picture::holds(watch);
    let mut finding = Finding::new(entry).titled(title).saw(format!(
        "{} connections, opened one after the other, ended at ages between {least:.2} and {most:.2} s",
        ends.len()
    ));
    for line in lines(&holds).into_iter().chain(names(seen)) {
        finding = finding.saw(line);
    }
    vec![finding]
}
