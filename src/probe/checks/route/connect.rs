//! Does TCP open?

use super::super::Check;
use super::{addresses, local, peer};
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

pub const CHECK: Check = Check {
    name: "connect",
    entries: &[&REFUSED, &SILENT, &UNREACHABLE, &OTHER],
    ask,
};

static REFUSED: Entry = Entry {
    id: "refused",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The connection is refused: nothing accepts connections on that address and port",
    evidence: "A TCP RST answers the SYN (ECONNREFUSED).",
    expected: "TCP opens: SYN, SYN-ACK, within one round trip.",
    causes: &[
        (
            "The server is not running, or is just restarting.",
            "on the server, `ss -ltnp` shows no listener on the port",
        ),
        (
            "It listens on another port.",
            "`ss -ltnp` shows it elsewhere; the port of the URL, of the service or of the container mapping is wrong",
        ),
        (
            "It listens on another address only, often 127.0.0.1 or ::1.",
            "`ss -ltn` shows 127.0.0.1:PORT instead of 0.0.0.0:PORT or [::]:PORT; it answers on the server itself",
        ),
        (
            "A firewall or security device answers with RST on its behalf.",
            "the listener is there and `tcpdump` on the server sees no SYN",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "start it, and let it listen on all addresses (0.0.0.0 or ::) and on the port of the URL; check with `ss -ltnp`",
        },
        Fix {
            product: Product::Client,
            snippet: "correct the port in the URL: ws:// without a port means 80, wss:// means 443",
        },
        Fix {
            product: Product::Network,
            snippet: "open the port in the firewall or security group, and check port mappings (docker run -p, Service targetPort)",
        },
    ],
    limits: "From outside, a stopped server, a wrong port, a listener bound to loopback and a rejecting firewall look exactly the same.",
};

static SILENT: Entry = Entry {
    id: "connect-timeout",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "No answer to the TCP connect: the SYN packets are dropped somewhere",
    evidence: "No SYN-ACK and no RST, although the SYN was sent again after 1, 3 and 7 s.",
    expected: "TCP opens: SYN, SYN-ACK, within one round trip.",
    causes: &[
        (
            "A firewall, security group or network policy drops the packets.",
            "another port of the same host answers at once; `tcpdump` on the server sees no SYN",
        ),
        (
            "The host is down, the address is not in use, or the way there or back is broken.",
            "no port of the host answers, and no ping",
        ),
        (
            "The server's accept queue is full: it hangs, or its listen backlog is too small.",
            "some of several parallel connects succeed; on the server, `ss -ltn` shows Recv-Q above Send-Q, and `nstat -az TcpExtListenDrops` grows",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Network,
            snippet: "allow the port from this client in firewall, security group, network policy and cloud ACL; check the address that DNS gives",
        },
        Fix {
            product: Product::Server,
            snippet: "when the host is known to be up: look for a hung accept loop; raise the listen backlog together with `sysctl net.core.somaxconn`",
        },
    ],
    limits: "A dropped SYN, a host that is down and a full accept queue cannot be told apart from one client.",
};

static UNREACHABLE: Entry = Entry {
    id: "unreachable",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The address is unreachable: the network says that there is no way to it",
    evidence: "EHOSTUNREACH or ENETUNREACH although this machine has a route: an ICMP error, or no answer to ARP.",
    expected: "TCP opens: SYN, SYN-ACK, within one round trip.",
    causes: &[
        (
            "A router on the way has no route to the address, or the host is down in the last network.",
            "`traceroute` or `mtr` ends at the router that says so; `ip neigh` shows FAILED for a host in the own network",
        ),
        (
            "A firewall rejects with an ICMP error (administratively prohibited, host unreachable).",
            "other ports of the same host answer",
        ),
    ],
    fixes: &[Fix {
        product: Product::Network,
        snippet: "check the address that DNS gives, the routes (VPN, peering, default gateway), and REJECT rules of firewalls on the way",
    }],
    limits: "The ICMP error's sender is not visible to a program without privileges.",
};

static OTHER: Entry = Entry {
    id: "connect-error",
    layer: Layer::Tcp,
    severity: Severity::Undecided,
    title: "TCP does not open, for a reason no check knows",
    evidence: "connect() fails with an error that is neither refusal, silence nor unreachability.",
    expected: "TCP opens: SYN, SYN-ACK, within one round trip.",
    causes: &[("The system's words name it.", "")],
    fixes: &[Fix {
        product: Product::Network,
        snippet: "look at the packets: tcpdump -ni any host ADDRESS and port PORT",
    }],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let opened = seen.routes.iter().any(|route| route.tcp.is_some());
    if opened || seen.routes.is_empty() {
        return Vec::new();
    }
    let peer = peer(seen);
    let mut found = Vec::new();
    let table = [
        (
            "refused",
            &REFUSED,
            format!("{peer} refuses the connection: nothing accepts connections there"),
        ),
        ("timeout", &SILENT, silent_title(seen, &peer)),
        (
            "unreachable",
            &UNREACHABLE,
            format!("{peer} is unreachable: the network says that there is no way to it"),
        ),
    ];
    for (fault, entry, title) in table {
        let lines: Vec<String> = addresses(seen, fault).collect();
        if lines.is_empty() {
            continue;
        }
        let mut finding = Finding::new(entry).titled(title);
        for line in lines {
            finding = finding.saw(format!("{}: {line}", what(fault)));
        }
        found.push(finding);
    }
    let known = ["refused", "timeout", "unreachable"];
    for route in &seen.routes {
        let fault = route.fault.as_deref().unwrap_or_default();
        let is_known = known.iter().any(|known| fault.starts_with(known));
        if !is_known && local(route).is_none() && found.is_empty() {
            let line = format!("connect to {}: {fault}", route.address);
            let title = format!("TCP to {peer} does not open: {fault}");
            found.push(Finding::new(&OTHER).titled(title).saw(line));
        }
    }
    found
}

fn silent_title(seen: &Seen, peer: &str) -> String {
    let longest = seen.routes.iter().map(|route| route.took_ms.seconds());
    let longest = longest.fold(0.0, f64::max);
    format!(
        "No answer to the TCP connect to {peer} within {longest:.1} s: packets are dropped, the host is down, or its accept queue is full"
    )
}

fn what(fault: &str) -> &'static str {
    match fault {
        "refused" => "RST in answer to the SYN (ECONNREFUSED) from",
        "timeout" => "no answer to any SYN; given up on",
        _ => "unreachable (EHOSTUNREACH or ENETUNREACH):",
    }
}
