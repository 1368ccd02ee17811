//! `hook stop [CHAIN…]` and `hook start [CHAIN…]`, run by the kubelet in the application's container; `hook own CHAIN…`
//! is the user's own hook alone. `hook registered` is a startup probe: 1 while the container is not in its callers' list. CHAIN is `exec CMD ARG… | http SCHEME HOST PORT PATH [HEADER…] | sleep N`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod container;
mod ending;
#[allow(
    unsafe_code,
    reason = "the C library and the kernel are asked here and nowhere else"
)]
mod sys;

use alloc::vec::Vec;

use container::Container;
use hook::{
    Answered, Direction, Limit, Method, Own, Settings, Tried, Wanted, World, await_other,
    find_self, keep_trying, method, number, own, patience, seconds, unless_ready, wanted,
};
use sys::{Child, Waited};

/// What deregistering may take beyond its limit, to say what became of it; a tenth of what the whole hook may.
const LAST_WORDS_MILLIS: u64 = 200;

/// As a shell has it: killed by signal 9.
const KILLED: i32 = 128 + 9;

/// What became of deregistering, as far as the drain has to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// There is no more to do.
    Settled,
    /// It was not registered, and may be yet.
    Absent,
    /// It may be registered again: by a client that does so, or by a re-enabling that was ended and whose last request may
    /// still be on its way.
    Contested,
}

impl Left {
    const STATUS: [(i32, Self); 3] = [(0, Self::Settled), (3, Self::Absent), (4, Self::Contested)];
    /// Before it stands the place of the server that answered. More than eleven do not go into a status.
    const SERVERS: u8 = 11;

    /// As the status of the process that deregistered.
    fn status(self, answered: &Answered) -> i32 {
        let own = Self::STATUS.iter().find(|(_, left)| *left == self);
        let place = Some(answered.place()).filter(|place| *place <= Self::SERVERS);
        own.map_or(0, |(status, _)| *status) + 10 * i32::from(place.unwrap_or_default())
    }

    /// None where that process failed.
    fn of_status(status: i32) -> Option<(Self, Answered)> {
        let place = u8::try_from(status / 10).ok()?;
        let own = Self::STATUS.iter().find(|(own, _)| *own == status % 10);
        let (_, left) = own.filter(|_| place <= Self::SERVERS)?;
        Some((*left, Answered::by(place)))
    }
}

/// The exit status.
fn run(arguments: &[Vec<u8>]) -> i32 {
    sys::prepare_signals();
    let container = Container::new();
    match arguments {
        [word, chain @ ..] if word == b"stop" => stop(&container, chain),
        [word, chain @ ..] if word == b"start" => start(&container, chain),
        [word, chain @ ..] if word == b"own" => run_own(&container, &own(chain), 0),
        [word] if word == b"registered" => registered(&container),
        _ => {
            sys::complain(
                b"usage: hook stop|start|own|registered [exec CMD ARG... | http SCHEME HOST PORT PATH [HEADER...] | sleep N]\n",
            );
            2
        }
    }
}

fn stop(container: &Container, chain: &[Vec<u8>]) -> i32 {
    let own = own(chain);
    let mut drain = seconds(container, "SILKROLL_DRAIN_SECONDS", 15);
    if let Own::Sleep(more) = own {
        drain += more;
    }
    sys::drain_on_panic(drain);
    let limit = match seconds(container, "SILKROLL_DEREGISTER_SECONDS", 10) {
        0 => 10,
        limit => limit,
    };
    let wanted = wanted(container, Direction::Deregister);
    let mut watched = None;
    if let Some(Wanted::Call(call)) = wanted {
        watched = match deregister(container, wanted, limit) {
            (Left::Settled, _) => None,
            (left, answered) => Some((call, left, answered)),
        };
    }
    if drain > 0 {
        container.say(&join(&[
            b"drain: ",
            &number(drain),
            b" s for callers to forget this pod",
        ]));
        let until = container.now() + drain * 1000;
        if let Some((call, left, answered)) = watched {
            watch_for_it(container, call, left, &answered, until);
        }
        container.pause(until.saturating_sub(container.now()));
    }
    sys::drain_on_panic(0);
    match seconds(container, "SILKROLL_IDLE_SECONDS", 0) {
        0 => {}
        limit => wait_until_idle(container, limit),
    }
    // What ends the server itself comes after the drain: callers that have not forgotten it are to be answered.
    if let Some(Wanted::End(_)) = wanted {
        match seconds(container, "SILKROLL_WAIT_SECONDS", limit) {
            0 => {}
            wait => {
                deregister(container, wanted, wait);
            }
        }
    }
    match own {
        Own::Sleep(_) => 0,
        own => run_own(
            container,
            &own,
            seconds(container, "SILKROLL_OWN_SECONDS", 0),
        ),
    }
}

