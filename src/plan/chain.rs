//! The user's own hooks as arguments of ours, and our hooks around them.

use std::sync::LazyLock;

use super::ask::Stop;
use super::program::Program;
use super::report::Reason;
use super::shell::{self, SHELL, SHELLS};
use super::wants::Target;
use crate::deregister::{HELPER_PATH, LAUNCH_REGISTERED, LAUNCH_START, LAUNCH_STOP, Registrant};
use crate::policy::{self, ExistingPreStop, Policy, Port};
use crate::slots::json::{self, string};

/// The kinds of action that a hook or probe may have, of which the API allows one at a time.
pub(crate) static HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
/// `$0` of our hooks; part of how they are recognised.
const ARGV0: &str = "silkroll";

/// The user's hook as arguments of ours.
pub(crate) enum Chain {
    Nothing,
    Words(Vec<String>),
    Sleep(u32),
    Unknown(String),
}

/// Whether the user's own hook runs on beside or in ours, for a time that is not known. The script bounds
/// it where `existing-pre-stop-seconds` says by what; a sleep says it itself.
pub(crate) fn is_unbounded(policy: &Policy<'_>, user: Option<&str>) -> bool {
    let replaced = policy.existing_pre_stop == ExistingPreStop::Replace;
    policy.existing_pre_stop_seconds.unwrap_or(0) == 0
        && user.is_some_and(|hook| !replaced && !json::members(hook).is_empty())
        && sleeps(user).is_none()
}

/// Seconds of a hook that is the native sleep, 0 among them (Kubernetes 1.34 and later).
pub(crate) fn sleeps(user: Option<&str>) -> Option<u32> {
    let members = user.map(json::members).unwrap_or_default();
    match json::member(&members, "sleep").map(chain_sleep) {
        Some(Chain::Sleep(seconds)) => Some(seconds),
        _ => None,
    }
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Stop,
    Start,
    /// A startup probe.
    Registered,
}

/// The shell that runs the script in a container, of `SHELLS`: the one that it shows.
fn shell_of(target: &Target<'_, '_>, when: When) -> &'static str {
    // Its author's own stop hook shows nothing that a start could rely on, but what it runs, ours can.
    let stop = || target.hook("preStop").and_then(shell::of_hook);
    shell::shown(target.container)
        .or_else(|| (when == When::Stop).then(stop).flatten())
        .unwrap_or(SHELL)
}

/// A hook of ours in a container, with the user's words after it: arguments, never shell text; the kubelet expands nothing
/// in them.
pub(crate) fn exec(
    program: Program,
    target: &Target<'_, '_>,
    when: When,
    words: &[String],
) -> String {
    /// A hook up to the user's words: it is the same for everybody, so it is escaped once. By shell, the helper's last.
    static LAUNCHERS: LazyLock<Vec<[String; 3]>> = LazyLock::new(|| {
        let launcher = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| string(word)).collect();
            format!("{{\"exec\":{{\"command\":[{}", words.join(","))
        };
        let by_shell = SHELLS.iter().map(|shell| {
            [LAUNCH_STOP, LAUNCH_START, LAUNCH_REGISTERED].map(|text| {
                let text = text.replace(SHELLS[0], shell);
                launcher(&[shell, "-c", &text, ARGV0])
            })
        });
        let helper = ["stop", "start", "registered"].map(|word| launcher(&[HELPER_PATH, word]));
        by_shell.chain([helper]).collect()
    });
    let launchers = match program {
        Program::Helper => LAUNCHERS.last(),
        Program::Script => {
            let shell = shell_of(target, when);
            let at = SHELLS.iter().position(|known| *known == shell);
            LAUNCHERS.get(at.unwrap_or_default())
        }
    };
    let mut out = launchers.map_or(String::new(), |all| all[when as usize].clone());
    for word in words {
        out.push(',');
        out.push_str(&string(word));
    }
    out.push_str("]}}");
    out
}

/// Whether a hook is one that Silkroll wrote, of whichever version.
pub(crate) fn is_ours(hook: &str) -> bool {
    if !hook.contains("/silkroll/hook") {
        return false;
    }
    let command = &json::value(hook)["exec"]["command"];
    let word = |at: usize| command[at].as_str().unwrap_or_default();
    word(0) == HELPER_PATH && matches!(word(1), "stop" | "start")
        || SHELLS.contains(&word(0))
            && word(1) == "-c"
            && word(2).contains("/silkroll/hook.sh")
            && word(3) == ARGV0
}

