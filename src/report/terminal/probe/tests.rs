use super::*;
use crate::report::probe::fixture;

fn page(width: usize, seen: &Seen, diagnosis: &Diagnosis) -> String {
    let look = Look {
        width,
        color: false,
    };
    render(seen, diagnosis, look)
}

#[test]
fn the_pages_of_some_probes() {
    for (name, seen, diagnosis) in fixture::all() {
        for width in [60, 100] {
            let name = format!("{}_{width}", name.replace(' ', "_"));
            insta::assert_snapshot!(name, page(width, &seen, &diagnosis));
        }
    }
}

#[test]
fn a_healthy_page_holds_no_word_of_alarm() {
    let alarms = [
        "misconfig",
        "not forward",
        "failed",
        "dead",
        "half-open",
        "fake",
        "proxy",
        "cut",
        "dropped",
        "certificate",
        "error",
        "wrong",
        "refused",
        "timeout",
    ];
    let probes = fixture::all();
    let healthy = probes.iter().filter(|p| p.2.health == Health::Healthy);
    let mut pages = 0;
    for (name, seen, diagnosis) in healthy {
        pages += 1;
        let text = page(100, seen, diagnosis).to_lowercase();
        for alarm in alarms {
            assert!(
                !text.contains(alarm),
                "{alarm} on the page of {name}:\n{text}"
            );
        }
    }
    assert_eq!(pages, 2);
}

#[test]
fn pages_fit_their_width_and_nothing_of_a_target_moves_the_cursor() {
    for (name, seen, diagnosis) in fixture::all() {
        for width in [40, 60, 80, 100, usize::MAX] {
            let text = page(width, &seen, &diagnosis);
            assert!(
                !text.contains(['\x1b', '\u{202e}', '\r']),
                "{name} at {width}: {text:?}"
            );
            let snippet = |line: &str| line.starts_with("      ");
            let word = |line: &str| line.split_whitespace().any(|w| w.chars().count() > 20);
            for line in text.lines().filter(|line| !snippet(line) && !word(line)) {
                assert!(line.chars().count() <= width, "{name} at {width}: {line}");
            }
        }
    }
}

#[test]
fn colour_adds_styles_and_changes_no_word() {
    for (name, seen, diagnosis) in fixture::all() {
        let look = Look {
            width: 100,
            color: true,
        };
        let styled = render(&seen, &diagnosis, look);
        let plain = page(100, &seen, &diagnosis);
        assert_ne!(styled, plain, "{name}");
        assert_eq!(
            anstream::adapter::strip_str(&styled).to_string(),
            plain,
            "{name}"
        );
    }
}
