//! A whole distribution of times: 1 us resolution, 3 significant digits, no upper end in practice.
//!
//! The only room that knows the `hdrhistogram` crate. Values are whole microseconds, rounded to the
//! nearest, so a time below half a microsecond is recorded as zero. Unanswered messages have no time;
//! they enter a quantile as `censored` counts that rank above every answered one (DESIGN section 3).
//! It does not format anything.

use std::fmt;
use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

/// What is tracked without growing: 60 s, in microseconds.
const EXPECTED_MAX: u64 = 60_000_000;
/// Longer times are recorded as this (30 days), so that memory is bounded.
const CEILING: u64 = 30 * 86_400 * 1_000_000;
/// The end of the step that it falls into is within this.
const CEILING_STEP: u64 = CEILING + CEILING / 500;
/// Significant decimal digits.
const DIGITS: u8 = 3;

/// A distribution of times.
#[derive(Clone)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

/// The answer to "how long did the fastest share `q` take at most?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// This long.
    Value(Duration),
    /// It falls among the messages that were never answered.
    Censored {
        /// Longer than every answer that came; the caller may know a larger bound (the timeout).
        more_than: Duration,
    },
    /// Nothing was recorded.
    None,
}

/// One step of a cumulative distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DistributionStep {
    /// The largest time in this step.
    pub value: Duration,
    /// How many samples are at most `value`.
    pub cumulative: u64,
}

/// An encoded histogram that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decode histogram: {0}\nhint: the file is damaged, or was not written by wsbench")]
pub struct HistogramError(String);

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty one; takes about 136 KiB.
    pub fn new() -> Self {
        let mut inner = hdrhistogram::Histogram::new_with_bounds(1, EXPECTED_MAX, DIGITS)
            .expect("the bounds are constants that hdrhistogram accepts");
        inner.auto(true);
        Self(inner)
    }

    /// Adds one time.
    pub fn record(&mut self, value: Duration) {
        self.record_n(value, 1);
    }

    /// Adds the same time `count` times.
    pub fn record_n(&mut self, value: Duration, count: u64) {
        self.0
            .record_n(micros(value), count)
            .expect("an auto-resizing histogram holds every value up to the ceiling");
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("an auto-resizing histogram holds every value up to the ceiling");
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many times were added.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The shortest time, within 0.1 %.
    pub fn min(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| Duration::from_micros(self.0.min()))
    }

    /// The longest time, within 0.1 %, never rounded down.
    pub fn max(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| Duration::from_micros(self.0.max()))
    }

    /// The arithmetic mean in microseconds.
    pub fn mean_micros(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.mean())
    }

    /// The population standard deviation in microseconds.
    pub fn stddev_micros(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.stdev())
    }

    /// The smallest time that at least the share `q` (0 to 1) of all messages took at most, when
    /// `censored` further messages were never answered and so rank above every sample.
    pub fn quantile(&self, q: f64, censored: u64) -> Quantile {
        let answered = self.count();
        let all = answered.saturating_add(censored);
        if all == 0 {
            return Quantile::None;
        }
        // A hair less, so that 0.07 x 100 = 7.000000000000001 is rank 7 and not 8.
        let rank = (q.clamp(0.0, 1.0) * all as f64 * (1.0 - 1e-12)).ceil();
        let rank = (rank as u64).max(1);
        if rank > answered {
            let more_than = self.max().unwrap_or_default();
            return Quantile::Censored { more_than };
        }
        // Half a rank less for the same reason: the crate multiplies and rounds up again.
        let share = (rank as f64 - 0.5) / answered as f64;
        Quantile::Value(Duration::from_micros(self.0.value_at_quantile(share)))
    }

    /// The cumulative distribution in steps that get finer towards the tail, for percentile plots.
    pub fn distribution(&self) -> Vec<DistributionStep> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut cumulative = 0;
        let mut steps = Vec::new();
        for step in self.0.iter_quantiles(5) {
            cumulative += step.count_since_last_iteration();
            steps.push(DistributionStep {
                value: Duration::from_micros(step.value_iterated_to()),
                cumulative,
            });
        }
        steps.dedup_by_key(|step| step.cumulative);
        steps
    }

    /// Base64 of the HdrHistogram V2 format, compressed: what every standard tool decodes.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("writing to memory succeeds and counts stay below 2^63");
        STANDARD.encode(bytes)
    }

    /// Every different value in microseconds with how often it was recorded, in order.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let recorded = self.0.iter_recorded();
        recorded.map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    /// From [`Histogram::counts`]: the same distribution.
    pub fn from_counts(
        counts: impl IntoIterator<Item = (u64, u64)>,
    ) -> Result<Self, HistogramError> {
        let mut histogram = Self::new();
        let mut all = 0_u64;
        for (value, count) in counts {
            all = all.saturating_add(count);
            if value > CEILING_STEP || all > MAX_COUNT {
                return Err(HistogramError("a count is out of range".to_owned()));
            }
            let recorded = histogram.0.record_n(value, count);
            recorded.map_err(|error| HistogramError(error.to_string()))?;
        }
        Ok(histogram)
    }

    /// Reads base64 of HdrHistogram V2, compressed or not.
    pub fn decode(text: &str) -> Result<Self, HistogramError> {
        let bytes = STANDARD
            .decode(text.trim())
            .map_err(|error| HistogramError(error.to_string()))?;
        let plain = inflate(bytes)?;
        check_announced(&plain)?;
        let mut inner: hdrhistogram::Histogram<u64> = Deserializer::new()
            .deserialize(&mut plain.as_slice())
            .map_err(|error| HistogramError(error.to_string()))?;
        if inner.sigfig() != DIGITS || inner.low() != 1 {
            return Err(HistogramError(format!(
                "{} digits from {}, expected {DIGITS} digits from 1",
                inner.sigfig(),
                inner.low()
            )));
        }
        // So that sums of some of them can be written again.
        if inner.len() > MAX_COUNT {
            return Err(HistogramError("more than 2^53 samples".to_owned()));
        }
        inner.auto(true);
        Ok(Self(inner))
    }
}

