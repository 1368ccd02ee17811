//! How long a hook takes, as far as its words tell: where anything is in doubt nothing is claimed.
//!
//! Sources: the manual of GNU's `sleep` (units, fractions, `infinity`); that the kubelet's call for a hook ends only when
//! nobody holds the command's output any more, a process in the background neither, is containerd's and CRI-O's doing
//! (kubernetes/kubernetes#92057, containerd/containerd#7832).

use super::hook::{mentions, program};
use super::shell::{End, Script, Word};

/// How long a hook takes, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// It takes at least this.
    pub(super) least: u64,
    /// It may take so much more, and what is bounded by that is meant to come to its end: calls that have a timeout.
    pub(super) more: u64,
    /// Something else in it may take any time.
    pub(super) open: bool,
}

impl Time {
    pub(super) const UNKNOWN: Self = Self {
        least: 0,
        more: 0,
        open: true,
    };

    pub(super) fn exact(least: u64) -> Self {
        Self {
            least,
            more: 0,
            open: false,
        }
    }

    /// What is to be reckoned with: all that is known of it.
    pub(super) fn reckoned(self) -> u64 {
        self.least.saturating_add(self.more)
    }

    /// It takes no longer than this; none where that is not known.
    pub(super) fn most(self) -> Option<u64> {
        (!self.open).then(|| self.reckoned())
    }

    /// One after the other.
    pub(super) fn then(self, next: Self) -> Self {
        Self {
            least: self.least.saturating_add(next.least),
            more: self.more.saturating_add(next.more),
            open: self.open || next.open,
        }
    }

    /// Ended after so many seconds, where it runs then.
    pub(super) fn within(self, seconds: u64) -> Self {
        let least = self.least.min(seconds);
        let most = self.most().unwrap_or(seconds).min(seconds);
        Self {
            least,
            more: most - least,
            open: false,
        }
    }

    /// What a command takes that no shell reads.
    pub(super) fn of(command: &[&str]) -> Self {
        let sleeps = command
            .first()
            .is_some_and(|first| program(first) == "sleep");
        if sleeps && command.iter().any(|word| word.contains('$')) {
            // That is no number, and nobody puts one in its place.
            return Self::exact(0);
        }
        let words = command.iter().map(|word| Word {
            text: (*word).to_owned(),
            open: false,
        });
        Self::of_words(&words.collect::<Vec<_>>())
    }

    pub(super) fn of_words(words: &[Word]) -> Self {
        let words = behind(words);
        let Some((first, rest)) = words.split_first() else {
            return Self::exact(0);
        };
        if first.open {
            return Self::UNKNOWN;
        }
        match program(&first.text) {
            "sleep" => Self::of_sleep(rest),
            // What a registry or Spring's actuator is asked by such a call it answers in milliseconds.
            "curl" | "wget" if words.iter().any(|word| is_answered(&word.text)) => Self::exact(0),
            quick if QUICK.contains(&quick) && !words.iter().any(waits) => Self::exact(0),
            _ => Self::UNKNOWN,
        }
    }

    fn of_sleep(words: &[Word]) -> Self {
        let mut all = 0_u64;
        for word in words {
            match milliseconds(&word.text) {
                Some(one) if !word.open => all = all.saturating_add(one),
                _ => return Self::UNKNOWN,
            }
        }
        if all == FOREVER {
            return Self::exact(FOREVER);
        }
        Self::exact(all / 1000)
    }

    /// What a shell's script takes. Behind what branches, repeats or waits for something else than time nothing is known.
    pub(super) fn of_script(script: &Script) -> Self {
        let mut time = Self::exact(0);
        let mut before = End::Next;
        for command in &script.commands {
            let words = command.run();
            let conditional = matches!(before, End::And | End::Or);
            let first = words.first().map_or("", |word| word.text.as_str());
            if matches!(first, "exit" | "return") && !conditional {
                return time;
            }
            if UNCLEAR.contains(&first) {
                return time.then(Self::UNKNOWN);
            }
            let one = Self::of_words(words);
            time = time.then(match (before, command.end) {
                // The end of a pipe waits for all of it, and for the slowest.
                (End::Pipe, _) | (_, End::Pipe) => Self::UNKNOWN,
                // A container runtime waits for whatever holds the hook's output.
                (_, End::Background) if command.silent || one == Self::exact(0) => Self::exact(0),
                (_, End::Background) => Self::UNKNOWN,
                // Whether it runs is not known.
                (End::Or, _) if one != Self::exact(0) => Self::UNKNOWN,
                _ => one,
            });
            before = command.end;
        }
        if script.cut {
            return time.then(Self::UNKNOWN);
        }
        time
    }
}

/// The command that others run which stand in front of it: `exec`, `env A=1`, `nohup`.
pub(super) fn behind(words: &[Word]) -> &[Word] {
    let mut words = words;
    while let [first, rest @ ..] = words {
        let set = match program(&first.text) {
            _ if rest.is_empty() || first.open => break,
            "exec" | "nohup" | "command" | "busybox" => 0,
            "env" => rest
                .iter()
                .take_while(|word| word.assigns().is_some())
                .count(),
            _ => break,
        };
        words = &rest[set..];
    }
    words
}

/// What never ends by itself.
pub(super) const FOREVER: u64 = u64::MAX;

/// What branches, repeats, or waits for something else than time.
const UNCLEAR: [&str; 19] = [
    "if", "while", "until", "for", "case", "select", "function", "wait", "trap", "exit", "return",
    "break", "test", "[", "[[", "eval", ".", "source", "!",
];

/// Whether a word holds a command that may take its time.
fn waits(word: &Word) -> bool {
    word.open && word.text.contains("sleep")
}

/// Paths by which a registry is told that an instance is away: Nacos, Eureka and Consul store a flag, so they answer at once.
pub(super) const REGISTRIES: [&str; 6] = [
    "/ns/instance",
    "/eureka/apps/",
    "/v1/agent/service/",
    "/v1/agent/maintenance",
    "/actuator/serviceregistry",
    "/actuator/service-registry",
];

/// Whether what is called by a path or URL answers at once: a registry, or Spring's actuator, which shuts down in a thread of
/// its own (`ShutdownEndpoint`), and refuses a GET.
pub(super) fn is_answered(url: &str) -> bool {
    mentions(url, &REGISTRIES) || mentions(url, &["/actuator/shutdown"])
}

/// Programs that end in a moment.
const QUICK: [&str; 20] = [
    "echo", "printf", "date", "true", ":", "touch", "kill", "killall", "pkill", "nginx", "rm",
    "mkdir", "set", "sync", "export", "cd", "exec", "umask", "unset", "false",
];

/// What GNU's and busybox's `sleep` take for an argument.
fn milliseconds(word: &str) -> Option<u64> {
    if matches!(word, "infinity" | "inf") {
        return Some(FOREVER);
    }
    let unit = |text: &str| match text {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let end = word
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(word.len());
    let (number, times) = (&word[..end], unit(&word[end..])?);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let all = whole.checked_mul(1000)?.checked_add(part.parse().ok()?)?;
    all.checked_mul(times)
}
