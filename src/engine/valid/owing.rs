//! What is valid by our parts alone, and so fails when they are taken out.

use serde_json::Value;

use crate::engine::json;
use crate::engine::parts::{self, GRACE, POST_START, PRE_STOP};
use crate::engine::plan::Plan;
use crate::engine::tree::Tree;
use crate::policy::cut;

/// Warns of it.
pub(super) fn warn(user: &Tree<'_>, plan: &mut Plan<'_>) {
    let had = parts::had(user);
    let raised = plan
        .wanted(&GRACE)
        .any(|want| json::integer(Some(&want.value)) > Some(had));
    let mut warnings = Vec::new();
    let mut look = |container: &str, name: &str, hook: &Value, replaced: bool| {
        let container = cut(container, 63);
        match fault(hook, had) {
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
    };
    for (container, name) in user.containers().iter().zip(&user.names) {
        let Some(lifecycle) = container.get("lifecycle") else {
            continue;
        };
        for (hook, form) in [("preStop", &PRE_STOP), ("postStart", &POST_START)] {
            if let Some(text) = lifecycle.json(hook) {
                let replaced = plan.wanted(form).any(|want| want.slot.container == *name);
                look(name, hook, &json::value(text), replaced);
            }
        }
    }
    if raised {
        for container in user.init_containers() {
            let name = container["name"].as_str().unwrap_or_default();
            for hook in ["preStop", "postStart"] {
                look(name, hook, &container["lifecycle"][hook], false);
            }
        }
    }
    plan.warnings.append(&mut warnings);
}

/// The longest sleep of the user's own hooks, in seconds; of init containers, too.
pub(super) fn longest_sleep(user: &Tree<'_>) -> i64 {
    let seconds = |hook: Option<&str>| {
        let hook = hook.map(json::value).unwrap_or_default();
        hook["sleep"]["seconds"].as_i64().unwrap_or(0)
    };
    let lifecycles = user
        .containers()
        .iter()
        .filter_map(|container| container.get("lifecycle"));
    let containers = lifecycles
        .flat_map(|all| [all.json("preStop"), all.json("postStart")])
        .map(seconds);
    let init = user.init_containers();
    let init = init.iter().flat_map(|container| {
        ["preStop", "postStart"].map(|hook| {
            container["lifecycle"][hook]["sleep"]["seconds"]
                .as_i64()
                .unwrap_or(0)
        })
    });
    containers.chain(init).max().unwrap_or(0)
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
