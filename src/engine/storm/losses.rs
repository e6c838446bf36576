//! The losses of the last second that no storm has claimed yet.

use std::collections::{HashMap, VecDeque};

use super::WINDOW;
use crate::clock::Offset;

/// A loss that waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which entry of the queue.
    pub entry: u64,
    /// When.
    pub at: Offset,
    /// Whose.
    pub client: u64,
    /// Open connections just before.
    pub level: u64,
}

/// Losses in order of time, none older than a second.
#[derive(Debug, Default)]
pub struct Losses {
    list: VecDeque<Loss>,
    clients: HashMap<u64, u32>,
}

impl Losses {
    /// Forgets what is a second old.
    pub fn slide(&mut self, now: Offset) {
        while let Some(oldest) = self.list.front()
            && oldest.at + WINDOW <= now
        {
            let client = oldest.client;
            self.list.pop_front();
            if let Some(count) = self.clients.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    self.clients.remove(&client);
                }
            }
        }
    }

    /// Adds the latest.
    pub fn push(&mut self, loss: Loss) {
        *self.clients.entry(loss.client).or_default() += 1;
        self.list.push_back(loss);
    }

    /// The oldest.
    pub fn first(&self) -> Option<Loss> {
        self.list.front().copied()
    }

    /// Different clients that lost a connection.
    pub fn clients(&self) -> u64 {
        self.clients.len() as u64
    }

    /// The losses since a time.
    pub fn since(&self, at: Offset) -> impl Iterator<Item = &Loss> {
        self.list.iter().skip_while(move |loss| loss.at < at)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        self.clients.clear();
    }
}