/// The first bytes of the uncompressed and of the compressed format, version 2.
const PLAIN: [u8; 4] = 0x1c84_9313_u32.to_be_bytes();
const COMPRESSED: [u8; 4] = 0x1c84_9314_u32.to_be_bytes();
/// Most samples of a histogram that is read.
const MAX_COUNT: u64 = 1 << 53;
/// Bytes before the counts of the uncompressed format.
const HEADER: usize = 40;
/// More than any histogram of [`DIGITS`] digits takes: 56,320 counts of at most 9 bytes.
const LARGEST: u64 = 1 << 20;

/// The uncompressed format; a few bytes cannot become more than [`LARGEST`].
fn inflate(bytes: Vec<u8>) -> Result<Vec<u8>, HistogramError> {
    if !bytes.starts_with(&COMPRESSED) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let deflated = bytes.get(8..).unwrap_or_default();
    let mut reader = flate2::read::ZlibDecoder::new(deflated).take(LARGEST);
    match reader.read_to_end(&mut plain) {
        Ok(_) => Ok(plain),
        Err(error) => Err(HistogramError(error.to_string())),
    }
}

/// Refuses what the crate would believe: it reserves as many bytes as are announced, up to 4 GiB.
fn check_announced(plain: &[u8]) -> Result<(), HistogramError> {
    let field = |at: usize| plain.get(at..at + 4).and_then(|b| b.first_chunk::<4>());
    if field(0) != Some(&PLAIN) {
        return Err(HistogramError("no HdrHistogram of version 2".to_owned()));
    }
    let (Some(length), Some(digits)) = (field(4), field(12)) else {
        return Err(HistogramError("its header is cut".to_owned()));
    };
    let length = u32::from_be_bytes(*length) as usize;
    let there = plain.len().saturating_sub(HEADER);
    if length > there {
        let text = format!("{length} bytes announced, {there} are there");
        return Err(HistogramError(text));
    }
    let digits = u32::from_be_bytes(*digits);
    if digits != u32::from(DIGITS) {
        let text = format!("{digits} digits, expected {DIGITS}");
        return Err(HistogramError(text));
    }
    // The crate negates such a number, which has no positive counterpart.
    if plain.windows(9).any(|bytes| bytes == [0xff; 9]) {
        return Err(HistogramError("a count is out of range".to_owned()));
    }
    Ok(())
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.count() == other.count() && (self.is_empty() || self.0 == other.0)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram({} samples)", self.count())
    }
}

/// Whether `samples` are enough to print the quantile `q`: above 0.9 it takes 10/(1 - q), or the
/// figure is the accident of a few (RELIABILITY 4.2 no. 13).
pub fn is_supported(q: f64, samples: u64) -> bool {
    q <= 0.9 || q >= 1.0 || samples as f64 >= (10.0 / (1.0 - q)).round()
}

/// Whole microseconds, rounded to the nearest, at most [`CEILING`].
fn micros(value: Duration) -> u64 {
    // Not `as_nanos`: a 128-bit division costs more than the rest of a record.
    let below_a_second = (u64::from(value.subsec_nanos()) + 500) / 1_000;
    let seconds = value.as_secs().min(CEILING / 1_000_000);
    (seconds * 1_000_000 + below_a_second).min(CEILING)
}