/// A hook of ours in what counts as the user's came without its record: chained, it would run in itself, and over
/// it nothing could be given back. The object is left alone.
pub(crate) fn no_lost_record(target: &Target<'_, '_>, user: Option<&str>) -> Result<(), Stop> {
    if !user.is_some_and(is_ours) {
        return Ok(());
    }
    Err(Stop::skip(
        Reason::BadRecord,
        format!(
            "nothing was injected: container {} has a hook of Silkroll's without the record {}: kubectl \
             replace it with the manifest from before the injection",
            policy::cut(target.name, 40),
            policy::STATUS
        ),
    ))
}

/// A sleep of the user's as arguments.
pub(crate) fn sleeping(seconds: u32) -> Vec<String> {
    vec!["sleep".to_owned(), seconds.to_string()]
}

/// Reads the user's hook.
pub(crate) fn of(user: Option<&str>, place: &Registrant<'_>, program: Program) -> Chain {
    let Some(user) = user else {
        return Chain::Nothing;
    };
    let members = json::members(user);
    let handler = match members.as_slice() {
        [(name, value)] => (name.as_ref(), value.get()),
        [] => return Chain::Nothing,
        _ => return Chain::Unknown("it has more than one action".to_owned()),
    };
    match handler {
        ("exec", value) => chain_exec(value),
        ("sleep", value) => chain_sleep(value),
        ("httpGet", value) => chain_http(value, place, program),
        (other, _) => Chain::Unknown(format!(
            "its action is {}",
            crate::policy::quoted(other, 40)
        )),
    }
}

fn chain_exec(value: &str) -> Chain {
    #[derive(serde::Deserialize)]
    struct Exec {
        command: Vec<String>,
    }
    match serde_json::from_str::<Exec>(value) {
        Ok(exec) if !exec.command.is_empty() => {
            let mut words = vec!["exec".to_owned()];
            words.extend(exec.command);
            Chain::Words(words)
        }
        _ => Chain::Unknown("its exec has no command".to_owned()),
    }
}

fn chain_sleep(value: &str) -> Chain {
    #[derive(serde::Deserialize)]
    struct Sleep {
        seconds: u32,
    }
    /// A longer sleep than any grace period that makes sense would overflow the sums.
    const DAY: u32 = 86_400;
    match serde_json::from_str::<Sleep>(value) {
        Ok(sleep) if sleep.seconds <= DAY => Chain::Sleep(sleep.seconds),
        _ => Chain::Unknown("its sleep has no usable number of seconds".to_owned()),
    }
}

fn chain_http(value: &str, place: &Registrant<'_>, program: Program) -> Chain {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Get {
        #[serde(default)]
        path: String,
        port: serde_json::Value,
        #[serde(default)]
        host: String,
        #[serde(default)]
        scheme: String,
        #[serde(default)]
        http_headers: Vec<Header>,
    }
    #[derive(serde::Deserialize)]
    struct Header {
        name: String,
        value: String,
    }
    let Ok(get) = serde_json::from_str::<Get>(value) else {
        return Chain::Unknown("its httpGet cannot be read".to_owned());
    };
    if program == Program::Helper && get.scheme.eq_ignore_ascii_case("https") {
        return Chain::Unknown(
            "its httpGet is https, and the helper binary speaks no TLS".to_owned(),
        );
    }
    let port = match &get.port {
        serde_json::Value::String(name) => Port::parse(name)
            .ok_or_else(String::new)
            .and_then(|port| place.port(Some(port)))
            .ok(),
        number => number
            .as_u64()
            .and_then(|number| u16::try_from(number).ok()),
    };
    let Some(port) = port.filter(|port| *port > 0) else {
        return Chain::Unknown("its httpGet names no port that the container declares".to_owned());
    };
    let or = |text: String, default: &str| {
        if text.is_empty() {
            default.to_owned()
        } else {
            text
        }
    };
    let mut words = vec![
        "http".to_owned(),
        or(get.scheme, "HTTP"),
        get.host,
        port.to_string(),
        or(get.path, "/"),
    ];
    words.extend(
        get.http_headers
            .into_iter()
            .map(|header| format!("{}: {}", header.name, header.value)),
    );
    Chain::Words(words)
}

/// What the container itself runs: its command, probes and hooks, as text.
pub(crate) fn own_commands<'c>(target: &Target<'c, '_>) -> Vec<&'c str> {
    let telling = [
        "command",
        "args",
        "livenessProbe",
        "startupProbe",
        "readinessProbe",
    ];
    let container = target.container;
    let mut texts: Vec<&str> = telling
        .iter()
        .filter_map(|name| container.json(name))
        .collect();
    if let Some(lifecycle) = container.get("lifecycle") {
        texts.extend(
            ["preStop", "postStart"]
                .iter()
                .filter_map(|name| lifecycle.json(name)),
        );
    }
    texts
}
