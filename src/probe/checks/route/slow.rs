//! Does TCP open at the first attempt?

use super::super::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

pub const CHECK: Check = Check {
    name: "slow connect",
    entries: &[&RESENT],
    ask,
};

static RESENT: Entry = Entry {
    id: "connect-slow",
    layer: Layer::Tcp,
    severity: Severity::Warning,
    title: "TCP opened only after the SYN was sent again",
    evidence: "TCP_INFO counts retransmitted SYNs: connects that take about 1, 3 or 7 s.",
    expected: "The first SYN is answered.",
    causes: &[
        (
            "The server's accept queue overflows for moments: too small a backlog, or a busy accept loop.",
            "on the server, `nstat -az TcpExtListenOverflows TcpExtListenDrops` grows",
        ),
        (
            "Packets are lost on the way, or a firewall limits the rate of new connections.",
            "other ports of the same host show it too; `ping` shows loss",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "listen 443 ssl backlog=4096;   # together with sysctl net.core.somaxconn=4096",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "backlog 4096   # in the frontend, together with sysctl net.core.somaxconn=4096",
        },
        Fix {
            product: Product::Server,
            snippet: "raise the backlog of listen() and net.core.somaxconn, and accept in a loop that nothing blocks",
        },
    ],
    limits: "One lost packet looks the same; repeat the probe.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let slow = seen.routes.iter().filter_map(|route| {
        let tcp = route.tcp.as_ref().filter(|tcp| tcp.syn_resends > 0)?;
        let title = format!(
            "TCP to {} opened only after {:.1} s: {} SYN(s) had to be sent again",
            route.address,
            tcp.took_ms.seconds(),
            tcp.syn_resends
        );
        let line = format!(
            "{}: {} retransmitted SYN(s)",
            route.address, tcp.syn_resends
        );
        Some(Finding::new(&RESENT).titled(title).saw(line))
    });
    slow.take(1).collect()
}