/// In a process of its own, for the table of connections may be longer than there is memory for.
fn wait_until_idle(container: &Container, limit: u64) {
    /// It gives up by itself, and says what remains; this is for the last look.
    const LAST_LOOK_MILLIS: u64 = 1000;
    let until = container.now() + limit * 1000 + LAST_LOOK_MILLIS;
    let child = sys::fork(|| {
        sys::null_stdio();
        hook::await_idle(container, limit);
        0
    });
    match child.as_ref().map(|child| child.wait(Some(until))) {
        Some(Waited::Ended(0)) => return,
        Some(Waited::Over) => {
            if let Some(child) = child {
                child.kill();
            }
        }
        _ => {}
    }
    container.say(&join(&[
        b"idle: it could not be seen within ",
        &number(limit),
        b" s that no client holds a connection; going on",
    ]));
}

/// An app that is told to stop while it still starts registers in the middle of the drain: it is looked for, and taken
/// out when it is there. Where it may be registered again, too: until that cannot be any more, no success is the last.
fn watch_for_it(container: &Container, call: &Method, left: Left, answered: &Answered, until: u64) {
    /// A node that forwards waits 2 s for the other; the rest is for a busy one.
    const DOUBT_MILLIS: u64 = 6000;
    const EVERY_MILLIS: u64 = 3000;
    const LOOK_SECONDS: u64 = 2;
    let look = Limit {
        seconds: LOOK_SECONDS,
        once: true,
        between_seconds: 1,
        answered,
    };
    let sure = match left {
        Left::Contested if call.registers_again => until,
        Left::Contested => container.now() + DOUBT_MILLIS,
        _ => 0,
    };
    let mut done = false;
    while until.saturating_sub(container.now()) > EVERY_MILLIS + LOOK_SECONDS * 1000 {
        container.pause(EVERY_MILLIS);
        let child = sys::fork(|| {
            sys::null_stdio();
            i32::from(keep_trying(container, call, Direction::Deregister, look) != Tried::Done)
        });
        let Some(child) = child else { return };
        match child.wait(Some(container.now() + LOOK_SECONDS * 1000)) {
            Waited::Ended(0) => done = true,
            Waited::Ended(_) => {}
            Waited::Over => child.kill(),
        }
        if done && container.now() >= sure {
            return;
        }
    }
}

/// In a process of its own, which can be ended whatever it hangs in.
fn deregister(container: &Container, wanted: Option<Wanted>, limit: u64) -> (Left, Answered) {
    let settled = (Left::Settled, Answered::default());
    let Some(wanted) = wanted else {
        return settled;
    };
    let begun = container.now();
    let child = sys::fork(|| {
        sys::null_stdio();
        match wanted {
            Wanted::Call(call) => {
                // Where a re-enabling was still trying, its last request may be on its way: let that come first.
                let contested = wanted.reenables() && sys::end_lock(&hook::mark(container));
                if contested {
                    container.pause(1000);
                }
                let spent = || container.now().saturating_sub(begun) / 1000;
                let answered = Answered::default();
                await_other(container, call, patience(limit, spent()), &answered);
                let limit = Limit {
                    seconds: limit.saturating_sub(spent()),
                    once: false,
                    between_seconds: 1,
                    answered: &answered,
                };
                let left = match keep_trying(container, call, Direction::Deregister, limit) {
                    Tried::Done | Tried::Absent if contested || call.registers_again => {
                        Left::Contested
                    }
                    Tried::Absent => Left::Absent,
                    Tried::Done | Tried::Failed => Left::Settled,
                };
                left.status(&answered)
            }
            Wanted::End(ending) => {
                ending::end(container, ending, limit);
                0
            }
        }
    });
    let name = method(Settings(container));
    match child {
        None => container.say(&join(&[
            &name,
            b": not done: no process can be started here",
        ])),
        Some(child) => {
            let until = begun + limit * 1000 + LAST_WORDS_MILLIS;
            match child.wait(Some(until)) {
                Waited::Ended(status) => {
                    if let Some(told) = Left::of_status(status) {
                        return told;
                    }
                    let status = number(u64::from(status.unsigned_abs()));
                    container.say(&join(&[
                        &name,
                        b": not done: the helper failed with status ",
                        &status,
                    ]));
                }
                Waited::Over => {
                    child.kill();
                    let limit = number(limit);
                    container.say(&join(&[
                        &name,
                        b": not done within ",
                        &limit,
                        b" s, going on",
                    ]));
                }
            }
        }
    }
    settled
}

