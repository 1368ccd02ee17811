//! What a lifecycle hook does, as far as its words tell. Of an injected object that is all that runs: Silkroll's own work, and
//! the user's hook that it runs after it.

use serde_json::Value;

use super::ending;
use super::faulty;
use super::ours::{self, Ours};
use super::read::{text, words};
use super::shell::Script;
use super::staying::{self, Staying};
use super::time::{Time, is_answered};

/// A lifecycle handler.
#[derive(Debug)]
pub(super) struct LifecycleHandler<'a> {
    /// What the kubelet starts; empty where that is no command.
    pub(super) command: Vec<&'a str>,
    /// The first word of the user's command that Silkroll's hook starts in turn; empty where there is none.
    pub(super) chained: &'a str,
    /// What the user's hook is told: its command, or the path of its request. Of Silkroll's own words nothing stands in it.
    told: String,
    /// The scripts of `ConfigMaps` that it names.
    scripts: Vec<&'a str>,
    /// How long all of it takes.
    pub(super) time: Time,
    /// Where Silkroll wrote it.
    pub(super) ours: Option<Ours<'a>>,
    /// It is Kubernetes' own sleep.
    is_sleep: bool,
    /// Why SIGTERM, or what is as bad, comes while endpoints still lead here.
    pub(super) in_vain: Option<&'static str>,
    /// Where it is certain that the user's part waits while the pod is in a registry still.
    staying: Option<Staying>,
}

/// Paths in a command that are looked for among the files of `ConfigMaps`, and bytes of the scripts that are read for one
/// hook. What stands once can be named by any number of hooks: this bounds what a manifest costs by its own length.
const PATHS: usize = 8;
const SCRIPTS: usize = 8 << 10;

/// What a user's hook does.
enum Own<'a, 's> {
    Nothing,
    Exec(&'s [&'a str]),
    /// A path.
    Http(&'a str),
    Sleep(u64),
    /// The kubelet does not run it: `tcpSocket` is there for old versions, and fails at runtime (API reference,
    /// `LifecycleHandler`).
    Socket,
    /// Something that is not looked into.
    Other,
}

/// What is known of what it runs.
#[derive(Default)]
struct Look<'a> {
    told: String,
    scripts: Vec<&'a str>,
    time: Option<Time>,
    ends_first: bool,
    /// Why it cannot run at all.
    fails: Option<&'static str>,
    staying: Option<Staying>,
}

/// Finds a text by a name.
type Find<'f, 'a> = &'f dyn Fn(&str) -> Option<&'a str>;

impl<'a> LifecycleHandler<'a> {
    /// Reads a handler. `script` finds the text of a mounted file by its path; `env` the value of a variable.
    pub(super) fn read(value: &'a Value, script: Find<'_, 'a>, env: Find<'_, 'a>) -> Option<Self> {
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
        let look = own.look(script, env);
        let time = look.time.unwrap_or(Time::UNKNOWN);
        let (time, ours) = match chain {
            Some(_) => (ours::time(time, env), Some(Ours::read(env))),
            None => (time, None),
        };
        let in_vain = match own {
            Own::Socket => Some("is a tcpSocket, which the kubelet does not run"),
            // Silkroll waits before it.
            _ if look.fails.is_some() && ours.is_none() => look.fails,
            _ if time.most() == Some(0) => Some("ends at once"),
            // Silkroll runs it after the drain.
            _ if look.ends_first && ours.is_none() => Some("ends the server before it waits"),
            _ => None,
        };
        let chained = match own {
            Own::Exec(words) if chain.is_some() => words.first().copied().unwrap_or_default(),
            _ => "",
        };
        Some(Self {
            command,
            chained,
            told: look.told,
            scripts: look.scripts,
            time,
            ours,
            is_sleep: value["sleep"].is_object(),
            in_vain,
            staying: look.staying,
        })
    }

    /// Whether SIGTERM comes while endpoints still lead here.
    pub(super) fn delays_nothing(&self) -> bool {
        self.in_vain.is_some()
    }

