//! The hook's settings are environment variables.

use alloc::vec::Vec;

use crate::attempt::World;
use crate::text::parse_number;

/// Reads variables. One that is empty counts as one that is not there.
#[derive(Clone, Copy)]
pub struct Settings<'w>(pub &'w dyn World);

impl Settings<'_> {
    /// The value of a variable, empty where there is none.
    #[must_use]
    pub fn get(self, name: &str) -> Vec<u8> {
        self.0.var(name.as_bytes()).unwrap_or_default()
    }

    /// The value of a variable, or what stands for it.
    #[must_use]
    pub fn or(self, name: &str, default: &str) -> Vec<u8> {
        let value = self.get(name);
        if value.is_empty() {
            default.as_bytes().to_vec()
        } else {
            value
        }
    }

    /// The value of a variable that has one.
    #[must_use]
    pub fn some(self, name: &str) -> Option<Vec<u8>> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }
}

/// The method as the log calls it.
#[must_use]
pub fn method(settings: Settings<'_>) -> Vec<u8> {
    settings.or("SILKROLL_METHOD", "none")
}

/// Whether it can be the name of a variable.
pub(crate) fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|first| !first.is_ascii_digit())
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// A count of seconds from a variable, or `default` where it holds none.
#[must_use]
pub fn seconds(world: &dyn World, name: &str, default: u64) -> u64 {
    let value = Settings(world).get(name);
    if value.is_empty() {
        return default;
    }
    count(&value).unwrap_or_else(|| {
        world.say(&text!(
            name,
            " is not a number of seconds, taken as ",
            crate::text::number(default)
        ));
        default
    })
}

/// More than a day of it is no setting of anybody's.
pub(crate) fn count(value: &[u8]) -> Option<u64> {
    const DIGITS: usize = 5;
    parse_number(value).filter(|_| value.len() <= DIGITS)
}
