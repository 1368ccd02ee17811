//! What ends the server itself and then waits until it has gone. The process that runs this is ended at its limit.

use alloc::vec::Vec;

use hook::{Ending, Process, Settings, World, number, topmost};

use crate::container::Container;
use crate::{join, sys};

pub(crate) fn end(container: &Container, ending: Ending, limit: u64) {
    let (name, outcome) = match ending {
        Ending::Nginx => (&b"nginx: "[..], nginx(container, limit)),
        Ending::Signal => (&b"signal: "[..], signal(container)),
    };
    match outcome {
        Ok(what) => container.say(&join(&[name, &what])),
        Err(what) => container.say(&join(&[name, b"not done: ", &what])),
    }
}

/// What was done, or why not.
type Outcome = Result<Vec<u8>, Vec<u8>>;

fn nginx(container: &Container, limit: u64) -> Outcome {
    /// The command only sends a signal.
    const COMMAND_MILLIS: u64 = 3000;
    let seen = sys::processes();
    let found = seen
        .as_deref()
        .map(|all| topmost(all, b"nginx", sys::own_pid()))
        .unwrap_or_default();
    if seen.is_some() && found.is_empty() {
        return Ok(b"no nginx runs here".to_vec());
    }
    let until = container.now() + COMMAND_MILLIS;
    let asked = sys::fork(|| {
        sys::null_stdio();
        sys::exec(&[b"nginx".to_vec(), b"-s".to_vec(), b"quit".to_vec()])
    });
    let asked = asked.is_some_and(|child| match child.wait(Some(until)) {
        sys::Waited::Ended(status) => status == 0,
        sys::Waited::Over => {
            child.kill();
            false
        }
    });
    match (asked, seen.is_some()) {
        (true, true) => {
            await_end(container, &found);
            Ok(b"quit, and has ended".to_vec())
        }
        (true, false) => {
            container.say(b"nginx: asked to quit; there is no /proc, so nobody sees when it has");
            container.pause(limit * 1000);
            Ok(b"quit".to_vec())
        }
        (false, true) => send(container, &found, b"QUIT", sys::signal(b"QUIT")),
        (false, false) => {
            Err(b"nginx -s quit failed, and there is no /proc to find the process in".to_vec())
        }
    }
}

fn signal(container: &Container) -> Outcome {
    let settings = Settings(container);
    let name = settings.get("SILKROLL_SIGNAL_NAME");
    let fits = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if name.is_empty() || !name.iter().all(fits) {
        return Err(b"SILKROLL_SIGNAL_NAME is not the name of a signal".to_vec());
    }
    let process = settings.get("SILKROLL_SIGNAL_PROCESS");
    if process.is_empty() {
        return Err(b"SILKROLL_SIGNAL_PROCESS is not set".to_vec());
    }
    let Some(seen) = sys::processes() else {
        return Err(b"there is no /proc to find the process in".to_vec());
    };
    let found = topmost(&seen, &process, sys::own_pid());
    if found.is_empty() {
        return Ok(join(&[
            b"no process here is called ",
            &process,
            b", nothing to end",
        ]));
    }
    send(container, &found, &name, sys::signal(&name))
}

fn send(container: &Container, found: &[&Process], name: &[u8], signal: Option<i32>) -> Outcome {
    let mut pids = Vec::new();
    for process in found {
        let pid = number(process.pid);
        let sent = signal.is_some_and(|signal| sys::send_signal(process.pid, signal));
        if !sent && is_there(process) {
            return Err(join(&[
                b"the signal ",
                name,
                b" to process ",
                &pid,
                b" (",
                &process.comm,
                b") was refused",
            ]));
        }
        pids.push(b' ');
        pids.extend_from_slice(&pid);
    }
    await_end(container, found);
    Ok(join(&[name, b" to process", &pids, b", which has ended"]))
}

fn is_there(process: &Process) -> bool {
    sys::process(process.pid)
        .is_some_and(|now| now.comm == process.comm || now.arguments == process.arguments)
}

fn await_end(container: &Container, found: &[&Process]) {
    const LOOK_MILLIS: u64 = 100;
    while found.iter().any(|process| is_there(process)) {
        container.pause(LOOK_MILLIS);
    }
}
