//! `nginx` and `signal`: the server itself is told to end, and waited for. They run after the drain:
//! until callers have forgotten the pod, the server has to serve.

use super::{Deregistration, Registrant, text};
use crate::policy::{Key, Method, Policy, Problem, printable_text, whole};

const WAIT: &str = "allowed is a whole number of seconds from 1 to 3600, in plain digits";

/// The signals that servers give a graceful meaning; KILL and STOP have none.
const SIGNALS: [&str; 7] = ["TERM", "QUIT", "INT", "HUP", "USR1", "USR2", "WINCH"];

pub(super) const NGINX: Method = Method {
    name: "nginx",
    settings: &[Key {
        name: "nginx-wait-seconds",
        allowed: WAIT,
        fits: wait,
    }],
    default_drain: DRAIN,
    lists: false,
};

pub(super) const SIGNAL: Method = Method {
    name: "signal",
    settings: &[
        Key {
            name: "signal-name",
            allowed: "allowed is TERM, QUIT, INT, HUP, USR1, USR2 or WINCH",
            fits: |value| SIGNALS.contains(&value.strip_prefix("SIG").unwrap_or(value)),
        },
        Key {
            name: "signal-process",
            allowed: "allowed is the name of a program, e.g. gunicorn, of at most 63 visible characters, without / and blanks",
            fits: |value| printable_text(value, 63) && !value.contains(['/', ' ']),
        },
        Key {
            name: "signal-wait-seconds",
            allowed: WAIT,
            fits: wait,
        },
    ],
    default_drain: DRAIN,
    lists: false,
};

/// As with `none`: it is Kubernetes that tells callers.
const DRAIN: u32 = 15;

fn wait(value: &str) -> bool {
    whole(value, 1..=3600)
}

fn wait_seconds(policy: &Policy<'_>) -> u32 {
    policy
        .setting("wait-seconds")
        .and_then(|found| found.value.parse().ok())
        .unwrap_or(policy.deregister_timeout)
}

#[expect(clippy::unnecessary_wraps, reason = "all methods have one signature")]
pub(super) fn nginx(policy: &Policy<'_>, _: &Registrant<'_>) -> Result<Deregistration, Problem> {
    let wait = wait_seconds(policy);
    Ok(Deregistration {
        ends: Some(wait),
        summary: format!("after the drain nginx -s quit, and up to {wait} s for it to go"),
        ..Deregistration::calling(vec![text("SILKROLL_WAIT_SECONDS", wait.to_string())])
    })
}

pub(super) fn signal(policy: &Policy<'_>, _: &Registrant<'_>) -> Result<Deregistration, Problem> {
    let name = policy.needs(
        "name",
        "the signal that ends the server gracefully, e.g. TERM or QUIT",
    )?;
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let process = policy.needs("process", "the name of the server's program, e.g. gunicorn")?;
    let wait = wait_seconds(policy);
    Ok(Deregistration {
        ends: Some(wait),
        summary: format!("after the drain SIG{name} to {process}, and up to {wait} s for it to go"),
        ..Deregistration::calling(vec![
            text("SILKROLL_SIGNAL_NAME", name),
            text("SILKROLL_SIGNAL_PROCESS", process),
            text("SILKROLL_WAIT_SECONDS", wait.to_string()),
        ])
    })
}
