//! A probe of paths on which nothing is wrong finds nothing: false alarms are bugs. Real proxies are
//! used where they are installed.

mod server_plan;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use server_plan::plan;
use tempfile::TempDir;
use wsbench::scenario::Behaviour;
use wsbench::server::{Running, Server};

/// No start of a proxy takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
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
    let server = Server::start(plan(Behaviour::Echo), address).expect("a free port");
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

/// A proxy with its files; it ends with the test.
struct Proxy {
    child: Child,
    _directory: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port below those that systems give to clients.
fn free_port(from: u16) -> u16 {
    let mut ports = from..from + 200;
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("one of two hundred ports is free")
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    let found = places.iter().any(|place| place.join(program).is_file());
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

/// Starts `program` with `configuration` in a directory of its own and waits until it listens.
fn start(
    program: &str,
    configuration: &str,
    port: u16,
    arguments: fn(&Path) -> Vec<String>,
) -> Proxy {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let configuration = configuration.replace("DIRECTORY", &directory.path().to_string_lossy());
    fs::write(directory.path().join("conf"), configuration).expect("room for a file");
    let child = Command::new(program)
        .args(arguments(directory.path()))
        .env(
            "PATH",
            "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin",
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("installed");
    let mut proxy = Proxy {
        child,
        _directory: directory,
    };
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = proxy.child.try_wait().expect("a child");
        assert!(ended.is_none(), "{program} ended: {ended:?}");
        assert!(Instant::now() < until, "{program} does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    proxy
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
