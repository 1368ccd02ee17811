//! What a lifecycle hook does, as far as its words tell. Of an injected object that is all that runs: Silkroll's own work, and
//! the user's hook that it runs after it.

use serde_json::Value;

use super::ours::{self, Ours};
use super::read::{text, words};
use super::time::Time;

/// A lifecycle handler.
#[derive(Debug)]
pub(super) struct Hook<'a> {
    /// What the kubelet starts; empty where that is no command.
    pub(super) command: Vec<&'a str>,
    /// The first word of the user's command that Silkroll's hook starts in turn; empty where there is none.
    pub(super) chained: &'a str,
    /// All that is known of what the user's hook runs, in one text: its command, and the script of a `ConfigMap` that it
    /// names. Of Silkroll's own words nothing stands in it.
    pub(super) text: String,
    /// How long all of it takes.
    pub(super) time: Time,
    /// Where Silkroll wrote it.
    pub(super) ours: Option<Ours<'a>>,
}

/// What a user's hook does.
enum Own<'a, 's> {
    Nothing,
    Exec(&'s [&'a str]),
    /// A path.
    Http(&'a str),
    Sleep(u64),
    /// Something that is not looked into.
    Other,
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
        let chain = ours::chain(&command);
        let own = match chain {
            Some(chain) => Own::in_chain(chain),
            None => Own::read(value, &command),
        };
        let (text, time) = own.look(script);
        let (time, ours) = match chain {
            Some(_) => (ours::time(time, env), Some(Ours::read(env))),
            None => (time, None),
        };
        let chained = match own {
            Own::Exec(words) if chain.is_some() => words.first().copied().unwrap_or_default(),
            _ => "",
        };
        Some(Self {
            command,
            chained,
            text,
            time,
            ours,
        })
    }

    /// Whether it is known to end at once, so that SIGTERM comes while endpoints still lead here.
    pub(super) fn delays_nothing(&self) -> bool {
        self.time.most() == Some(0)
    }
}

impl<'a> Own<'a, '_> {
    fn read<'s>(value: &'a Value, command: &'s [&'a str]) -> Own<'a, 's> {
        if let Some(seconds) = value["sleep"]["seconds"].as_u64() {
            Own::Sleep(seconds)
        } else if value["httpGet"].is_object() {
            Own::Http(value["httpGet"]["path"].as_str().unwrap_or("/"))
        } else if command.is_empty() {
            Own::Other
        } else {
            Own::Exec(command)
        }
    }

    fn in_chain<'s>(chain: &'s [&'a str]) -> Own<'a, 's> {
        match chain {
            ["exec", command @ ..] if !command.is_empty() => Own::Exec(command),
            ["http", _, _, _, path, ..] => Own::Http(path),
            ["sleep", seconds, ..] => Own::Sleep(seconds.parse().unwrap_or(0)),
            _ => Own::Nothing,
        }
    }

    /// What it runs, and how long that takes.
    fn look(&self, script: &dyn Fn(&str) -> Option<&'a str>) -> (String, Time) {
        let command = match self {
            Own::Nothing => return (String::new(), Time::exact(0)),
            Own::Sleep(seconds) => return (String::new(), Time::exact(*seconds)),
            Own::Http(path) => return ((*path).to_owned(), Time::UNKNOWN),
            Own::Other => return (String::new(), Time::UNKNOWN),
            Own::Exec(command) => *command,
        };
        let scripts: Vec<&str> = command.iter().filter_map(|word| script(word)).collect();
        let mut text = command.join(" ");
        for script in &scripts {
            text.push('\n');
            text.push_str(script);
        }
        let time = match (scripts.as_slice(), shell_script(command)) {
            ([only], _) => Time::of_script(only),
            ([], Some(script)) => Time::of_script(script),
            ([], None) => Time::of(command),
            _ => Time::UNKNOWN,
        };
        (text, time)
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
            let most = exact.then_some(least);
            assert_eq!((read.time.least, read.time.most()), (least, most), "{hook}");
        }
        for none in [json!(null), json!({}), json!([]), json!({"exec": null})] {
            assert!(Hook::read(&none, &|_| None, &|_| None).is_none(), "{none}");
        }
    }

    #[test]
    fn of_an_injected_hook_the_users_own_is_counted_too() {
        let script = |chain: &[&str]| {
            let mut command = vec!["/bin/sh", "-c", crate::deregister::LAUNCH_STOP, "silkroll"];
            command.extend(chain);
            json!({"exec": {"command": command}})
        };
        let helper = |chain: &[&str]| {
            let mut command = vec![crate::deregister::HELPER_PATH, "stop"];
            command.extend(chain);
            json!({"exec": {"command": command}})
        };
        let (drain, leave) = (
            ("SILKROLL_DRAIN_SECONDS", "40"),
            ("SILKROLL_DEREGISTER_SECONDS", "10"),
        );
        let own = ("SILKROLL_OWN_SECONDS", "30");
        for (chain, env, least, reckoned, open) in [
            (&[][..], &[drain][..], 40, 40, false),
            (&[], &[drain, leave], 40, 50, false),
            (
                &[],
                &[drain, ("SILKROLL_IDLE_SECONDS", "60")],
                40,
                100,
                false,
            ),
            (&["sleep", "20"], &[drain], 60, 60, false),
            (&["exec", "sleep", "90"], &[drain], 130, 130, false),
            (&["exec", "sleep", "90"], &[drain, own], 70, 70, false),
            (
                &["exec", "sh", "-c", "sleep 9; sleep 1"],
                &[leave],
                25,
                35,
                false,
            ),
            (&["exec", "/app/stop"], &[drain, leave], 40, 50, true),
            (&["exec", "/app/stop"], &[drain, leave, own], 40, 80, false),
            (&["http", "HTTP", "", "80", "/stop"], &[drain], 40, 40, true),
            (&["exec"], &[drain], 40, 40, false),
            (
                &[],
                &[
                    leave,
                    drain,
                    ("SILKROLL_METHOD", "nginx"),
                    ("SILKROLL_WAIT_SECONDS", "20"),
                ],
                40,
                60,
                false,
            ),
        ] {
            for hook in [script(chain), helper(chain)] {
                let find = |name: &str| {
                    let mut env = env.iter();
                    env.find(|(key, _)| *key == name).map(|(_, value)| *value)
                };
                let read = Hook::read(&hook, &|_| None, &find).unwrap();
                let time = read.time;
                let found = (time.least, time.reckoned(), time.open);
                assert_eq!(found, (least, reckoned, open), "{hook} {env:?}");
                assert!(
                    read.ours.is_some() && !read.text.contains("silkroll"),
                    "{hook}"
                );
            }
        }
        let words = ["exec", "curl", "-X", "DELETE", "http://e/eureka/apps/A/1"];
        let hook = script(&words);
        let read = Hook::read(&hook, &|_| None, &|_| None).unwrap();
        assert_eq!(
            (read.chained, &*read.text),
            ("curl", &*words[1..].join(" "))
        );
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