/// Tags and histograms of an interval log, read by the crate's own reader (which did not write it).
#[cfg(test)]
pub(crate) fn read_log(log: &str) -> Vec<(String, Histogram)> {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let entries = IntervalLogIterator::new(log.as_bytes());
    let intervals = entries.filter_map(|entry| match entry.unwrap() {
        LogEntry::Interval(interval) => Some((
            interval.tag().unwrap().as_str().to_owned(),
            Histogram::decode(interval.encoded_histogram()).unwrap(),
        )),
        _ => None,
    });
    intervals.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        for value in micros {
            histogram.record(Duration::from_micros(value));
        }
        histogram
    }

    fn us(value: u64) -> Quantile {
        Quantile::Value(Duration::from_micros(value))
    }

    #[test]
    fn values_round_to_the_nearest_microsecond() {
        for (nanos, expected) in [(0, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2)] {
            let mut histogram = Histogram::new();
            histogram.record(Duration::from_nanos(nanos));
            assert_eq!(histogram.max(), Some(Duration::from_micros(expected)));
        }
        assert_eq!(micros(Duration::from_nanos(2_999_999_500)), 3_000_000);
        assert_eq!(micros(Duration::MAX), CEILING);
    }

    #[test]
    fn quantiles_are_ranks() {
        let histogram = of(1..=100);
        for (q, expected) in [
            (0.0, 1),
            (0.01, 1),
            (0.07, 7),
            (0.5, 50),
            (0.501, 51),
            (0.9, 90),
            (0.99, 99),
            (0.999, 100),
            (1.0, 100),
        ] {
            assert_eq!(histogram.quantile(q, 0), us(expected), "q = {q}");
        }
    }

    #[test]
    fn every_rank_of_odd_sizes_is_exact() {
        for n in [1_u64, 3, 7, 49, 97, 1000] {
            let histogram = of(1..=n);
            for rank in 1..=n {
                let q = rank as f64 / n as f64;
                assert_eq!(histogram.quantile(q, 0), us(rank), "rank {rank} of {n}");
            }
        }
    }

    #[test]
    fn unanswered_messages_rank_above_every_answer() {
        let histogram = of(1..=98);
        assert_eq!(histogram.quantile(0.98, 2), us(98));
        let more_than = Duration::from_micros(98);
        assert_eq!(
            histogram.quantile(0.99, 2),
            Quantile::Censored { more_than }
        );
        assert_eq!(
            Histogram::new().quantile(0.5, 1),
            Quantile::Censored {
                more_than: Duration::ZERO
            }
        );
        assert_eq!(Histogram::new().quantile(0.5, 0), Quantile::None);
    }

    #[test]
    fn a_tail_needs_samples() {
        for (q, enough) in [(0.95, 200), (0.99, 1_000), (0.999, 10_000)] {
            assert!(is_supported(q, enough), "{q}");
            assert!(!is_supported(q, enough - 1), "{q}");
        }
        assert!(is_supported(0.9, 1) && is_supported(1.0, 1));
    }

    #[test]
    fn times_beyond_a_minute_keep_three_digits() {
        let histogram = of([1, 3_600_000_000]);
        let max = histogram.max().unwrap().as_secs_f64();
        assert!((3_600.0..3_604.0).contains(&max), "{max}");
        let mut histogram = Histogram::new();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 1);
    }

    #[test]
    fn encoding_is_lossless_even_for_zeros_and_outliers() {
        for histogram in [
            of([]),
            of([0]),
            of([0, 0, 1]),
            of([1, 20, 300, 4_000_000]),
            of([7, 90_000_000]),
        ] {
            let again = Histogram::decode(&histogram.encode()).unwrap();
            assert_eq!(again, histogram);
            assert_eq!(again.max(), histogram.max());
            assert_eq!(again.min(), histogram.min());
        }
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        let good = of([1, 2, 3]).encode();
        for text in ["", "!", "AAAA", &good[..good.len() / 2], &good[4..]] {
            assert!(Histogram::decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_few_bytes_reserve_no_gigabytes() {
        let header = |length: u32, digits: u32| {
            let mut bytes = PLAIN.to_vec();
            for word in [length, 0, digits, 0, 1, 0, 60_000_000] {
                bytes.extend_from_slice(&word.to_be_bytes());
            }
            bytes.extend_from_slice(&1_f64.to_be_bytes());
            STANDARD.encode(bytes)
        };
        assert!(Histogram::decode(&header(0, 3)).is_ok());
        let error = Histogram::decode(&header(u32::MAX, 3)).unwrap_err();
        assert!(error.to_string().contains("4294967295 bytes announced, 0"));
        assert!(Histogram::decode(&header(0, 5)).is_err());
    }

    #[test]
    fn the_distribution_ends_with_all_samples() {
        let histogram = of(1..=1_000);
        let steps = histogram.distribution();
        assert_eq!(steps.last().unwrap().cumulative, 1_000);
        assert!(steps.is_sorted_by_key(|step| step.cumulative));
        assert!(of([]).distribution().is_empty());
    }
}
