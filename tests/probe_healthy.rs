//! A probe of paths on which nothing is wrong finds nothing: false alarms are bugs. Real proxies are
//! used where they are installed.

mod proxies;
mod server_plan;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use proxies::{Proxy, free_port, installed, start};
use serde_json::Value;
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::{Running, Server};

/// A probe with default limits ends within 5 s on a quiet machine.
const LONG: Duration = Duration::from_secs(40);
/// Words that no reader may meet where all is well.
const ALARMS: [&str; 7] = [
    "misconfig",
    "not forward",
    "failed",
    "dead",
    "half-open",
    "cut",
    "dropped",
];

fn probe(port: u16, flags: &[&str]) -> (i32, String) {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_wsbench"))
        .args(["probe", &format!("ws://127.0.0.1:{port}/ws")])
        .args(flags)
        .output()
        .expect("the program starts");
    let took = started.elapsed();
    assert!(took < LONG, "{took:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

/// Healthy for programs, and without a word that alarms people.
fn healthy(what: &str, port: u16) {
    let (code, text) = probe(port, &["--json"]);
    let document: Value = serde_json::from_str(&text).expect("a JSON document");
    assert_eq!(
        document["health"], "healthy",
        "{what}: {:#}",
        document["findings"]
    );
    assert_eq!(document["findings"], Value::Array(Vec::new()), "{what}");
    assert_eq!(code, 0, "{what}");
    let (code, text) = probe(port, &["--idle", "0s"]);
    assert_eq!(code, 0, "{what}: {text}");
    let words: Vec<_> = text
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .collect();
    let said = format!(" {} ", words.join(" ").to_lowercase());
    for word in ALARMS {
        assert!(
            !said.contains(&format!(" {word}")),
            "{what}: says {word:?}:\n{text}"
        );
    }
}

fn server() -> (Running, u16) {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start(ServerPlan::plain(Behaviour::Echo), address).expect("a free port");
    let port = server.address().port();
    (server, port)
}

/// An echo made with another library, on a thread of its own; it lives as long as the test.
fn tungstenite() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            listener.set_nonblocking(true).expect("a socket");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
    });
    port
}

async fn echo(stream: tokio::net::TcpStream) {
    let Ok(mut open) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = open.next().await {
        let echoed = message.is_text() || message.is_binary();
        if echoed && open.send(message).await.is_err() {
            return;
        }
    }
}

const NGINX: &str = "
daemon off;
master_process off;
pid DIRECTORY/pid;
error_log stderr;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path DIRECTORY/body;
  proxy_temp_path DIRECTORY/proxy;
  fastcgi_temp_path DIRECTORY/fastcgi;
  uwsgi_temp_path DIRECTORY/uwsgi;
  scgi_temp_path DIRECTORY/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen 127.0.0.1:LISTEN;
    location / {
      proxy_pass http://127.0.0.1:UPSTREAM;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $http_host;
    }
  }
}
";

const HAPROXY: &str = "
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend in
  bind 127.0.0.1:LISTEN
  default_backend out
backend out
  server one 127.0.0.1:UPSTREAM
";

fn nginx(upstream: u16) -> (Proxy, u16) {
    let port = free_port(23_100);
    let configuration = NGINX
        .replace("LISTEN", &port.to_string())
        .replace("UPSTREAM", &upstream.to_string());
    let proxy = start("nginx", &configuration, port, |directory| {
        let of = |path: &Path| path.to_string_lossy().into_owned();
        let conf = of(&directory.join("conf"));
        [
            "-p".into(),
            of(directory),
            "-e".into(),
            "stderr".into(),
            "-c".into(),
            conf,
        ]
        .to_vec()
    });
    (proxy, port)
}

fn haproxy(upstream: u16) -> (Proxy, u16) {
    let port = free_port(23_400);
    let configuration = HAPROXY
        .replace("LISTEN", &port.to_string())
        .replace("UPSTREAM", &upstream.to_string());
    let proxy = start("haproxy", &configuration, port, |directory| {
        let conf = directory.join("conf").to_string_lossy().into_owned();
        vec!["-db".into(), "-q".into(), "-f".into(), conf]
    });
    (proxy, port)
}

#[test]
fn the_built_in_server_is_healthy() {
    let (_server, port) = server();
    healthy("wsbench serve", port);
}

#[test]
fn another_server_is_healthy() {
    healthy("tungstenite", tungstenite());
}

#[test]
fn nginx_set_up_right_is_healthy() {
    if !installed("nginx") {
        return;
    }
    let (_server, upstream) = server();
    let (_nginx, port) = nginx(upstream);
    healthy("nginx", port);
}

#[test]
fn haproxy_set_up_right_is_healthy() {
    if !installed("haproxy") {
        return;
    }
    let (_haproxy, port) = haproxy(tungstenite());
    healthy("HAProxy", port);
}
