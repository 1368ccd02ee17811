//! How long a hook takes, as far as its words tell: a shell is not read as a shell reads it, so where anything is in doubt
//! nothing is claimed.

use super::hook::program;

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

    /// What a command takes.
    pub(super) fn of(command: &[&str]) -> Self {
        let Some((first, rest)) = command.split_first() else {
            return Self::UNKNOWN;
        };
        let first = program(first);
        if first == "sleep" {
            let all = rest
                .iter()
                .try_fold(0, |all: u64, word| all.checked_add(seconds(word)?));
            return all.map_or(Self::UNKNOWN, Self::exact);
        }
        if QUICK.contains(&first) {
            return Self::exact(0);
        }
        Self::UNKNOWN
    }

    /// What a shell's script takes.
    pub(super) fn of_script(script: &str) -> Self {
        let lines = script
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let mut spaced = String::with_capacity(script.len() + 16);
        for line in lines {
            spaced.push_str(
                &line
                    .replace(">&", ">")
                    .replace("&&", ";")
                    .replace("||", " || ")
                    .replace(';', " ; "),
            );
            spaced.push_str(" ; ");
        }
        let tokens: Vec<&str> = spaced.split_whitespace().collect();
        let bare = |word: &str| {
            word.trim_matches(['"', '\'', '(', ')', '{', '}', '`'])
                .to_owned()
        };
        if tokens.iter().any(|token| {
            UNCLEAR.contains(&bare(token).as_str()) || (token.ends_with('&') && *token != ";")
        }) {
            return Self::UNKNOWN;
        }
        let mut time = Self::exact(0);
        for command in tokens.split(|token| *token == ";") {
            let command: Vec<String> = command.iter().map(|word| bare(word)).collect();
            let mut command: Vec<&str> = command.iter().map(String::as_str).collect();
            while command.first() == Some(&"exec") {
                command.remove(0);
            }
            if command.is_empty() {
                continue;
            }
            // Its end waits for all of it, and for the slowest: nothing is known of that.
            let one = if command.contains(&"|") {
                Self::UNKNOWN
            } else {
                Self::of(&command)
            };
            time = time.then(one);
        }
        // Other languages sleep, too.
        if time.least == 0 && script.contains("sleep(") {
            return Self::UNKNOWN;
        }
        time
    }
}

/// What branches, repeats, or waits for something else than time.
const UNCLEAR: [&str; 14] = [
    "if", "while", "until", "for", "case", "wait", "trap", "||", "&", "timeout", "function",
    "exit", "return", "break",
];

/// Programs that end in a moment.
const QUICK: [&str; 18] = [
    "sleep", "echo", "printf", "date", "true", ":", "touch", "kill", "killall", "pkill", "nginx",
    "rm", "mkdir", "set", "sync", "export", "cd", "exec",
];

/// What `sleep` takes for an argument, rounded down.
fn seconds(word: &str) -> Option<u64> {
    let (number, times) = match word.as_bytes().last()? {
        b's' => (&word[..word.len() - 1], 1),
        b'm' => (&word[..word.len() - 1], 60),
        b'h' => (&word[..word.len() - 1], 3600),
        _ => (word, 1),
    };
    let (whole, _) = number.split_once('.').unwrap_or((number, ""));
    whole.parse::<u64>().ok()?.checked_mul(times)
}
