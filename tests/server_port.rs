//! A port in use is an error, however many threads the server has.

mod server_plan;

use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::Server;

#[test]
fn two_servers_never_share_a_port() {
    for threads in [1, 2] {
        let plan = || ServerPlan {
            threads: Some(threads),
            ..ServerPlan::plain(Behaviour::Echo)
        };
        let any = ([127, 0, 0, 1], 0).into();
        let first = Server::start(plan(), any).expect("a free port");
        let second = Server::start(plan(), first.address());
        assert!(second.is_err(), "{threads} threads");
        first.stop();
    }
}
