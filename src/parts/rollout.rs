//! `rollout: surge`: maxUnavailable 0 and maxSurge at least 1, so that capacity never dips.

use serde_json::Value;

use crate::plan::ask::Stop;
use crate::plan::strategy::{Amount, is_blue_green, refuses_strategy};
use crate::plan::wants::{Part, Plan, Pod, Wants};
use crate::slots::json;
use crate::slots::kind::Kind;
use crate::slots::slot::{Form, Holds, Root, Slot};
use crate::slots::tree::{Node, Tree};

const fn form(key: &'static str, root: Root, path: &'static [&'static str]) -> Form {
    Form {
        key,
        root,
        path,
        item: None,
        holds: Holds::Plain,
    }
}

static TYPE: Form = form("strategy", Root::Strategy, &["type"]);
static UNAVAILABLE: Form = form("maxUnavailable", Root::Rolling, &["maxUnavailable"]);
static SURGE: Form = form("maxSurge", Root::Rolling, &["maxSurge"]);

/// All of its slots.
pub(crate) static FORMS: [&Form; 3] = [&TYPE, &UNAVAILABLE, &SURGE];

pub(crate) const PART: Part = Part {
    forms: &[&TYPE, &UNAVAILABLE, &SURGE],
    wants: Wants::Pod(want),
};

/// What is to be done about the strategy.
pub(crate) enum Surge {
    /// These slots get these values.
    Set(Vec<(&'static Form, &'static str)>),
    /// It surges already.
    Already,
    /// It cannot, for this reason.
    Cannot(&'static str),
}

fn want<'a>(plan: &mut Plan<'a>, pod: &Pod<'_, 'a>) -> Result<(), Stop> {
    if !pod.policy.surge {
        return Ok(());
    }
    match surge(pod.user) {
        Surge::Set(slots) => {
            plan.pod_step("rollout", || {
                "maxUnavailable 0, maxSurge at least 1".to_owned()
            });
            for (form, value) in slots {
                plan.want(Slot::new(form), value.to_owned());
            }
        }
        Surge::Already => plan.pod_step("rollout", || "surges already".to_owned()),
        Surge::Cannot(why) => plan.warn(why),
    }
    Ok(())
}

/// maxUnavailable 0 and maxSurge at least 1, everything else as it is.
pub(crate) fn surge(user: &Tree<'_>) -> Surge {
    let Some((unavailable, surge)) = user.kind.amounts() else {
        return Surge::Cannot(
            "rollout: surge is not for StatefulSets, which end a pod before they start the next",
        );
    };
    let strategy = user.strategy();
    if refuses_strategy(user) {
        return Surge::Cannot(
            "rollout: surge was left out: the strategy, or its maxSurge and maxUnavailable, is refused as it stands",
        );
    }
    if is_blue_green(user) {
        return Surge::Cannot(
            "rollout: surge has no effect on a blue-green Rollout, which starts all new pods before it stops one",
        );
    }
    if matches!(strategy, Node::Json(text) if text != "null") {
        return Surge::Cannot("rollout: surge was left out: the update strategy cannot be read");
    }
    let kind = strategy.json("type").map(json::value).unwrap_or_default();
    match kind.as_str() {
        None if !kind.is_null() => {
            return Surge::Cannot(
                "rollout: surge was left out: the update strategy cannot be read",
            );
        }
        None | Some("RollingUpdate" | "") => {}
        Some("Recreate") => {
            return Surge::Cannot(
                "rollout: surge has no effect on strategy Recreate, which stops all pods first",
            );
        }
        Some(_) => return Surge::Cannot("rollout: surge knows only strategy RollingUpdate"),
    }
    // What is left out is what the API fills in, so that a manifest and what the API server makes of it
    // are answered alike. A percentage is rounded up (API reference, RollingUpdateDeployment): any above
    // 0 is at least 1.
    let number = |member: &str, default: &str| {
        let said = json::value(user.rolling().json(member).unwrap_or(default));
        Amount::read(user.kind, &said).map_or(0, |amount| amount.number)
    };
    let surges = number("maxSurge", surge) > 0;
    let mut slots = Vec::new();
    // A Rollout has no type: it is what is in it.
    if user.kind != Kind::Rollout && kind.as_str() != Some("RollingUpdate") {
        slots.push((&TYPE, r#""RollingUpdate""#));
    }
    if number("maxUnavailable", unavailable) > 0 {
        slots.push((&UNAVAILABLE, "0"));
    }
    if !surges {
        slots.push((&SURGE, "1"));
    }
    if surges && number("maxUnavailable", unavailable) == 0 {
        return Surge::Already;
    }
    if holds_node_ports(user) {
        return Surge::Cannot(
            "rollout: surge was left out: the pods take ports of their node (hostPort, hostNetwork), \
             and where every node has one a second finds no place",
        );
    }
    Surge::Set(slots)
}

/// Whether the pods take ports of their node, by `hostPort` or `hostNetwork`.
fn holds_node_ports(user: &Tree<'_>) -> bool {
    let taken = |ports: &Value| {
        let mut ports = ports.as_array().into_iter().flatten();
        ports.any(|port| port["hostPort"].as_i64().is_some_and(|number| number != 0))
    };
    let containers = user.containers().iter();
    let mut ports = containers.filter_map(|container| container.json("ports"));
    user.pod().json("hostNetwork") == Some("true")
        || ports.any(|text| taken(&json::value(text)))
        || user
            .init_containers()
            .iter()
            .any(|container| taken(&container["ports"]))
}
