//! A toxic as words: `latency,latency=50ms,direction=downstream`, for a flag and for the line between
//! a run and its relay. The keys are those of the scenario file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::nearest;
use super::relay::{Direction, FrameKind, Toxic, ToxicKind};
use crate::units::{ByteSize, Ratio, TimeSpan};

/// Every key beside `kind`; `jitter` and `variation` are `delay_jitter` and `size_variation` for short.
const KEYS: [&str; 18] = [
    "share",
    "probability",
    "direction",
    "frames",
    "latency",
    "delay_jitter",
    "jitter",
    "bytes_per_s",
    "timeout",
    "delay",
    "size",
    "size_variation",
    "variation",
    "bytes",
    "at",
    "every",
    "count",
    "duration",
];
const KINDS: [&str; 11] = [
    "latency",
    "bandwidth",
    "timeout",
    "reset_peer",
    "slow_close",
    "slicer",
    "limit_data",
    "corrupt",
    "drop_frames",
    "cut_frame",
    "down",
];

/// A toxic and when it works.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedToxic {
    /// What.
    pub toxic: Toxic,
    /// From when; `None` = from the start.
    pub at: Option<Duration>,
    /// From one time to the next; `None` = once.
    pub every: Option<Duration>,
    /// How many times at most; `None` = until the end.
    pub count: Option<u64>,
    /// How long each time; `None` = until the end, or an instant, by its kind.
    pub duration: Option<Duration>,
}

/// Why a text is no toxic; its second line is the hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}\nhint: {hint}")]
pub struct ToxicError {
    message: String,
    hint: String,
}

fn error(message: impl Into<String>, hint: impl Into<String>) -> ToxicError {
    ToxicError {
        message: message.into(),
        hint: hint.into(),
    }
}

impl ToxicKind {
    /// Whether it can be told frames and a probability: it does something to single frames or pieces.
    pub fn is_selective(name: &str) -> bool {
        ["latency", "corrupt", "drop_frames", "cut_frame"].contains(&name)
    }
}

impl FromStr for TimedToxic {
    type Err = ToxicError;

    fn from_str(text: &str) -> Result<Self, ToxicError> {
        let mut parts = text.split(',').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let mut pairs = Vec::new();
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                let hint = "write KIND,key=value,key=value, e.g. latency,latency=50ms";
                error(format!("`{part}` is no key=value"), hint)
            })?;
            pairs.push((key.trim(), value.trim()));
        }
        Self::from_pairs(kind, &pairs)
    }
}

impl TimedToxic {
    /// From a kind and keys with their values.
    ///
    /// # Errors
    /// An unknown kind or key, a bad value, or a key that means nothing to the kind or is missing.
    pub fn from_pairs(kind: &str, pairs: &[(&str, &str)]) -> Result<Self, ToxicError> {
        let mut words = Words::new(kind, pairs)?;
        let timed = Self {
            at: words.read("at", time)?,
            every: words.read("every", time)?,
            count: words.read("count", whole)?,
            duration: words.read("duration", time)?,
            toxic: Toxic {
                share: words.read("share", share)?.unwrap_or(1.0),
                direction: words.read("direction", direction)?.unwrap_or_default(),
                probability: words.selective("probability", share)?.unwrap_or(1.0),
                frames: words.selective("frames", frames)?.unwrap_or_default(),
                kind: words.kind()?,
            },
        };
        if timed.toxic.kind == ToxicKind::DropFrames && timed.toxic.frames.is_empty() {
            return Err(words.missing("frames", "frames=ping+pong"));
        }
        if timed.every.is_some_and(|every| every.is_zero()) {
            return Err(error("`every` is zero", "write for example every=10s"));
        }
        words.nothing_left()?;
        Ok(timed)
    }
}

/// Pairs, taken one by one.
struct Words<'a> {
    kind: &'a str,
    left: Vec<(&'a str, &'a str)>,
}

type Read<T> = fn(&str) -> Result<T, String>;

impl<'a> Words<'a> {
    fn new(kind: &'a str, pairs: &[(&'a str, &'a str)]) -> Result<Self, ToxicError> {
        let names = KINDS.join(", ");
        if !KINDS.contains(&kind) {
            let hint = nearest(kind, KINDS.iter().copied()).map_or_else(
                || format!("one of {names}"),
                |near| format!("did you mean {near}?"),
            );
            return Err(error(format!("there is no toxic `{kind}`"), hint));
        }
        for (index, (key, _)) in pairs.iter().enumerate() {
            if !KEYS.contains(key) {
                let hint = nearest(key, KEYS.iter().copied())
                    .map_or_else(|| KEYS.join(", "), |near| format!("did you mean {near}?"));
                return Err(error(format!("a toxic has no key `{key}`"), hint));
            }
            if pairs[..index].iter().any(|(earlier, _)| earlier == key) {
                return Err(error(format!("`{key}` is given twice"), "give it once"));
            }
        }
        Ok(Self {
            kind,
            left: pairs.to_vec(),
        })
    }