    /// How it leaves the pod in a registry while it waits, where that is certain.
    pub(super) fn stays(&self) -> Option<Staying> {
        match self.ours {
            Some(ours) if !ours.leaves_nothing() => None,
            _ => self.staying,
        }
    }

    /// Makes of a native sleep what an API server does that does not know the field.
    pub(super) fn drop_sleep(&mut self) {
        if self.is_sleep {
            self.time = Time::exact(0);
            self.in_vain = Some("is a native sleep, which this Kubernetes drops");
        }
    }

    /// Whether what the user's hook runs names any of these.
    pub(super) fn says(&self, any: &[&str]) -> bool {
        mentions(&self.told, any) || self.scripts.iter().any(|script| mentions(script, any))
    }
}

impl<'a> Own<'a, '_> {
    fn read<'s>(value: &'a Value, command: &'s [&'a str]) -> Own<'a, 's> {
        if let Some(seconds) = value["sleep"]["seconds"].as_u64() {
            Own::Sleep(seconds)
        } else if value["httpGet"].is_object() {
            Own::Http(value["httpGet"]["path"].as_str().unwrap_or("/"))
        } else if !command.is_empty() {
            Own::Exec(command)
        } else if value["tcpSocket"].is_object() {
            Own::Socket
        } else {
            Own::Other
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
    fn look(&self, script: Find<'_, 'a>, env: Find<'_, 'a>) -> Look<'a> {
        let takes = |time| Look {
            time: Some(time),
            staying: Some(Staying::Throughout),
            ..Look::default()
        };
        let command = match self {
            Own::Nothing | Own::Socket => return takes(Time::exact(0)),
            Own::Sleep(seconds) => return takes(Time::exact(*seconds)),
            Own::Other => return Look::default(),
            Own::Http(path) => {
                return Look {
                    told: (*path).to_owned(),
                    time: is_answered(path).then_some(Time::exact(0)),
                    ..Look::default()
                };
            }
            Own::Exec(command) => *command,
        };
        if let Some(fails) = faulty::why(command) {
            return Look {
                told: command.join(" "),
                fails: Some(fails),
                ..takes(Time::exact(0))
            };
        }
        let mut look = Look {
            told: command.join(" "),
            ..Look::default()
        };
        let paths = command.iter().filter(|word| word.starts_with('/'));
        let mut left = SCRIPTS;
        let mut all = true;
        for text in paths.take(PATHS).filter_map(|path| script(path)) {
            if look.scripts.iter().any(|known| std::ptr::eq(*known, text)) {
                continue;
            }
            match left.checked_sub(text.len()) {
                Some(rest) => {
                    left = rest;
                    look.scripts.push(text);
                }
                None => all = false,
            }
        }
        let runs = match (look.scripts.as_slice(), shell_script(command)) {
            ([only], _) if all => Some(*only),
            ([], Some(script)) if all => Some(script),
            ([], None) if all => {
                look.time = Some(Time::of(command));
                look.staying = staying::of(command);
                None
            }
            _ => None,
        };
        // A file of another language.
        let runs = runs.filter(|text| !text.starts_with("#!") || is_shells(text));
        if let Some(runs) = runs {
            let runs = Script::read(runs, env);
            look.time = Some(Time::of_script(&runs));
            look.ends_first = ending::ends_first(&runs);
            look.staying = staying::of_script(&runs);
        }
        look
    }
}

