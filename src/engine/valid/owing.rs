//! What is valid by our parts alone, and so fails when they are taken out.

use serde_json::Value;

use crate::parts::{self, GRACE, POST_START, PRE_STOP};
use crate::plan::wants::{Plan, Want};
use crate::policy::cut;
use crate::slots::json;
use crate::slots::tree::Tree;

/// Warns of it.
pub(super) fn warn(user: &Tree<'_>, plan: &mut Plan<'_>) {
    let had = parts::had(user);
    let raised = plan
        .wanted(&GRACE)
        .any(|want| json::integer(Some(&want.value)) > Some(had));
    let mut warnings = Vec::new();
    for own in hooks(user) {
        let form = match own.name {
            "preStop" => &PRE_STOP,
            _ => &POST_START,
        };
        let ours = |want: &Want<'_>| want.slot.container == own.container;
        let replaced = !own.init && plan.wanted(form).any(ours);
        let (container, name) = (cut(&own.container, 63), own.name);
        match fault(&own.hook, had) {
            Some(Fault::Sleep(seconds)) if raised || replaced => warnings.push(format!(
                "container {container}: its own {name} sleeps {seconds} s: set terminationGracePeriodSeconds to \
                 {seconds} or more, for {had} is valid only with Silkroll's{}",
                // What stands there by Silkroll is kept where it is long enough.
                if raised { ", which stays when you opt out" } else { ", and opting out will be denied" }
            )),
            Some(Fault::Action(what)) if replaced => warnings.push(format!(
                "container {container}: its own {name} {what}, which the API refuses; Silkroll's stands in \
                 its place: mend it, or opting out will be denied"
            )),
            _ => {}
        }
    }
    plan.warnings.append(&mut warnings);
}

/// The longest sleep of the user's own hooks, in seconds; of init containers, too.
pub(super) fn longest_sleep(user: &Tree<'_>) -> i64 {
    let seconds = |own: &Own| own.hook["sleep"]["seconds"].as_i64();
    hooks(user).iter().filter_map(seconds).max().unwrap_or(0)
}

/// A hook of the user's.
struct Own {
    container: String,
    init: bool,
    /// `preStop` or `postStart`.
    name: &'static str,
    hook: Value,
}

/// Of the containers, then of the init containers, where nothing is ever injected.
fn hooks(user: &Tree<'_>) -> Vec<Own> {
    const NAMES: [&str; 2] = ["preStop", "postStart"];
    let mut all = Vec::new();
    for (container, called) in user.containers().iter().zip(&user.names) {
        let lifecycle = container.get("lifecycle");
        for name in NAMES {
            if let Some(text) = lifecycle.and_then(|lifecycle| lifecycle.json(name)) {
                all.push(Own {
                    container: called.clone().into_owned(),
                    init: false,
                    name,
                    hook: json::value(text),
                });
            }
        }
    }
    for container in user.init_containers() {
        let called = container["name"].as_str().unwrap_or_default().to_owned();
        for name in NAMES {
            all.push(Own {
                container: called.clone(),
                init: true,
                name,
                hook: container["lifecycle"][name].clone(),
            });
        }
    }
    all
}

/// What the API refuses about a hook.
enum Fault {
    /// It sleeps so many seconds, longer than the grace period.
    Sleep(i64),
    /// Its action, in words.
    Action(&'static str),
}

/// As `validateHandler` does for a lifecycle.
fn fault(hook: &Value, grace: i64) -> Option<Fault> {
    let members = hook.as_object()?;
    let mut actions = ["exec", "httpGet", "tcpSocket", "sleep"]
        .into_iter()
        .filter(|name| members.get(*name).is_some_and(|value| !value.is_null()));
    let Some(name) = actions.next() else {
        // One that this version does not know is not refused for lack of one.
        let unknown = members.values().any(|value| !value.is_null());
        return (!unknown).then_some(Fault::Action("has no action"));
    };
    if actions.next().is_some() {
        return Some(Fault::Action("has more than one action"));
    }
    let action = &hook[name];
    let port = |port: &Value| match port {
        Value::Number(number) => number.as_u64().is_some_and(|n| (1..=65_535).contains(&n)),
        Value::String(name) => !name.is_empty(),
        _ => false,
    };
    match name {
        "exec" if action["command"].as_array().is_none_or(Vec::is_empty) => {
            Some(Fault::Action("has no command"))
        }
        "httpGet" | "tcpSocket" if !port(&action["port"]) => {
            Some(Fault::Action("has no port that can be"))
        }
        "httpGet"
            if !matches!(
                action["scheme"].as_str(),
                None | Some("" | "HTTP" | "HTTPS")
            ) =>
        {
            Some(Fault::Action("has a scheme other than HTTP and HTTPS"))
        }
        "sleep" => {
            let seconds = action["seconds"].as_i64().unwrap_or(0);
            (seconds > grace).then_some(Fault::Sleep(seconds))
        }
        _ => None,
    }
}
