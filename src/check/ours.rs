//! Silkroll's own hooks as they stand in an injected object: what they do by themselves, and the user's hook that they run
//! after it.

use super::time::Time;
use crate::deregister::{HELPER_PATH, SCRIPT_KEY};

/// One of Silkroll's hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ours<'a> {
    /// How the pod leaves: `nacos`, `none`; empty where that does not stand in the manifest.
    pub(super) method: &'a str,
    /// What it sends to the server's process, where the method is `signal`.
    pub(super) signal: &'a str,
}

/// The words behind a command that Silkroll wrote, of whichever version: the user's hook, as `exec CMD ARG…`,
/// `http SCHEME HOST PORT PATH …` or `sleep N`. None where the command is another.
pub(super) fn chain<'a, 's>(command: &'s [&'a str]) -> Option<&'s [&'a str]> {
    match command {
        [HELPER_PATH, "stop" | "start", chain @ ..] => Some(chain),
        [_, "-c", launcher, _, chain @ ..] if runs_script(launcher, SCRIPT_KEY) => Some(chain),
        _ => None,
    }
}

/// Whether a startup probe's command, of whichever version, passes once the pod is in the list that its callers go by
/// (`ready-when: registered`).
pub(super) fn waits_for_the_list(command: &[&str]) -> bool {
    match command {
        [HELPER_PATH, "registered"] => true,
        [_, "-c", launcher, ..] => runs_script(launcher, &format!("{SCRIPT_KEY} registered")),
        _ => false,
    }
}

/// Whether a shell's text is one that Silkroll wrote, with these words in it.
fn runs_script(launcher: &str, words: &str) -> bool {
    launcher.contains("/silkroll/") && launcher.contains(words)
}

impl<'a> Ours<'a> {
    pub(super) fn read(env: &dyn Fn(&str) -> Option<&'a str>) -> Self {
        Self {
            method: env("SILKROLL_METHOD").unwrap_or_default(),
            signal: env("SILKROLL_SIGNAL_NAME").unwrap_or_default(),
        }
    }

    /// Whether it ends the server itself, after the drain.
    fn ends(self) -> bool {
        matches!(self.method, "nginx" | "signal")
    }

    /// Whether it takes the pod out of a list that callers have.
    pub(super) fn leaves_a_registry(self) -> bool {
        !matches!(self.method, "" | "none") && !self.ends()
    }

    /// Whether it is known to take the pod out of nothing.
    pub(super) fn leaves_nothing(self) -> bool {
        self.method == "none" || self.ends()
    }

    /// Whether the server is told to finish what it is answering.
    pub(super) fn ends_gracefully(self) -> bool {
        self.method == "nginx" || self.ends() && matches!(self.signal, "QUIT" | "WINCH")
    }
}

/// What a stop hook takes by itself and with the user's own, by the variables that it reads (`parts::env` writes
/// them, `hook.sh` reads them).
pub(super) fn time<'a>(own: Time, env: &dyn Fn(&str) -> Option<&'a str>) -> Time {
    let seconds = |name: &str| env(name).and_then(|text| text.parse::<u64>().ok());
    let bounded = |name: &str| Time::UNKNOWN.within(seconds(name).unwrap_or(0));
    let drain = Time::exact(seconds("SILKROLL_DRAIN_SECONDS").unwrap_or(15));
    // What ends the server comes after the drain, by a bound of its own.
    let leave = if Ours::read(env).ends() {
        "SILKROLL_WAIT_SECONDS"
    } else {
        "SILKROLL_DEREGISTER_SECONDS"
    };
    let idle = bounded("SILKROLL_IDLE_SECONDS");
    let own = match seconds("SILKROLL_OWN_SECONDS") {
        Some(bound) if bound > 0 => own.within(bound),
        _ => own,
    };
    bounded(leave).then(drain).then(idle).then(own)
}
