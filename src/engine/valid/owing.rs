//! What is valid by our parts alone, and so fails when they are taken out.

use serde_json::Value;
use serde_json::value::RawValue;

use super::init_containers;
use crate::engine::base::Base;
use crate::engine::grace;
use crate::engine::inject::Injection;
use crate::engine::view::Template;
use crate::policy::cut;

/// Warns of it.
pub(super) fn warn(template: &Template<'_>, base: &Base<'_>, plan: &mut Injection<'_>) {
    let had = grace::had(template, base);
    let raised = plan.wanted.grace.is_some_and(|seconds| seconds > had);
    let mut warnings = Vec::new();
    let mut look = |container: &str, name: &str, user: &Value, replaced: bool| {
        match fault(user, had) {
            Some(Fault::Sleep(seconds)) if raised || replaced => warnings.push(format!(
                "container {container}: its own {name} sleeps {seconds} s: set terminationGracePeriodSeconds to \
                 {seconds} or more, for {had} is valid only with Silkroll's, and opting out will be denied"
            )),
            Some(Fault::Action(what)) if replaced => warnings.push(format!(
                "container {container}: its own {name} {what}, which the API refuses; Silkroll's stands in \
                 its place: mend it, or opting out will be denied"
            )),
            _ => {}
        }
    };
    let parsed = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_default();
    let wanted = plan.wanted.containers.iter();
    let containers = template.spec.containers.iter().zip(&base.containers);
    for ((container, parted), wanted) in containers.zip(wanted) {
        for (name, hook, wanted) in [
            ("preStop", &parted.pre_stop, &wanted.pre_stop),
            ("postStart", &parted.post_start, &wanted.post_start),
        ] {
            if let Some(user) = hook.user.as_deref() {
                look(
                    &cut(&container.name, 63),
                    name,
                    &parsed(user),
                    wanted.is_some(),
                );
            }
        }
    }
    if raised {
        for container in init_containers(template) {
            let name = container["name"].as_str().unwrap_or_default();
            for hook in ["preStop", "postStart"] {
                look(&cut(name, 63), hook, &container["lifecycle"][hook], false);
            }
        }
    }
    plan.warnings.append(&mut warnings);
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
