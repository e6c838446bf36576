//! Faults behind real proxies, where they are installed: each configuration has one, and the probe
//! names it.

mod proxies;
mod server_plan;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use proxies::{Proxy, free_port, installed, start};
use serde_json::Value;
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::{Running, Server};

const NGINX: &str = "
daemon off;
master_process off;
pid DIRECTORY/pid;
error_log stderr crit;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path DIRECTORY/body;
  proxy_temp_path DIRECTORY/proxy;
  fastcgi_temp_path DIRECTORY/fastcgi;
  uwsgi_temp_path DIRECTORY/uwsgi;
  scgi_temp_path DIRECTORY/scgi;
  limit_conn_zone $binary_remote_addr zone=one:1m;
  server {
    listen 127.0.0.1:LISTEN;
    LOCATION
  }
}
";

/// A location that passes everything on.
const WHOLE: &str = "proxy_pass http://127.0.0.1:UPSTREAM; proxy_http_version 1.1; \
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; \
    proxy_set_header Host $http_host;";

const HAPROXY: &str = "
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:LISTEN
  FRONT
  default_backend out
backend out
  BACK
";

const CADDY: &str = "{
  admin off
  auto_https off
  storage file_system DIRECTORY
}
http://127.0.0.1:LISTEN {
  SITE
}
";

fn server() -> (Running, u16) {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start(ServerPlan::plain(Behaviour::Echo), address).expect("a free port");
    let port = server.address().port();
    (server, port)
}

/// A port on which nobody listens.
fn nobody() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// The names of the findings, the gravest first, and the exit code.
fn found(port: u16, flags: &[&str]) -> (Vec<String>, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_wsbench"))
        .args(["probe", &format!("ws://127.0.0.1:{port}/ws"), "--json"])
        .args(flags)
        .output()
        .expect("the program starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    let findings = document["findings"].as_array().expect("a list").iter();
    let ids = findings.map(|f| f["id"].as_str().expect("a name").to_owned());
    (ids.collect(), output.status.code().unwrap_or(-1))
}

/// The first finding is the expected one, and it is a fault.
fn names(what: &str, port: u16, flags: &[&str], expected: &str) {
    let (ids, code) = found(port, flags);
    assert_eq!(
        ids.first().map(String::as_str),
        Some(expected),
        "{what}: {ids:?}"
    );
    assert_eq!(code, 1, "{what}");
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn nginx(from: u16, location: &str, upstream: u16) -> (Proxy, u16) {
    let port = free_port(from);
    let configuration = NGINX
        .replace("LOCATION", location)
        .replace("LISTEN", &port.to_string())
        .replace("UPSTREAM", &upstream.to_string());
    let proxy = start("nginx", &configuration, port, |directory| {
        let conf = text(&directory.join("conf"));
        vec![
            "-p".into(),
            text(directory),
            "-e".into(),
            "stderr".into(),
            "-c".into(),
            conf,
        ]
    });
    (proxy, port)
}

fn haproxy(from: u16, front: &str, back: &str, upstream: u16) -> (Proxy, u16) {
    let port = free_port(from);
    let configuration = HAPROXY
        .replace("FRONT", front)
        .replace("BACK", back)
        .replace("LISTEN", &port.to_string())
        .replace("UPSTREAM", &upstream.to_string());
    let proxy = start("haproxy", &configuration, port, |directory| {
        vec![
            "-db".into(),
            "-q".into(),
            "-f".into(),
            text(&directory.join("conf")),
        ]
    });
    (proxy, port)
}

#[test]
fn nginx_refusals() {
    if !installed("nginx") {
        return;
    }
    let (_server, upstream) = server();
    let plain = "location / { proxy_pass http://127.0.0.1:UPSTREAM; }";
    let modern = "location / { proxy_pass http://127.0.0.1:UPSTREAM; proxy_http_version 1.1; }";
    for (location, port, expected) in [
        (plain, upstream, "http10-upstream"),
        (modern, upstream, "upgrade-not-forwarded"),
        (plain, nobody(), "upstream-down"),
        (
            "return 301 https://$host$request_uri;",
            upstream,
            "redirect-https",
        ),
        ("location / { deny all; }", upstream, "forbidden"),
        ("location /other { return 204; }", upstream, "no-route"),
    ] {
        let (_nginx, listens) = nginx(24_000, location, port);
        names(location, listens, &[], expected);
    }
}

#[test]
fn nginx_cuts_what_is_idle() {
    if !installed("nginx") {
        return;
    }
    let (_server, upstream) = server();
    let location = format!("location / {{ {WHOLE} proxy_read_timeout 2s; }}");
    let (_nginx, port) = nginx(24_200, &location, upstream);
    names("proxy_read_timeout", port, &["--idle", "4s"], "idle-cut");
}

#[test]
fn haproxy_refusals() {
    if !installed("haproxy") {
        return;
    }
    let (_server, upstream) = server();
    let one = "server one 127.0.0.1:UPSTREAM";
    for (front, back, expected) in [
        (
            "http-request del-header Upgrade",
            one,
            "upgrade-not-forwarded",
        ),
        (
            "",
            "server one 127.0.0.1:UPSTREAM disabled",
            "no-healthy-server",
        ),
        ("http-request deny deny_status 403", one, "forbidden"),
        (
            "http-request deny deny_status 429",
            one,
            "too-many-requests",
        ),
    ] {
        let (_haproxy, port) = haproxy(24_400, front, back, upstream);
        names(&format!("{front} {back}"), port, &[], expected);
    }
    let (_haproxy, port) = haproxy(24_400, "", one, nobody());
    names("nobody behind", port, &[], "upstream-down");
}

#[test]
fn caddy_refusals() {
    if !installed("caddy") {
        return;
    }
    let (_server, upstream) = server();
    let caddy = |site: &str, upstream: u16| {
        let port = free_port(24_600);
        let configuration = CADDY
            .replace("SITE", site)
            .replace("LISTEN", &port.to_string())
            .replace("UPSTREAM", &upstream.to_string());
        let proxy = start("caddy", &configuration, port, |directory| {
            let conf = text(&directory.join("conf"));
            vec![
                "run".into(),
                "--config".into(),
                conf,
                "--adapter".into(),
                "caddyfile".into(),
            ]
        });
        (proxy, port)
    };
    let whole = "reverse_proxy 127.0.0.1:UPSTREAM";
    let dropped = "reverse_proxy 127.0.0.1:UPSTREAM {\n header_up -Upgrade\n }";
    let (_first, port) = caddy(whole, upstream);
    let (ids, code) = found(port, &["--idle", "0s"]);
    assert_eq!((ids.as_slice(), code), (&[] as &[String], 0));
    let (_second, port) = caddy(whole, nobody());
    names("nobody behind", port, &[], "upstream-down");
    let (_third, port) = caddy(dropped, upstream);
    names("header_up -Upgrade", port, &[], "upgrade-not-forwarded");
}
