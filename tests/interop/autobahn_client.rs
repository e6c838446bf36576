//! An echoing client over `wire`, for the Autobahn test suite's fuzzing server: the same decoder,
//! outbox and dialler that every client of a run uses.
//!
//! `wstest -m fuzzingserver -s spec.json`, then `cargo run --example autobahn_client -- ws://127.0.0.1:9010`.

use std::future::poll_fn;
use std::time::Duration;

use wsbench::wire::{
    Connection, Dial, DialSettings, Dialler, Ending, Event, Limits, Role, Scratch, Transport,
    UpgradeRequest, Url,
};

const LIMITS: Limits = Limits {
    max_message: 64 << 20,
    max_frame: 64 << 20,
    max_outbound: 256 << 20,
};
const CASE_LIMIT: Duration = Duration::from_secs(100);

fn main() {
    let server = std::env::args().nth(1);
    let server = server.unwrap_or_else(|| "ws://127.0.0.1:9010".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let count = echo(&format!("{server}/getCaseCount")).await;
        let count: u32 = count.trim().parse().expect("the number of cases");
        for case in 1..=count {
            let url = format!("{server}/runCase?case={case}&agent=wsbench");
            if tokio::time::timeout(CASE_LIMIT, echo(&url)).await.is_err() {
                eprintln!("case {case} did not end");
            }
        }
        echo(&format!("{server}/updateReports?agent=wsbench")).await;
        println!("{count} cases run; the server wrote its report");
    });
}

/// Connects, sends every message back until the end, and gives the last text that came.
async fn echo(url: &str) -> String {
    let settings = DialSettings {
        timeout: Duration::from_secs(10),
        nodelay: true,
        tls: None,
        server_name: None,
        overrides: Vec::new(),
        via: None,
    };
    let url = Url::parse(url).expect("a URL");
    let request = UpgradeRequest::new(&url, &[], Vec::new());
    let dialled = Dialler::new(settings).dial(&url, &request, None).await;
    let dialled = dialled.expect("the fuzzing server answers");
    let leftover = &dialled.answer.leftover;
    let mut connection = Connection::new(dialled.stream, Role::Client, LIMITS, leftover);
    let mut last = String::new();
    let mut scratch = Scratch::new();
    while turn(&mut connection, &mut scratch, &mut last).await.is_ok() {}
    let _ = poll_fn(|cx| connection.poll_flush(cx)).await;
    let _ = poll_fn(|cx| connection.poll_shutdown(cx)).await;
    last
}

/// One read with its answers written.
async fn turn(
    connection: &mut Connection<Transport>,
    scratch: &mut Scratch,
    last: &mut String,
) -> Result<(), Ending> {
    poll_fn(|cx| {
        connection.poll_receive(cx, scratch, Scratch::SIZE, &mut |event, outbox| {
            let queued = match event {
                Event::Text(text) => {
                    text.clone_into(last);
                    outbox.text(text.as_bytes())
                }
                Event::Binary(bytes) => outbox.binary(bytes),
                Event::Ping(payload) => outbox.pong(payload),
                Event::Pong(_) => Ok(()),
                Event::Close(close) => {
                    outbox.close(close.map(|(code, _)| code), "");
                    Ok(())
                }
            };
            queued.expect("the outbox is larger than any case");
        })
    })
    .await?;
    poll_fn(|cx| connection.poll_flush(cx)).await
}