/// Whether the first line of a file has a shell read it.
fn is_shells(text: &str) -> bool {
    let mut words = text.lines().next().unwrap_or_default()[2..].split_whitespace();
    words.any(|word| SHELLS.contains(&program(word)))
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
            (sh("curl -X POST localhost:8080/stop"), 0, false),
            (
                sh("curl -X PUT \"http://nacos:8848/nacos/v1/ns/instance?ip=$IP&enabled=false\""),
                0,
                true,
            ),
            (
                sh("wget -qO- --post-data= localhost:8080/actuator/shutdown"),
                0,
                true,
            ),
            (sh("sleep $DRAIN"), 0, false),
            (sh("sleep ${DRAIN:-15}"), 0, false),
            (sh("sleep 30 & wait"), 0, false),
            (sh("sleep 30 &"), 0, false),
            (sh("sleep 30 >/dev/null 2>&1 &"), 0, true),
            (
                sh("sleep 40; while pgrep java; do sleep 1; done"),
                40,
                false,
            ),
            (sh("sleep 5; exit 0"), 5, true),
            (sh("nginx -s quit || true"), 0, true),
            (sh("nginx -s quit || exit 1; sleep 9"), 0, false),
            (sh("[ -e /x ] && sleep 9"), 0, false),
            (sh("timeout 9 curl x; sleep 20"), 20, false),
            (sh("sleep 0.5m"), 30, true),
            (sh("sleep 1.5m .5 1h"), 3690, true),
            (sh("sleep 0.9"), 0, true),
            (sh("sleep 1d"), 86_400, true),
            (sh("sleep infinity"), u64::MAX, true),
            (sh("sleep inf 5"), u64::MAX, true),
            (sh("sleep 1e3"), 0, false),
            (sh("sleep \"$DELAY\""), 20, true),
            (sh("sleep ${DELAY}s && exec nginx -s quit"), 20, true),
            (sh("DELAY=5; sleep $DELAY"), 0, false),
            (sh("env A=1 nohup sleep 7"), 7, true),
            (sh("echo $(sleep 9)"), 0, false),
            (sh("cat <<EOF\nsleep 99\nEOF\nsleep 3"), 3, false),
            (json!({"exec": {"command": ["sleep", "$DELAY"]}}), 0, true),
            (json!({"exec": {"command": ["sleep", "0.5m"]}}), 30, true),
            (json!({"tcpSocket": {"port": 80}}), 0, true),
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
            let env = |name: &str| (name == "DELAY").then_some("20");
            let read = LifecycleHandler::read(&hook, &|_| None, &env).unwrap();
            let most = exact.then_some(least);
            assert_eq!((read.time.least, read.time.most()), (least, most), "{hook}");
        }
        for none in [json!(null), json!({}), json!([]), json!({"exec": null})] {
            assert!(
                LifecycleHandler::read(&none, &|_| None, &|_| None).is_none(),
                "{none}"
            );
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
                let read = LifecycleHandler::read(&hook, &|_| None, &find).unwrap();
                let time = read.time;
                let found = (time.least, time.reckoned(), time.open);
                assert_eq!(found, (least, reckoned, open), "{hook} {env:?}");
                assert!(read.ours.is_some() && !read.says(&["silkroll"]), "{hook}");
            }
        }
        let words = ["exec", "curl", "-X", "DELETE", "http://e/eureka/apps/A/1"];
        let hook = script(&words);
        let read = LifecycleHandler::read(&hook, &|_| None, &|_| None).unwrap();
        assert_eq!(
            (read.chained, &*read.told),
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
        let read = LifecycleHandler::read(&hook, &find, &|_| None).unwrap();
        assert_eq!(read.time.least, 25);
    }

    #[test]
    fn what_is_named_again_and_again_or_is_long_costs_once_or_nothing() {
        let long = format!("sleep 25\n{}", "# x\n".repeat(SCRIPTS));
        for (command, least, scripts) in [
            (vec!["/s/a"; 1000], 25, 1),
            (vec!["/s/bash"], 25, 1),
            (vec!["/s/python"], 0, 1),
            (vec!["sh", "/s/a", "/s/b"], 0, 2),
            (vec!["/s/long"], 0, 0),
            (vec!["/s/a", "/s/long"], 0, 1),
        ] {
            let hook = json!({"exec": {"command": command}});
            let find = |path: &str| match path {
                "/s/a" => Some("sleep 25"),
                "/s/b" => Some("nacos"),
                "/s/long" => Some(&*long),
                "/s/python" => Some("#!/usr/bin/env python3\nsleep 25"),
                "/s/bash" => Some("#!/usr/bin/env bash\nsleep 25"),
                _ => None,
            };
            let read = LifecycleHandler::read(&hook, &find, &|_| None).unwrap();
            let found = (read.time.least, read.scripts.len());
            assert_eq!(found, (least, scripts), "{hook}");
        }
    }
}
