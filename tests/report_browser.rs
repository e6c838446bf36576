//! `report.html` in a real browser: three sizes, scripts on and off, hostile texts.
//!
//! Needs Chromium (Debian: `apt-get install chromium`); without it the tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wsbench::report::html;
use wsbench::result::{RunResult, TallyRow};

const HOSTILE: &str = "</script><script>document.title='owned'</script>\
                       <img src=x onerror=\"document.title='owned'\"> \u{202e}\0 '\"";
/// A phone, a tablet, a desk.
const WIDTHS: [u32; 3] = [360, 768, 1_280];

/// The browser, where it is installed.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: no Chromium in PATH; install it to check the page in a browser");
    }
    found
}

/// The document as it is once the page has loaded.
fn dom(browser: &Path, page: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync"])
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        // The frame and what is in it are of one origin then.
        .args(["--allow-file-access-from-files", "--window-size=1600,1000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut out, &mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    // Generous: a browser starts slowly on a busy machine, but it must not hold the tests for ever.
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            return reader.join().unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the browser did not end within a minute");
}

/// A port nobody listens on, below those that outgoing connections use.
fn port() -> u16 {
    let mut ports = 28_100..28_400;
    ports
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("some port is free")
}

/// A short run of the built-in server.
fn run(folder: &Path) -> RunResult {
    let out = folder.join("run");
    let url = format!("target.url=ws://127.0.0.1:{}/", port());
    let status = Command::new(env!("CARGO_BIN_EXE_wsbench"))
        .args(["run", "scenarios/ci-smoke.toml", "--quiet", "--out"])
        .arg(&out)
        .args(["--set", &url, "--set", "load.warm_up=500ms"])
        .args([
            "--set",
            "validity.schedule_lag_p99=1s",
            "--set",
            "validity.busy=100%",
        ])
        .status()
        .unwrap();
    assert!(status.code().is_some());
    assert!(out.join("report.html").exists(), "saved with every run");
    RunResult::load(&out).unwrap()
}

fn hostile(mut result: RunResult) -> RunResult {
    let text = || HOSTILE.to_owned();
    (result.scenario.name, result.scenario.text) = (text(), text());
    result.scenario.description = HOSTILE.repeat(20);
    result.target.urls = vec![HOSTILE.replace(' ', "")];
    result.environment.cpu = text();
    result.summary.failures.push(TallyRow {
        kind: text(),
        count: 1,
        failure: true,
        example: Some(HOSTILE.repeat(10).replace(' ', "")),
        hint: Some(text()),
    });
    for row in &mut result.timeline.rows {
        row.faults = text();
    }
    result
}

/// What a page looked like in a frame of some width.
struct Seen {
    facts: serde_json::Value,
}

impl Seen {
    fn number(&self, name: &str) -> u64 {
        let fact = &self.facts[name];
        fact.as_u64().unwrap_or_else(|| panic!("{name}: {fact}"))
    }
}

/// Opens the page in a frame, moves the pointer over a chart, and looks.
fn look(browser: &Path, page: &Path, width: u32, scripts: bool) -> Seen {
    let outer = OUTER
        .replace("WIDTH", &width.to_string())
        .replace("MAY", if scripts { "allow-scripts" } else { "" });
    let file = page.with_file_name("outer.html");
    std::fs::write(&file, outer).unwrap();
    let dom = dom(browser, &file);
    let (_, seen) = dom.split_once("<title>").expect("a document");
    let (seen, _) = seen.split_once("</title>").unwrap();
    let facts = serde_json::from_str(seen).unwrap_or_else(|error| panic!("{error}: {seen}"));
    Seen { facts }
}

/// The frame around the page; its title becomes what was seen.
const OUTER: &str = include_str!("report_browser/outer.html");

#[test]
fn the_page_is_whole_at_every_size_with_scripts_and_without() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let plain = run(folder.path());
    for (name, result) in [("plain", plain.clone()), ("hostile", hostile(plain))] {
        std::fs::write(&page, html::run(&result)).unwrap();
        for width in WIDTHS {
            for scripts in [true, false] {
                let seen = look(&browser, &page, width, scripts);
                let case = format!("{name}, {width} wide, scripts {scripts}: {}", seen.facts);
                assert_eq!(seen.number("width"), u64::from(width), "{case}");
                assert!(
                    seen.number("scroll") <= u64::from(width),
                    "sideways: {case}"
                );
                assert!(seen.number("word") > 20, "the verdict is small: {case}");
                assert!(seen.number("verdict") < 400, "it is not on top: {case}");
                assert!(seen.number("charts") >= 5, "charts are missing: {case}");
                assert_eq!(seen.number("images"), 0, "{case}");
                assert_eq!(seen.number("scripts"), 2, "{case}");
                assert_ne!(seen.facts["title"], "owned", "{case}");
                // Only the script makes legends into buttons and fills them on hover.
                assert_eq!(seen.number("buttons") > 0, scripts, "{case}");
                assert_eq!(seen.number("hovered") > 0, scripts, "{case}");
            }
        }
    }
}
