//! What holds for every page, whatever is on it.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::Value;
use sha2::Digest as _;

use crate::compare::gate::{Gate, compare};
use crate::result::fault::By;
use crate::result::{FaultRecord, RunResult, ThresholdOutcome, ThresholdState, Verdict, fixture};

/// What a server, a scenario or a damaged file may say.
const HOSTILE: &str = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \
                       \"'` {{data}} \u{202e}\u{2028}\0\x1b[2J &lt;b";

/// A run with some of everything.
fn rich() -> RunResult {
    let mut result = fixture::result();
    let outcome = |name: &str, state| ThresholdOutcome {
        name: name.to_owned(),
        limit: "< 1ms".to_owned(),
        value: Some(0.002),
        unit: "s".to_owned(),
        censored: false,
        few_samples: None,
        state,
    };
    result.thresholds = vec![
        outcome("handshake.p50", ThresholdState::Pass),
        outcome("round_trip.p99", ThresholdState::Fail),
    ];
    result.verdict = Verdict::Fail;
    result.storms = vec![fixture::storm()];
    result.faults = vec![FaultRecord {
        occurrence: 0,
        fault: 0,
        kind: "restart_server".to_owned(),
        by: By::Server,
        planned_s: 2.0,
        sent_s: 2.0,
        acked_s: None,
        until_s: Some(2.5),
        instant: false,
        clients: None,
        error: None,
    }];
    result
}

/// Every text of a document made hostile, one after another, where it still can be read.
fn poisoned(result: &RunResult) -> (RunResult, usize) {
    let mut document = serde_json::to_value(result).unwrap();
    let mut places = Vec::new();
    collect(&document, String::new(), &mut places);
    let mut poisoned = 0;
    for place in places {
        let spot = document.pointer_mut(&place).unwrap();
        let before = std::mem::replace(spot, Value::from(HOSTILE));
        // A histogram that cannot be decoded hides its curve: others are to be seen.
        if place.ends_with("/histogram")
            || serde_json::from_value::<RunResult>(document.clone()).is_err()
        {
            *document.pointer_mut(&place).unwrap() = before;
        } else {
            poisoned += 1;
        }
    }
    (serde_json::from_value(document).unwrap(), poisoned)
}

fn collect(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::String(_) => places.push(place),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{place}/{index}"), places);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(item, format!("{place}/{name}"), places);
            }
        }
        _ => {}
    }
}

/// The text between two marks.
fn between<'a>(page: &'a str, from: &str, until: &str) -> &'a str {
    let (_, rest) = page.split_once(from).expect(from);
    rest.split_once(until).expect(until).0
}

fn assert_harmless(page: &str) {
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    assert_eq!(page.matches("<style").count(), 1);
    assert!(!page.contains("<img") && !page.contains("<!--"));
    let safe = |c: char| c == '\n' || !(c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c));
    assert!(page.chars().all(safe), "a control character stands raw");
    // Between the tags stands text: no bare quote ends an attribute, no tag is unknown.
    let body = between(page, "<main>", "</main>");
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("every tag ends");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(!tag.contains(" on"), "{tag}");
    }
    let data: Value = serde_json::from_str(data_of(page)).expect("the data is JSON");
    assert!(data["charts"].is_array());
}

fn data_of(page: &str) -> &str {
    between(page, "id=\"data\">", "</script>")
}

#[test]
fn the_verdict_and_why_come_first() {
    let page = super::run(&rich());
    let places = [
        "<header class=\"fail\">",
        ">fail</strong>",
        "1 of 2 thresholds broken",
        "round_trip.p99 <b>2.000 ms</b>, asked &lt; 1ms",
        "The run over time",
        "<svg id=\"round-trip\"",
        "restart_server",
        "storm of 8",
        "Thresholds</h2>",
        "<svg id=\"spectrum\"",
        "<svg id=\"handshake\"",
        "Storms</h2>",
        "<svg id=\"storm-1-attempts\"",
        "Failures</h2>",
        "http_status{503}",
        "Environment</h2>",
        "Example CPU",
        "Scenario</h2>",
        "name = &quot;chat&quot;",
    ];
    let mut from = 0;
    for text in places {
        let at = page[from..].find(text);
        from += at.unwrap_or_else(|| panic!("{text} is missing or too early\n{page}"));
    }
}

