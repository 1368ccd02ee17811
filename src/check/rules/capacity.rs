//! SR301 to SR303: how many pods answer while others are replaced.

use super::super::read::text;
use super::super::rule::Id;
use super::super::workload::{Serves, Workload};
use super::Found;
use crate::deregister::METHODS;

/// What Argo Rollouts advises at least, and takes by default, in seconds.
const SCALE_DOWN: i64 = 30;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    if !workload.serves() {
        return;
    }
    let (spec, name) = (workload.runner.spec(), workload.runner.name);
    let replicas = workload.replicas();
    if let Some(least @ ..=1) = replicas {
        let (object, pointer, message) = match workload.relations.scaler {
            Some(scaler) => {
                let few = if least == 1 { "one pod" } else { "no pod" };
                let kind = workload.runner.kind;
                let message = format!("it lets {kind} {name} shrink to {few}");
                (scaler.object, scaler.pointer, message)
            }
            None if spec["replicas"].is_null() => (
                workload.runner_at,
                "/spec/replicas",
                "replicas is not set, which means one".to_owned(),
            ),
            None => (
                workload.runner_at,
                "/spec/replicas",
                "replicas is 1".to_owned(),
            ),
        };
        found.add(Id::Sr301, object, pointer, message);
    }
    let of = replicas.unwrap_or(1).max(1);
    if workload.is("Deployment") && text(&spec["strategy"], "type") == "Recreate" {
        let message = "Recreate ends all pods before the first new one starts".to_owned();
        found.add(Id::Sr302, workload.at, "/spec/strategy/type", message);
    } else if let Some((pointer, away)) = workload.unavailable(of)
        && away > 0
    {
        let message = format!("{away} of {of} pods may be away during a rollout");
        found.add(Id::Sr302, workload.runner_at, pointer, message);
    }
    blue_green(workload, found);
}

fn blue_green(workload: &Workload<'_, '_>, found: &mut Found) {
    let strategy = &workload.runner.spec()["strategy"]["blueGreen"];
    if !workload.is("Rollout") || !strategy.is_object() {
        return;
    }
    let delay = strategy["scaleDownDelaySeconds"]
        .as_i64()
        .unwrap_or(SCALE_DOWN);
    let mut registered = workload
        .containers
        .iter()
        .filter(|one| one.serves != Serves::No);
    let registry = registered.find_map(|container| container.registry);
    let method = registry.and_then(|name| METHODS.iter().find(|method| method.name == name));
    let needed = method.map_or(SCALE_DOWN, |method| {
        i64::from(method.default_drain).max(SCALE_DOWN)
    });
    if delay < needed {
        let who = registry.map_or("callers of the Service".to_owned(), |name| {
            format!("callers that ask {name}")
        });
        let message = format!(
            "the old pods are scaled down {delay} s after the switch, and {who} may need {needed} s"
        );
        found.add(
            Id::Sr303,
            workload.runner_at,
            "/spec/strategy/blueGreen/scaleDownDelaySeconds",
            message,
        );
    }
}
