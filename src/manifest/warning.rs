//! What kubectl takes without a word, and was hardly meant.

use std::fmt;

/// Something to look at in a document that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A key twice in one mapping, of which kubectl takes the last.
    RepeatedKey {
        /// The key, as kubectl reads it; of a long one the beginning.
        key: String,
        /// The line of the one that does not count, in the input, counted from 1.
        first: usize,
        /// The line of the one after it, which counts unless there is one more.
        last: usize,
    },
    /// So many more of them than are told one by one.
    More(usize),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepeatedKey { key, first, last } => write!(
                f,
                "the key {key:?} stands in line {first} and again in line {last}: kubectl takes the last one without a word; remove one"
            ),
            Self::More(count) => write!(f, "{count} more keys stand there twice"),
        }
    }
}

/// So many are told one by one; who has more of them has the same reason for all.
const TOLD: usize = 20;

/// Characters of a key: more than Kubernetes' own have, which end at 317.
const KEY: usize = 320;

/// Gathers warnings, of which no number takes much memory.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    told: Vec<Warning>,
    more: usize,
}

impl Warnings {
    pub(crate) fn repeated(&mut self, key: &str, first: usize, last: usize) {
        if self.told.len() == TOLD {
            self.more += 1;
            return;
        }
        self.told.push(Warning::RepeatedKey {
            key: key.chars().take(KEY).collect(),
            first,
            last,
        });
    }

    /// All of them, with lines so much further down.
    pub(crate) fn below(self, lines: usize) -> Vec<Warning> {
        let more = (self.more > 0).then_some(Warning::More(self.more));
        let all = self.told.into_iter().chain(more);
        all.map(|warning| match warning {
            Warning::RepeatedKey { key, first, last } => Warning::RepeatedKey {
                key,
                first: first + lines,
                last: last + lines,
            },
            more @ Warning::More(_) => more,
        })
        .collect()
    }
}
