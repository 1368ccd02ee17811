//! Whether there is anything to do, and trying it until the time is over.

use alloc::vec::Vec;

use crate::attempt::{Answered, Attempt, Trouble, World};
use crate::methods::{Direction, Method, find};
use crate::settings::{Settings, is_name, method};
use crate::text::number;

/// How long it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    /// In all.
    pub seconds: u64,
    /// A single time: more is done by another process, which says what became of it.
    pub once: bool,
    /// The pause between two tries.
    pub between_seconds: u64,
    /// The server to begin with; the one that answers is noted there.
    pub answered: &'a Answered,
}

/// What there is to do.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// A call.
    Call(&'static Method),
    /// Ending the server itself, after the drain.
    End(Ending),
}

/// Methods that end the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `nginx -s quit`.
    Nginx,
    /// Any signal.
    Signal,
}

impl Wanted {
    /// Whether deregistering switches something off that a start has to re-enable.
    #[must_use]
    pub fn reenables(self) -> bool {
        matches!(self, Self::Call(call) if call.reenable.is_some())
    }
}

/// Is there anything to do?
#[must_use]
pub fn wanted(world: &dyn World, direction: Direction) -> Option<Wanted> {
    let settings = Settings(world);
    let leaving = direction == Direction::Deregister;
    let method = method(settings);
    let wanted = match method.as_slice() {
        b"none" => return None,
        b"nginx" => Wanted::End(Ending::Nginx),
        b"signal" => Wanted::End(Ending::Signal),
        _ if !method.iter().all(u8::is_ascii_lowercase) => {
            world.say(b"SILKROLL_METHOD is not the name of a way of leaving");
            return None;
        }
        _ => Wanted::Call(find(&method, settings)),
    };
    if direction == Direction::Reenable && !wanted.reenables() {
        return None;
    }
    let condition = settings.get("SILKROLL_IF_ENV");
    if condition.is_empty() {
        return Some(wanted);
    }
    if !is_name(&condition) {
        world.say(&text!(
            method,
            ": not done: SILKROLL_IF_ENV is not a variable's name"
        ));
        return None;
    }
    if world.var(&condition).is_some_and(|value| !value.is_empty()) {
        return Some(wanted);
    }
    if leaving {
        world.say(&text!(
            method,
            ": ",
            condition,
            " is not set here, nothing to leave"
        ));
    }
    None
}

/// What became of trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It is done.
    Done,
    /// It is not registered: there was nothing to do, but it may register yet.
    Absent,
    /// It is not done.
    Failed,
}

/// Until it is done, cannot be, or the time is over.
pub fn keep_trying(
    world: &dyn World,
    call: &Method,
    direction: Direction,
    limit: Limit<'_>,
) -> Tried {
    let Some(step) = (match direction {
        Direction::Deregister => Some(call.deregister),
        Direction::Reenable => call.reenable,
        Direction::Registered => None,
    }) else {
        return Tried::Done;
    };
    let begun = world.now();
    let attempt = Attempt::new(
        world,
        limit.seconds,
        direction == Direction::Reenable || has_several_servers(world),
        limit.answered,
    );
    loop {
        match step(&attempt) {
            Ok(_) if attempt.found_absent() && limit.once => return Tried::Absent,
            Ok(what) => {
                if !what.is_empty() {
                    world.say(&text!(
                        method(Settings(world)),
                        ": ",
                        what,
                        took(world, begun)
                    ));
                }
                return if attempt.found_absent() {
                    Tried::Absent
                } else {
                    Tried::Done
                };
            }
            Err(Trouble { again, what }) => {
                if !again || limit.once || !attempt.time_to_pause() {
                    if !limit.once {
                        world.say(&text!(
                            method(Settings(world)),
                            ": not done: ",
                            what,
                            took(world, begun)
                        ));
                    }
                    return Tried::Failed;
                }
            }
        }
        world.pause(limit.between_seconds * 1000);
    }
}

fn has_several_servers(world: &dyn World) -> bool {
    ["SILKROLL_NACOS_SERVER", "SILKROLL_EUREKA_SERVER"]
        .iter()
        .any(|name| Settings(world).get(name).contains(&b','))
}

/// ` in 1.2 s`, for the log.
#[must_use]
pub fn took(world: &dyn World, begun: u64) -> Vec<u8> {
    let tenths = world.now().saturating_sub(begun) / 100;
    text!(" in ", number(tenths / 10), ".", number(tenths % 10), " s")
}

/// What marks the re-enabling of this container: a later stop finds it by this, where the containers of a pod share a
/// network. FNV-1a, for the name of a socket has a hundred bytes, and all of these have more.
#[must_use]
pub fn mark(world: &dyn World) -> Vec<u8> {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for name in [
        "SILKROLL_POD_NAMESPACE",
        "SILKROLL_POD_NAME",
        "podip",
        "SILKROLL_CONTAINER",
        "SILKROLL_METHOD",
    ] {
        for byte in Settings(world).get(name).into_iter().chain([0]) {
            hash ^= u128::from(byte);
            hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    let high = number((hash >> 64) as u64);
    #[allow(clippy::cast_possible_truncation, reason = "the other half")]
    let low = number(hash as u64);
    text!("silkroll-reenable-", high, "-", low)
}
