//! The preStop and postStart hooks of one container, chained with the user's own.

use std::sync::LazyLock;

use serde_json::value::RawValue;

use super::base::ARGV0;
use super::patch::string;
use super::view;
use crate::leave::{HELPER_PATH, LAUNCH_START, LAUNCH_STOP, Leave, Place};
use crate::policy::{self, ExistingPreStop, Policy, Port};

/// A hook to put in place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hook {
    /// The lifecycle handler's JSON.
    pub(super) text: String,
    /// Seconds, where it is the native sleep action.
    pub(super) sleep: Option<u32>,
    /// Seconds that the user's own hook is known or said to take.
    pub(super) own: u32,
    /// One line about it.
    pub(super) line: String,
}

/// What to do with a container's preStop.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PreStop {
    /// Put this one in place.
    Set(Hook),
    /// Leave what is there, for this reason.
    Keep(&'static str),
    /// The user's own cannot be chained, for this reason.
    Unchainable(String),
}

/// The user's hook as arguments of ours.
enum Chain {
    Nothing,
    Words(Vec<String>),
    Sleep(u32),
    Unknown(String),
}

/// Whether the user's own hook runs on beside or in ours, for nobody knows how long. The script bounds
/// it where `existing-pre-stop-seconds` says by what; a sleep says it itself.
pub(super) fn is_unbounded(policy: &Policy<'_>, user: Option<&RawValue>) -> bool {
    let replaced = policy.existing_pre_stop == ExistingPreStop::Replace;
    policy.existing_pre_stop_seconds.unwrap_or(0) == 0
        && user.is_some_and(|hook| !replaced && !view::members(hook).is_empty())
        && sleeps(user).is_none()
}

/// Seconds of a hook that is the native sleep, 0 among them (Kubernetes 1.34 and later).
pub(super) fn sleeps(user: Option<&RawValue>) -> Option<u32> {
    let members = user.map(view::members).unwrap_or_default();
    match view::member(&members, "sleep").map(chain_sleep) {
        Some(Chain::Sleep(seconds)) => Some(seconds),
        _ => None,
    }
}

/// Decides on the preStop hook.
pub(super) fn pre_stop(
    policy: &Policy<'_>,
    leave: &Leave,
    user: Option<&RawValue>,
    place: &Place<'_>,
    native_sleep: bool,
) -> PreStop {
    let user = match (user, policy.existing_pre_stop) {
        (Some(_), ExistingPreStop::Keep) => {
            return PreStop::Keep(
                "the container's own preStop stays alone (existing-pre-stop: keep)",
            );
        }
        (_, ExistingPreStop::Replace) => None,
        (user, _) => user,
    };
    let said = policy.existing_pre_stop_seconds.unwrap_or(0);
    let (words, own, own_sleep) = match chain(user, place, policy.hook) {
        Chain::Nothing => (Vec::new(), 0, Some(0)),
        Chain::Sleep(seconds) => (
            vec!["sleep".to_owned(), seconds.to_string()],
            seconds,
            Some(seconds),
        ),
        Chain::Words(words) => (words, said, None),
        Chain::Unknown(why) => return PreStop::Unchainable(why),
    };
    let only_sleeps = own_sleep
        .filter(|_| !leave.calls)
        .map(|seconds| policy.drain + seconds);
    if only_sleeps == Some(0) {
        return PreStop::Keep("nothing to call and no time to wait: no hook is needed");
    }
    if let Some(seconds) = only_sleeps.filter(|_| native_sleep) {
        return PreStop::Set(Hook {
            text: format!("{{\"sleep\":{{\"seconds\":{seconds}}}}}"),
            sleep: Some(seconds),
            own,
            line: format!("native sleep of {seconds} s, no shell needed"),
        });
    }
    let after = if words.is_empty() {
        ""
    } else {
        ", then the container's own preStop"
    };
    PreStop::Set(Hook {
        line: match leave.ends {
            None => format!("{}, wait {} s{after}", leave.summary, policy.drain),
            Some(_) => format!("wait {} s, {}{after}", policy.drain, leave.summary),
        },
        text: exec(&launchers(policy.hook).0, &words),
        sleep: None,
        own,
    })
}

