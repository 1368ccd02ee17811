//! What a preStop hook does, as far as its words tell: a shell is not read as a shell reads it, so where anything is in
//! doubt nothing is claimed.

use serde_json::Value;

use super::read::{text, words};
use crate::deregister::{HELPER_PATH, SCRIPT_KEY};

/// A lifecycle handler.
#[derive(Debug)]
pub(super) struct Hook<'a> {
    /// The words of its command; empty where it is none.
    pub(super) command: Vec<&'a str>,
    /// All that is known of what it runs, in one text: its command, and the script of a `ConfigMap` that it names.
    pub(super) text: String,
    /// How long it takes.
    pub(super) time: Time,
}

/// How long a hook takes, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// It takes at least this.
    pub(super) least: u64,
    /// And hardly more: nothing else in it takes time.
    pub(super) exact: bool,
}

impl Time {
    const UNKNOWN: Self = Self {
        least: 0,
        exact: false,
    };
}

impl<'a> Hook<'a> {
    /// Reads a handler. `script` finds the text of a mounted file by its path; `env` the value of a variable.
    pub(super) fn read(
        value: &'a Value,
        script: &dyn Fn(&str) -> Option<&'a str>,
        env: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Option<Self> {
        let members = value.as_object()?;
        if members.values().all(Value::is_null) {
            return None;
        }
        let command: Vec<&str> = words(&value["exec"], "command").collect();
        let mut all = command.join(" ");
        if let Some(get) = value["httpGet"].as_object() {
            let path = get.get("path").and_then(Value::as_str);
            path.unwrap_or("/").clone_into(&mut all);
        }
        let seconds = value["sleep"]["seconds"].as_u64();
        let time = if let Some(least) = seconds {
            Time { least, exact: true }
        } else if is_silkrolls(&command) {
            let drain = env("SILKROLL_DRAIN_SECONDS").and_then(|text| text.parse().ok());
            Time {
                least: drain.unwrap_or(15),
                exact: true,
            }
        } else if command.is_empty() {
            Time::UNKNOWN
        } else {
            let scripts: Vec<&str> = command.iter().filter_map(|word| script(word)).collect();
            for script in &scripts {
                all.push('\n');
                all.push_str(script);
            }
            match (scripts.as_slice(), shell_script(&command)) {
                ([only], _) => of_script(only),
                ([], Some(script)) => of_script(script),
                ([], None) => of_command(&command),
                _ => Time::UNKNOWN,
            }
        };
        Some(Self {
            command,
            text: all,
            time,
        })
    }

    /// Whether it is known to end at once, so that SIGTERM comes while endpoints still lead here.
    pub(super) fn delays_nothing(&self) -> bool {
        self.time.exact && self.time.least == 0
    }

    /// Whether it is one that Silkroll wrote.
    pub(super) fn is_silkrolls(&self) -> bool {
        is_silkrolls(&self.command)
    }
}

fn is_silkrolls(command: &[&str]) -> bool {
    match command {
        [HELPER_PATH, ..] => true,
        [_, "-c", launcher, ..] => launcher.contains("/silkroll/") && launcher.contains(SCRIPT_KEY),
        _ => false,
    }
}

/// The name of a program without its folder.
pub(super) fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// What `sh -c`, `bash -ec` and the like are given to run.
pub(super) fn shell_script<'a>(command: &[&'a str]) -> Option<&'a str> {
    let (first, rest) = command.split_first()?;
    if !SHELLS.contains(&program(first)) {
        return None;
    }
    let at = rest
        .iter()
        .position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    rest.get(at + 1).copied()
}

/// What reads a script after `-c`.
pub(super) const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

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

fn of_command(command: &[&str]) -> Time {
    let Some((first, rest)) = command.split_first() else {
        return Time::UNKNOWN;
    };
    let first = program(first);
    if first == "sleep" {
        return match rest.iter().map(|word| seconds(word)).sum::<Option<u64>>() {
            Some(least) => Time { least, exact: true },
            None => Time::UNKNOWN,
        };
    }
    Time {
        least: 0,
        exact: QUICK.contains(&first),
    }
}

fn of_script(script: &str) -> Time {
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
        return Time::UNKNOWN;
    }
    let mut time = Time {
        least: 0,
        exact: true,
    };
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
            Time::UNKNOWN
        } else {
            of_command(&command)
        };
        time.least = time.least.saturating_add(one.least);
        time.exact &= one.exact;
    }
    // Other languages sleep, too.
    if time.least == 0 && script.contains("sleep(") {
        return Time::UNKNOWN;
    }
    time
}

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