    fn read<T>(&mut self, key: &str, read: Read<T>) -> Result<Option<T>, ToxicError> {
        let Some(at) = self.left.iter().position(|(known, _)| *known == key) else {
            return Ok(None);
        };
        let (_, value) = self.left.remove(at);
        let told = |hint| error(format!("`{key}={value}` is not understood"), hint);
        read(value).map(Some).map_err(told)
    }

    /// For kinds that choose frames or pieces.
    fn selective<T>(&mut self, key: &str, with: Read<T>) -> Result<Option<T>, ToxicError> {
        if ToxicKind::is_selective(self.kind) {
            return self.read(key, with);
        }
        Ok(None)
    }

    fn needs<T>(&mut self, key: &str, with: Read<T>, example: &str) -> Result<T, ToxicError> {
        let value = self.read(key, with)?;
        value.ok_or_else(|| self.missing(key, example))
    }

    fn missing(&self, key: &str, example: &str) -> ToxicError {
        let kind = self.kind;
        error(
            format!("{kind} needs `{key}`"),
            format!("write for example {kind},{example}"),
        )
    }

    /// Either name of a key.
    fn either<T>(&mut self, keys: [&str; 2], with: Read<T>) -> Result<Option<T>, ToxicError> {
        let [first, second] = keys;
        Ok(self.read(first, with)?.or(self.read(second, with)?))
    }

    fn kind(&mut self) -> Result<ToxicKind, ToxicError> {
        Ok(match self.kind {
            "latency" => ToxicKind::Latency {
                latency: self.needs("latency", time, "latency=50ms")?,
                jitter: self
                    .either(["delay_jitter", "jitter"], time)?
                    .unwrap_or_default(),
            },
            "bandwidth" => ToxicKind::Bandwidth {
                bytes_per_s: self
                    .needs("bytes_per_s", bytes, "bytes_per_s=16KiB")?
                    .max(1),
            },
            "timeout" => ToxicKind::Timeout {
                timeout: self.read("timeout", time)?.unwrap_or_default(),
            },
            "reset_peer" => ToxicKind::ResetPeer {
                timeout: self.read("timeout", time)?.unwrap_or_default(),
            },
            "slow_close" => ToxicKind::SlowClose {
                delay: self.needs("delay", time, "delay=2s")?,
            },
            "slicer" => {
                let size = self.needs("size", size, "size=10B")?.max(1);
                let variation = self.either(["size_variation", "variation"], self::size)?;
                ToxicKind::Slicer {
                    size,
                    variation: variation.unwrap_or_default().min(size - 1),
                    delay: self.read("delay", time)?.unwrap_or_default(),
                }
            }
            "limit_data" => ToxicKind::LimitData {
                bytes: self.needs("bytes", bytes, "bytes=1KiB")?,
            },
            "corrupt" => ToxicKind::Corrupt,
            "drop_frames" => ToxicKind::DropFrames,
            "cut_frame" => ToxicKind::CutFrame,
            _ => ToxicKind::Down,
        })
    }