/// Decides on the postStart hook of a container whose leaving has a way back.
pub(super) fn post_start(
    policy: &Policy<'_>,
    user: Option<&RawValue>,
    place: &Place<'_>,
) -> Result<Hook, String> {
    let words = match chain(user, place, policy.hook) {
        Chain::Nothing => Vec::new(),
        Chain::Words(words) => words,
        Chain::Sleep(seconds) => vec!["sleep".to_owned(), seconds.to_string()],
        Chain::Unknown(why) => return Err(why),
    };
    let after = if words.is_empty() {
        ""
    } else {
        ", then the container's own postStart"
    };
    Ok(Hook {
        text: exec(&launchers(policy.hook).1, &words),
        sleep: None,
        own: 0,
        line: format!("the way back: switch on what leaving switched off{after}"),
    })
}

/// The user's words are arguments, never shell text; the kubelet expands nothing in them.
fn exec(launcher: &Launcher, words: &[String]) -> String {
    let mut out = String::with_capacity(launcher.len() + 64);
    out.push_str(launcher);
    for word in words {
        out.push(',');
        out.push_str(&string(word));
    }
    out.push_str("]}}");
    out
}

/// A hook up to the user's words: it is the same for everybody, so it is escaped once.
type Launcher = LazyLock<String>;

static SCRIPT: (Launcher, Launcher) = (
    LazyLock::new(|| launcher(&["/bin/sh", "-c", LAUNCH_STOP, ARGV0])),
    LazyLock::new(|| launcher(&["/bin/sh", "-c", LAUNCH_START, ARGV0])),
);
static HELPER: (Launcher, Launcher) = (
    LazyLock::new(|| launcher(&[HELPER_PATH, "stop"])),
    LazyLock::new(|| launcher(&[HELPER_PATH, "start"])),
);

/// For the stop and for the start.
fn launchers(hook: policy::Hook) -> &'static (Launcher, Launcher) {
    match hook {
        policy::Hook::Script => &SCRIPT,
        policy::Hook::Binary => &HELPER,
    }
}

fn launcher(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| string(word)).collect();
    format!("{{\"exec\":{{\"command\":[{}", words.join(","))
}

fn chain(user: Option<&RawValue>, place: &Place<'_>, hook: policy::Hook) -> Chain {
    let Some(user) = user else {
        return Chain::Nothing;
    };
    let members = view::members(user);
    let handler = match members.as_slice() {
        [(name, value)] => (name.as_ref(), *value),
        [] => return Chain::Nothing,
        _ => return Chain::Unknown("it has more than one action".to_owned()),
    };
    match handler {
        ("exec", value) => chain_exec(value),
        ("sleep", value) => chain_sleep(value),
        ("httpGet", value) => chain_http(value, place, hook),
        (other, _) => Chain::Unknown(format!(
            "its action is {}",
            crate::policy::quoted(other, 40)
        )),
    }
}

fn chain_exec(value: &RawValue) -> Chain {
    #[derive(serde::Deserialize)]
    struct Exec {
        command: Vec<String>,
    }
    match serde_json::from_str::<Exec>(value.get()) {
        Ok(exec) if !exec.command.is_empty() => {
            let mut words = vec!["exec".to_owned()];
            words.extend(exec.command);
            Chain::Words(words)
        }
        _ => Chain::Unknown("its exec has no command".to_owned()),
    }
}

fn chain_sleep(value: &RawValue) -> Chain {
    #[derive(serde::Deserialize)]
    struct Sleep {
        seconds: u32,
    }
    /// A longer sleep than any grace period that makes sense would overflow the sums.
    const DAY: u32 = 86_400;
    match serde_json::from_str::<Sleep>(value.get()) {
        Ok(sleep) if sleep.seconds <= DAY => Chain::Sleep(sleep.seconds),
        _ => Chain::Unknown("its sleep has no usable number of seconds".to_owned()),
    }
}

fn chain_http(value: &RawValue, place: &Place<'_>, hook: policy::Hook) -> Chain {
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
    let Ok(get) = serde_json::from_str::<Get>(value.get()) else {
        return Chain::Unknown("its httpGet cannot be read".to_owned());
    };
    if hook == policy::Hook::Binary && get.scheme.eq_ignore_ascii_case("https") {
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

/// Whether the container's own JSON shows that its image has a shell.
pub(super) fn shows_shell(texts: &[&str]) -> bool {
    [
        "\"sh\"", "\"bash\"", "/sh\"", "/bash\"", "/ash\"", "/dash\"",
    ]
    .iter()
    .any(|word| texts.iter().any(|text| text.contains(word)))
}
