//! Plain facts about requests that got no HTTP answer.

use super::{Exchange, Outcome, Seen, TlsProblem, Variation};

impl Exchange {
    /// The connection opened and not one byte came back.
    pub fn is_mute(&self) -> bool {
        matches!(self.outcome, Outcome::NoBytes { .. })
    }

    /// At least one byte came back, whatever it was.
    pub fn spoke(&self) -> bool {
        use Outcome::{Answer, NotHttp, PartialHead};
        matches!(
            self.outcome,
            Answer(_) | NotHttp { .. } | PartialHead { .. }
        )
    }

    /// How the peer ended it without a whole answer; `None` when it stayed open or answered.
    pub fn end(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::NoBytes { end }
            | Outcome::NotHttp { end, .. }
            | Outcome::PartialHead { end, .. } => end.as_deref(),
            _ => None,
        }
    }

    /// Not one byte came, and it stayed open until we stopped waiting.
    pub fn hangs(&self) -> bool {
        self.is_mute() && self.end().is_none()
    }
}

impl Seen {
    /// Everything asked so far with this variation, in order.
    pub fn all_to<'a>(&'a self, asked: &'a Variation) -> impl Iterator<Item = &'a Exchange> {
        self.compared.iter().filter(move |e| e.asked == *asked)
    }

    /// `ws` was asked for, and the port speaks TLS: what plain text got there means nothing.
    pub fn wants_tls(&self) -> bool {
        let Some(other) = self.to(&Variation::OtherScheme) else {
            return false;
        };
        let up = other.is_mute() || other.spoke();
        let alert = matches!(other.outcome, Outcome::NoTls(TlsProblem::Alert(_)));
        !self.asked.secure && (up || alert)
    }
}
