use super::{Layer, PREFIX, Subject};
use crate::text::quoted;

/// A value that cannot be used: which annotation, which value, where it stands, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{PREFIX}{key}: {value} on {place} cannot be used: {allowed}")]
pub struct Problem {
    /// The key, without the prefix.
    pub key: &'static str,
    /// The value, quoted and cut.
    pub value: String,
    /// Where it stands, in words.
    pub place: String,
    /// What would be allowed.
    pub allowed: String,
    /// Where it stands.
    pub layer: Layer,
}

impl Problem {
    /// Makes the message's parts; the value is quoted and cut here, once.
    #[must_use]
    pub fn new(
        key: &'static str,
        value: &str,
        layer: Layer,
        subject: Subject<'_>,
        allowed: String,
    ) -> Self {
        Self {
            key,
            value: quoted(value, 60),
            place: subject.place(layer),
            allowed,
            layer,
        }
    }
}
