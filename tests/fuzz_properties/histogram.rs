//! Encoded histograms: text as it is, and the bytes behind base64.

use base64::Engine as _;
use wsbench::metrics::Histogram;

pub fn body(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        decode(text);
    }
    decode(&base64::engine::general_purpose::STANDARD.encode(data));
}

/// What can be asked of a histogram that was read.
pub fn decode(text: &str) {
    let histogram = match Histogram::decode(text) {
        Ok(histogram) => histogram,
        Err(error) => return assert!(error.to_string().contains("hint: ")),
    };
    let (min, max) = (histogram.min(), histogram.max());
    assert!(min <= max);
    for q in [0.0, 0.5, 0.999, 1.0] {
        let _ = histogram.quantile(q, 3);
    }
    let _ = (histogram.mean_micros(), histogram.stddev_micros());
    assert!(histogram.distribution().len() < 1_000_000);
    let again = Histogram::decode(&histogram.encode()).expect("what we write, we read");
    assert_eq!(again, histogram);
    let mut twice = Histogram::new();
    twice.merge(&histogram);
    twice.merge(&histogram);
    let _ = twice.encode();
}