    fn nothing_left(&self) -> Result<(), ToxicError> {
        match self.left.first() {
            Some((key, _)) => Err(error(
                format!("`{key}` has no meaning with {}", self.kind),
                "remove it",
            )),
            None => Ok(()),
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let span = text.parse::<TimeSpan>();
    span.map(|span| span.0).map_err(|error| error.hint)
}

fn bytes(text: &str) -> Result<u64, String> {
    let plain = text.parse::<u64>().map(ByteSize);
    let size = plain.or_else(|_| text.parse::<ByteSize>());
    size.map(|size| size.0).map_err(|error| error.hint)
}

fn size(text: &str) -> Result<usize, String> {
    bytes(text).map(|size| usize::try_from(size).unwrap_or(usize::MAX))
}

fn whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write a whole number".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<Ratio>().map_err(|error| error.hint)?;
    let above = ratio.share() > 0.0;
    above
        .then_some(ratio.share())
        .ok_or_else(|| "zero hits nobody: write for example 50%".to_owned())
}

const DIRECTIONS: [(&str, Direction); 3] = [
    ("upstream", Direction::Upstream),
    ("downstream", Direction::Downstream),
    ("both", Direction::Both),
];

fn direction(text: &str) -> Result<Direction, String> {
    let found = DIRECTIONS.iter().find(|(name, _)| *name == text);
    found
        .map(|(_, direction)| *direction)
        .ok_or_else(|| "upstream, downstream or both".to_owned())
}

const FRAMES: [(&str, FrameKind); 5] = [
    ("text", FrameKind::Text),
    ("binary", FrameKind::Binary),
    ("ping", FrameKind::Ping),
    ("pong", FrameKind::Pong),
    ("close", FrameKind::Close),
];

fn frames(text: &str) -> Result<Vec<FrameKind>, String> {
    let kinds = text.split('+').map(|word| {
        let found = FRAMES.iter().find(|(name, _)| *name == word.trim());
        found
            .map(|(_, kind)| *kind)
            .ok_or_else(|| "text, binary, ping, pong, close; several joined with +".to_owned())
    });
    kinds.collect()
}

impl Toxic {
    /// Every key that is not at its default, with its value as [`TimedToxic::from_pairs`] reads it.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let span = |span: Duration| TimeSpan(span).to_string();
        let size = |size: u64| ByteSize(size).to_string();
        let mut pairs = match &self.kind {
            ToxicKind::Latency { latency, jitter } => {
                vec![("latency", span(*latency)), ("delay_jitter", span(*jitter))]
            }
            ToxicKind::Bandwidth { bytes_per_s } => vec![("bytes_per_s", size(*bytes_per_s))],
            ToxicKind::Timeout { timeout } | ToxicKind::ResetPeer { timeout } => {
                vec![("timeout", span(*timeout))]
            }
            ToxicKind::SlowClose { delay } => vec![("delay", span(*delay))],
            ToxicKind::Slicer {
                size: each,
                variation,
                delay,
            } => vec![
                ("size", size(*each as u64)),
                ("size_variation", size(*variation as u64)),
                ("delay", span(*delay)),
            ],
            ToxicKind::LimitData { bytes } => vec![("bytes", size(*bytes))],
            ToxicKind::Corrupt | ToxicKind::DropFrames | ToxicKind::CutFrame | ToxicKind::Down => {
                Vec::new()
            }
        };
        let direction = DIRECTIONS
            .iter()
            .find(|(_, known)| *known == self.direction);
        if let Some((name, _)) = direction.filter(|(_, known)| *known != Direction::Both) {
            pairs.push(("direction", (*name).to_owned()));
        }
        let frames = FRAMES.iter().filter(|(_, kind)| self.frames.contains(kind));
        let frames: Vec<&str> = frames.map(|(name, _)| *name).collect();
        if !frames.is_empty() {
            pairs.push(("frames", frames.join("+")));
        }
        for (key, value) in [("share", self.share), ("probability", self.probability)] {
            if value < 1.0 {
                pairs.push((key, value.to_string()));
            }
        }
        pairs
    }
}

/// As `--toxic` takes it.
impl fmt::Display for Toxic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        self.pairs()
            .iter()
            .try_for_each(|(key, value)| write!(f, ",{key}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        for text in [
            "latency,latency=50ms,jitter=10ms,direction=downstream",
            "latency,latency=1ms,frames=text+binary,probability=12.5%,share=0.3",
            "bandwidth,bytes_per_s=16KiB",
            "timeout,at=10s,duration=5s,share=25%",
            "reset_peer,timeout=1s",
            "slow_close,delay=2s",
            "slicer,size=10,variation=3,delay=1ms,direction=upstream",
            "limit_data,bytes=1KiB",
            "corrupt",
            "drop_frames,frames=pong,probability=50%",
            "cut_frame,frames=text",
            "down,at=1s,every=10s,count=3,duration=1s",
        ] {
            let timed: TimedToxic = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            let printed = timed.toxic.to_string();
            let again: TimedToxic = printed.parse().unwrap_or_else(|e| panic!("{printed}: {e}"));
            assert_eq!(again.toxic, timed.toxic, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_a_hint() {
        for (text, message, hint) in [
            (
                "latncy,latency=1ms",
                "no toxic `latncy`",
                "did you mean latency?",
            ),
            ("", "no toxic ``", "one of latency"),
            ("latency", "latency needs `latency`", "latency,latency=50ms"),
            ("latency,50ms", "`50ms` is no key=value", "KIND,key=value"),
            ("latency,latency=5", "not understood", "10s"),
            (
                "latency,latancy=5s",
                "no key `latancy`",
                "did you mean latency?",
            ),
            ("down,bytes=5", "`bytes` has no meaning with down", "remove"),
            ("down,frames=text", "`frames` has no meaning", "remove"),
            ("drop_frames", "needs `frames`", "frames=ping+pong"),
            ("drop_frames,frames=pongs", "not understood", "text, binary"),
            ("corrupt,share=0%", "not understood", "hits nobody"),
            ("corrupt,share=1,share=1", "given twice", "once"),
            ("down,every=0s", "`every` is zero", "every=10s"),
        ] {
            let error = text.parse::<TimedToxic>().expect_err(text).to_string();
            let (first, second) = error.split_once("\nhint: ").expect("a hint");
            assert!(
                first.contains(message) && second.contains(hint),
                "{text}: {error}"
            );
        }
    }
}