/// Never keeps a container from serving: where the registry cannot be asked this is as good as listed.
fn registered(container: &Container) -> i32 {
    const LOOK_SECONDS: u64 = 4;
    const NOT_LISTED: i32 = 3;
    let Some(call) = unless_ready(container, sys::age()) else {
        return 0;
    };
    let child = sys::fork(|| {
        sys::null_stdio();
        if find_self(container, call, LOOK_SECONDS) {
            0
        } else {
            NOT_LISTED
        }
    });
    let name = method(Settings(container));
    let unread = |why: &[u8]| container.say(&join(&[&name, b": ready: ", why]));
    let Some(child) = child else {
        unread(b"the list cannot be read: no process can be started here");
        return 0;
    };
    match child.wait(Some(container.now() + (LOOK_SECONDS + 1) * 1000)) {
        Waited::Ended(0) => 0,
        Waited::Ended(NOT_LISTED) => {
            sys::complain(&join(&[
                &name,
                b": this pod is not in the list that callers go by\n",
            ]));
            1
        }
        Waited::Ended(status) => {
            let status = number(u64::from(status.unsigned_abs()));
            unread(&join(&[
                b"the list cannot be read: the helper failed with status ",
                &status,
            ]));
            0
        }
        Waited::Over => {
            child.kill();
            unread(b"the list could not be read within 5 s");
            0
        }
    }
}

/// Ends with 0 whatever happens, for a failing postStart kills the container; only the user's own hook may fail.
fn start(container: &Container, chain: &[Vec<u8>]) -> i32 {
    if let Some(Wanted::Call(call)) = wanted(container, Direction::Reenable) {
        const ONCE_SECONDS: u64 = 3;
        // A registry that is down is up again after this, or its pods have other troubles.
        const BACK_SECONDS: u64 = 120;
        let try_for = |seconds, once| {
            let limit = Limit {
                seconds,
                once,
                between_seconds: 2,
                answered: &Answered::default(),
            };
            keep_trying(container, call, Direction::Reenable, limit) == Tried::Done
        };
        let first = sys::fork(|| {
            sys::null_stdio();
            let _held = sys::lock(&hook::mark(container));
            i32::from(!try_for(ONCE_SECONDS, true))
        });
        let until = container.now() + ONCE_SECONDS * 1000;
        let waited = first.as_ref().map(|child| child.wait(Some(until)));
        if let (Some(child), Some(Waited::Over)) = (&first, &waited) {
            child.kill();
        }
        // Killed before its bound, it was ended by a stop, which has the last word.
        if !matches!(waited, Some(Waited::Ended(0 | KILLED))) {
            let limit = seconds(container, "SILKROLL_HTTP_START_SECONDS", BACK_SECONDS);
            go_on(container, limit, || try_for(limit, false));
        }
    }
    // A postStart, which the bound of the preStop hook is not for.
    run_own(container, &own(chain), 0)
}

/// In the background. Only where a later stop can find it may it go on alone.
fn go_on(container: &Container, limit: u64, work: impl FnOnce() -> bool) {
    const READY_MILLIS: u64 = 1000;
    let mark = hook::mark(container);
    let until = container.now() + READY_MILLIS;
    sys::fork_ready(until, |ready| {
        sys::own_session();
        sys::null_stdio();
        container.let_go_of_stdout();
        sys::end_after(limit + 5);
        let Some(_held) = sys::lock(&mark) else {
            return 0;
        };
        drop(ready);
        work();
        0
    });
}

/// The user's own hook, so many seconds at most, 0 without a bound; the last thing done, its status is the hook's.
fn run_own(container: &Container, own: &Own<'_>, bound: u64) -> i32 {
    /// The kubelet knows no bound but the grace period either.
    const UNBOUNDED: u64 = 3600;
    match own {
        Own::None => 0,
        Own::Sleep(seconds) => {
            container.pause(seconds * 1000);
            0
        }
        Own::Http(request) => request.send(container, if bound == 0 { UNBOUNDED } else { bound }),
        Own::Exec(command) => match bound {
            0 => exec(container, command),
            seconds => exec_bounded(container, command, seconds),
        },
    }
}

fn exec(container: &Container, command: &[Vec<u8>]) -> i32 {
    let status = sys::exec(command);
    if let Some(program) = command.first() {
        container.say(&join(&[
            b"own hook: ",
            program,
            if status == sys::NOT_FOUND {
                b" is not there"
            } else {
                b" cannot be run"
            },
        ]));
    }
    status
}

fn exec_bounded(container: &Container, command: &[Vec<u8>], seconds: u64) -> i32 {
    let until = container.now() + seconds * 1000;
    // A child that outlives the bound must not hold the hook's own output open: the kubelet would wait for it.
    let child: Option<Child> = sys::fork(|| {
        container.log_as_output();
        exec(container, command)
    });
    let Some(child) = child else {
        container.say(b"own hook: not done: no process can be started here");
        return 1;
    };
    match child.wait(Some(until)) {
        Waited::Ended(status) => status,
        Waited::Over => {
            child.kill();
            container.say(&join(&[
                b"own hook: not ended within ",
                &number(seconds),
                b" s",
            ]));
            KILLED
        }
    }
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
