//! A port in use is an error, however many threads the server has.

use std::time::Duration;

use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::Server;

fn plan(threads: u16) -> ServerPlan {
    ServerPlan {
        listen: None,
        behaviour: Behaviour::Echo,
        echo_prefix: String::new(),
        greeting: None,
        token: None,
        reject_with_401: false,
        origins: Vec::new(),
        subprotocols: Vec::new(),
        ping_interval: None,
        max_connections: None,
        max_message: 1 << 20,
        max_frame: 1 << 20,
        delay: Duration::ZERO,
        stall: None,
        tls: false,
        cert: None,
        key: None,
        threads: Some(threads),
    }
}

#[test]
fn two_servers_never_share_a_port() {
    for threads in [1, 2] {
        let any = ([127, 0, 0, 1], 0).into();
        let first = Server::start(plan(threads), any).expect("a free port");
        let second = Server::start(plan(threads), first.address());
        assert!(second.is_err(), "{threads} threads");
        first.stop();
    }
}
