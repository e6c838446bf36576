//! The same handshake gets no byte now and an answer then.

use super::picture::{Picture, picture};
use super::with_all;
use super::words::ending;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "answered at times",
    entries: &[&UNSTEADY],
    ask,
};

static UNSTEADY: Entry = Entry {
    id: "answered-at-times",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The same handshake gets no byte at times and opens at others",
    evidence: "the handshake ended without a byte; made again, some are answered",
    expected: "every handshake is answered",
    causes: &[
        (
            "one of several servers behind a balancer is down or bad",
            "the pattern: every second or third handshake, again and again; each server probed \
             directly",
        ),
        (
            "a limit on connections or on their rate closes what is above it",
            "failures come after several connections in a short time, and pass when it is calm",
        ),
        (
            "the server was starting, restarting or overloaded when the first handshake was made",
            "it does not come again",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Haproxy,
            snippet: "option httpchk\nserver app1 10.0.0.5:8080 check  # takes a dead one out",
        },
        Fix {
            product: Product::Nginx,
            snippet: "upstream app {\n    server 10.0.0.5:8080 max_fails=1 fail_timeout=10s;\n    \
                      server 10.0.0.6:8080 max_fails=1 fail_timeout=10s;\n}",
        },
        Fix {
            product: Product::AwsAlb,
            snippet: "aws elbv2 describe-target-health --target-group-arn ARN",
        },
        Fix {
            product: Product::Server,
            snippet: "Probe each server behind the balancer directly (--resolve HOST:PORT:ADDRESS) \
                      and repair or remove the one that does not answer.",
        },
    ],
    limits: "From outside, a bad server of several and a limit are told apart only by the pattern \
             over time.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((handshake, Picture::Unsteady)) = picture(seen) else {
        return Vec::new();
    };
    let repeats: Vec<_> = seen.all_to(&Variation::Again).collect();
    let answered = repeats.iter().filter(|e| e.spoke()).count();
    let opened = repeats.iter().filter(|e| e.is_upgrade()).count();
    let what = match opened == answered {
        true => "opened",
        false => "were answered",
    };
    let finding = Finding::new(&UNSTEADY).titled(format!(
        "The same handshake fails at times: the first was {}; of {} made after it {answered} {what} \
         and {} got no byte",
        ending(handshake),
        repeats.len(),
        repeats.iter().filter(|e| Exchange::is_mute(e)).count(),
    ));
    vec![with_all(finding, seen)]
}
