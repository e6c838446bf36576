//! Real proxies, started by a test on free ports with configurations of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No start of a proxy takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy with its files; it ends with the test.
pub struct Proxy {
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
pub fn free_port(from: u16) -> u16 {
    let mut ports = from..from + 200;
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("one of two hundred ports is free")
}

pub fn installed(program: &str) -> bool {
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
pub fn start(
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