/// A path or URL of an HTTP hook, or words of a command: whether any names one of these.
pub(super) fn mentions(text: &str, any: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    any.iter().any(|part| text.contains(part))
}

/// The file of a `ConfigMap` that is mounted at a path.
pub(super) fn mounted<'a>(
    path: &str,
    mounts: &'a [Value],
    volumes: &'a [Value],
    data: &dyn Fn(&str) -> Option<&'a Value>,
) -> Option<&'a str> {
    if !path.starts_with('/') {
        return None;
    }
    let mount = mounts.iter().find(|mount| {
        let at = text(mount, "mountPath").trim_end_matches('/');
        !at.is_empty()
            && path
                .strip_prefix(at)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })?;
    let name = text(mount, "name");
    let volume = volumes.iter().find(|volume| text(volume, "name") == name)?;
    let map = data(volume["configMap"]["name"].as_str()?)?;
    let at = text(mount, "mountPath").trim_end_matches('/');
    let file = match path[at.len()..].trim_start_matches('/') {
        "" => text(mount, "subPath"),
        file => file,
    };
    let items = volume["configMap"]["items"].as_array();
    let key = items
        .and_then(|items| items.iter().find(|item| text(item, "path") == file))
        .map_or(file, |item| text(item, "key"));
    map[key].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_time_of_a_hook_is_known_only_where_its_words_leave_no_doubt() {
        let sh = |script: &str| json!({"exec": {"command": ["/bin/sh", "-c", script]}});
        for (hook, least, exact) in [
            (json!({"sleep": {"seconds": 15}}), 15, true),
            (json!({"exec": {"command": ["sleep", "20"]}}), 20, true),
            (json!({"exec": {"command": ["/bin/sleep", "1m"]}}), 60, true),
            (json!({"exec": {"command": ["/app/stop"]}}), 0, false),
            (sh("sleep 10"), 10, true),
            (sh("sleep 5; echo done; sleep 5"), 10, true),
            (sh("sleep 5 && nginx -s quit"), 5, true),
            (sh("echo bye >&2"), 0, true),
            (sh("/usr/sbin/nginx -s quit"), 0, true),
            (
                sh("nginx -s quit; while pgrep nginx; do sleep 1; done"),
                0,
                false,
            ),
            (sh("curl -X POST localhost:8080/stop; sleep 30"), 30, false),
            (sh("sleep $DRAIN"), 0, false),
            (sh("sleep ${DRAIN:-15}"), 0, false),
            (sh("sleep 30 & wait"), 0, false),
            (sh("# sleep 99\nsleep 3"), 3, true),
            (sh("test -e /x || sleep 9"), 0, false),
            (sh("python -c 'import time; time.sleep(9)'"), 0, false),
            (json!({"httpGet": {"path": "/stop", "port": 80}}), 0, false),
            (
                json!({"exec": {"command": ["/silkroll/hook", "stop"]}}),
                15,
                true,
            ),
        ] {
            let read = Hook::read(&hook, &|_| None, &|_| None).unwrap();
            assert_eq!(read.time, Time { least, exact }, "{hook}");
        }
        for none in [json!(null), json!({}), json!([]), json!({"exec": null})] {
            assert!(Hook::read(&none, &|_| None, &|_| None).is_none(), "{none}");
        }
    }

    #[test]
    fn a_script_in_a_mounted_config_map_is_read() {
        let mounts = [json!({"name": "s", "mountPath": "/scripts/"})];
        let volumes = [json!({"name": "s", "configMap": {"name": "hooks"}})];
        let data = json!({"stop.sh": "sleep 25"});
        let find = |path: &str| mounted(path, &mounts, &volumes, &|_| Some(&data));
        assert_eq!(find("/scripts/stop.sh"), Some("sleep 25"));
        assert_eq!(find("/scripts2/stop.sh"), None);
        assert_eq!(find("/bin/sh"), None);
        let hook = json!({"exec": {"command": ["/bin/sh", "/scripts/stop.sh"]}});
        let read = Hook::read(&hook, &find, &|_| None).unwrap();
        assert_eq!(read.time.least, 25);
    }
}