#[test]
fn every_chart_has_its_values_and_every_value_its_chart() {
    let page = super::run(&rich());
    let data: Value = serde_json::from_str(data_of(&page)).unwrap();
    let charts = data["charts"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    for chart in charts {
        let id = chart["id"].as_str().unwrap();
        assert!(seen.insert(id.to_owned()), "{id} twice");
        let svg = between(&page, &format!("<svg id=\"{id}\""), "</svg>");
        let series = chart["series"].as_array().unwrap();
        assert_eq!(svg.matches("class=\"series").count(), series.len(), "{id}");
        for series in series {
            let points = chart["at"].as_array().unwrap().len();
            assert_eq!(series["low"].as_array().unwrap().len(), points, "{id}");
        }
    }
    assert!(charts.len() >= 8, "{seen:?}");
}

#[test]
fn no_text_field_can_write_into_the_page() {
    let (result, fields) = poisoned(&rich());
    assert!(fields > 40, "{fields} texts");
    let page = super::run(&result);
    assert_harmless(&page);
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
}

#[test]
fn no_text_field_can_write_into_the_page_of_a_comparison() {
    let (result, _) = poisoned(&rich());
    let (base, candidate) = (vec![result.clone(); 3], vec![result; 3]);
    let mut comparison = compare(&base, &candidate, &Gate::default());
    comparison.warnings.push(HOSTILE.to_owned());
    assert_harmless(&super::comparison(&comparison, &base, &candidate));
}

#[test]
fn a_damaged_histogram_costs_only_its_curve() {
    let mut result = rich();
    for summary in result.summary.metrics.values_mut() {
        summary.histogram = HOSTILE.to_owned();
    }
    let page = super::run(&result);
    assert_harmless(&page);
    assert!(!page.contains("<svg id=\"spectrum\"") && page.contains("<svg id=\"clients\""));
}

#[test]
fn the_policy_allows_this_style_and_this_script_only() {
    let page = super::run(&rich());
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\">");
    for text in [
        between(&page, "<style>", "</style>"),
        between(&page, "</script>\n<script>", "</script>"),
    ] {
        let hash = sha2::Sha256::digest(text);
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    }
    assert!(policy.starts_with("default-src 'none'"));
    assert!(!page.contains(" style="), "the policy would drop it");
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = super::run(&rich());
    for wrong in ["http://", "https://", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
}

#[test]
fn an_hour_of_seconds_stays_small_and_keeps_its_peak() {
    let mut result = rich();
    let row = result.timeline.rows[1].clone();
    result.timeline.rows = (0..3_600_u32)
        .map(|second| {
            let mut row = row.clone();
            (row.start_s, row.end_s) = (f64::from(second), f64::from(second + 1));
            let noise = 1.0 + f64::from(second.wrapping_mul(2_654_435_761) % 1_000) / 1e3;
            for time in [
                &mut row.round_trip_p50_ms,
                &mut row.round_trip_p99_ms,
                &mut row.handshake_p50_ms,
                &mut row.delivery_p99_ms,
                &mut row.schedule_lag_p99_ms,
            ] {
                *time = Some(noise);
            }
            (row.messages_sent, row.lost) = ((1e5 * noise) as u64, second.into());
            row
        })
        .collect();
    result.timeline.rows[1_234].round_trip_p99_ms = Some(8_765.0);
    let page = super::run(&result);
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    assert!(data_of(&page).contains("8765"), "the peak is lost");
}

#[test]
fn a_run_without_data_has_a_page_without_charts() {
    let page = super::run(&fixture::result_of(fixture::facts(), &[]));
    assert_harmless(&page);
    assert!(!page.contains("<svg") && page.contains("inconclusive"));
}

#[test]
fn a_comparison_shows_intervals_and_both_sides() {
    let (base, candidate) = (vec![rich(); 3], vec![rich(); 3]);
    let comparison = compare(&base, &candidate, &Gate::default());
    let page = super::comparison(&comparison, &base, &candidate);
    let forest = between(&page, "<svg id=\"forest\"", "</svg>");
    let drawn = forest.matches("class=\"change").count();
    let changes = comparison.changes.iter().filter(|c| c.unit != "ratio");
    assert_eq!(drawn, changes.count());
    assert!(drawn > 0 && forest.contains("class=\"band\""));
    let spectrum = between(&page, "<svg id=\"spectrum-round-trip\"", "</figure>");
    assert_eq!(spectrum.matches("class=\"series").count(), 2);
    assert!(spectrum.contains(">base<") && spectrum.contains(">candidate<"));
}
