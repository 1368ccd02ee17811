//! The list that callers go by: the last one in it waits for another one before it leaves, and with `ready-when: registered`
//! a container has started once it is in it.

use alloc::vec::Vec;

use crate::attempt::{Answered, Attempt, Trouble, World};
use crate::methods::{Direction, Method};
use crate::settings::{Settings, method, seconds};
use crate::steps::{Wanted, took, wanted};
use crate::text::number;

/// What the list has of a service, each able to take calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// This container's registration, for the log.
    pub(crate) who: Vec<u8>,
    /// Whether it is there.
    pub(crate) this: bool,
    /// Whether another one is.
    pub(crate) others: bool,
}

impl Listed {
    pub(crate) fn new(who: &[u8]) -> Self {
        Self {
            who: who.to_vec(),
            this: false,
            others: false,
        }
    }

    /// One that is listed, able to take calls.
    pub(crate) fn add(&mut self, is_this: bool) {
        if is_this {
            self.this = true;
        } else {
            self.others = true;
        }
    }
}

/// Reads the list.
pub(crate) type List = fn(&Attempt<'_>) -> Result<Listed, Trouble>;

/// How much of the time to deregister, of which `spent_seconds` are over, may be waited: a second is what deregistering takes, and
/// 3 s where a node forwards. Less time than twice that is not for waiting.
#[must_use]
pub fn patience(limit_seconds: u64, spent_seconds: u64) -> u64 {
    const NEEDED: u64 = 3;
    let left = limit_seconds.saturating_sub(spent_seconds + NEEDED);
    if left < NEEDED { 0 } else { left }
}

/// Without the last usable instance the list that callers go by is empty: another one is waited for. What cannot be read
/// holds up nothing. Two last ones that stop at one moment see each other, and neither waits.
pub fn await_other(world: &dyn World, call: &Method, limit_seconds: u64, answered: &Answered) {
    const BETWEEN_MILLIS: u64 = 1000;
    /// What deregistering takes at most, a login and a second reading included.
    const CALLS: u64 = 5;
    /// For these there is time anyway.
    const CALLS_MILLIS: u64 = 2000;
    let settings = Settings(world);
    let Some(list) = call.listed else { return };
    if limit_seconds == 0 || settings.get("SILKROLL_LAST_INSTANCE") == b"leave" {
        return;
    }
    let begun = world.now();
    let attempt = reading(world, limit_seconds, answered);
    let name = method(settings);
    let who = match list(&attempt) {
        Ok(Listed {
            who,
            this: true,
            others: false,
        }) => who,
        Ok(_) => return,
        Err(Trouble { what, .. }) => {
            let unknown = ": whether this is the last instance cannot be read: ";
            world.say(&text!(name, unknown, what));
            return;
        }
    };
    // How long that server took is what each of the calls takes that deregister.
    let calls = attempt.server_took() * CALLS;
    let until = (begun + limit_seconds * 1000).saturating_sub(calls.saturating_sub(CALLS_MILLIS));
    let left = until.saturating_sub(world.now()).div_ceil(1000);
    let alone = text!(name, ": ", who, " is the last usable instance, ");
    if left == 0 {
        let no_time = "and there is no time to wait for another one";
        world.say(&text!(alone, no_time));
        return;
    }
    let left = number(left);
    let at_most = text!("waiting at most ", left, " s for another one");
    world.say(&text!(alone, at_most));
    loop {
        world.pause(BETWEEN_MILLIS.min(until.saturating_sub(world.now())));
        if world.now() >= until {
            break;
        }
        match list(&attempt) {
            Ok(listed) if listed.others => {
                let took = took(world, begun);
                world.say(&text!(name, ": another instance is listed", took));
                return;
            }
            Ok(listed) if !listed.this => return,
            _ => {}
        }
    }
    world.say(&text!(
        name,
        ": no other instance was seen within ",
        left,
        " s, leaving all the same"
    ));
}

/// What tells whether this container is listed, unless it may count as started without that. `age`: whole seconds since it
/// began, where that can be known.
#[must_use]
pub fn unless_ready(world: &dyn World, age: Option<u64>) -> Option<&'static Method> {
    const BOUND_SECONDS: u64 = 120;
    let Some(Wanted::Call(call)) = wanted(world, Direction::Registered) else {
        return None;
    };
    call.listed?;
    let name = method(Settings(world));
    let bound = seconds(world, "SILKROLL_READY_SECONDS", BOUND_SECONDS);
    match age {
        None => world.say(&text!(
            name,
            ": ready: without /proc nothing tells how long this container waits"
        )),
        Some(age) if age >= bound => world.say(&text!(
            name,
            ": ready: this pod was not listed within ",
            number(bound),
            " s"
        )),
        Some(_) => return Some(call),
    }
    None
}

/// False where the list was read, and this container is not in it. A registry that is away for a moment is asked again.
#[must_use]
pub fn find_self(world: &dyn World, call: &Method, limit_seconds: u64) -> bool {
    let Some(list) = call.listed else { return true };
    let name = method(Settings(world));
    let answered = Answered::default();
    let attempt = reading(world, limit_seconds, &answered);
    loop {
        match list(&attempt) {
            Ok(listed) => {
                if listed.this {
                    world.say(&text!(name, ": ready: ", listed.who, " is listed"));
                }
                return listed.this;
            }
            Err(Trouble { again, what }) => {
                if !again || !attempt.time_to_pause() {
                    world.say(&text!(name, ": ready: the list cannot be read: ", what));
                    return true;
                }
            }
        }
        world.pause(1000);
    }
}

/// A registry that hangs must leave time to deregister.
fn reading<'w>(world: &'w dyn World, limit_seconds: u64, answered: &'w Answered) -> Attempt<'w> {
    Attempt::new(world, limit_seconds, true, answered)
}
