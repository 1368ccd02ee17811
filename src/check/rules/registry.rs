//! SR109, SR110, SR203 and SR503: callers who find the pods in a registry.

use super::super::hook::LifecycleHandler;
use super::super::ours;
use super::super::read::words;
use super::super::rule::Id;
use super::super::workload::{Container, Workload};
use super::Found;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    for container in &workload.containers {
        if let Some(hook) = &container.pre_stop {
            by_hand(workload, container, hook, found);
        }
    }
    let Some(registered) = workload
        .containers
        .iter()
        .find(|one| one.registry.is_some())
    else {
        return;
    };
    let registry = registered.registry.unwrap_or_default();
    let waits = workload.object.spec()["minReadySeconds"]
        .as_i64()
        .unwrap_or(0)
        > 0;
    let probe = &registered.value["startupProbe"]["exec"];
    let listed = ours::waits_for_the_list(&words(probe, "command").collect::<Vec<_>>());
    if !waits && !listed && !workload.is("Rollout") {
        let message =
            format!("callers seem to find the pods in {registry}, and minReadySeconds is 0");
        found.add(Id::Sr203, workload.at, "/spec/minReadySeconds", message);
    }
    // Silkroll's start hook switches on what an earlier pod's stop hook switched off.
    let back = registered.post_start.as_ref();
    let back = back.is_some_and(|hook| hook.ours.is_some());
    if workload.spec["hostNetwork"] == true && !back {
        let message = format!("it runs on the node's network and seems to be in {registry}");
        found.add(
            Id::Sr503,
            workload.at,
            workload.of_pod("hostNetwork"),
            message,
        );
    }
}

/// How a registry is told that an instance is away: what the call holds, and what the way back holds.
struct Switch {
    registry: &'static str,
    /// Silkroll's way of leaving there, where the start hook of that switches on again.
    method: Option<&'static str>,
    /// All of these.
    off: &'static [&'static str],
    /// Any of these, after `off`.
    how: &'static [&'static str],
    on: &'static [&'static str],
}

static SWITCHES: [Switch; 5] = [
    Switch {
        registry: "Nacos",
        method: Some("nacos"),
        off: &["/ns/instance"],
        how: &["enabled=false", "\"enabled\":false", "\"enabled\": false"],
        on: &["enabled=true", "\"enabled\":true", "\"enabled\": true"],
    },
    Switch {
        registry: "Eureka",
        method: Some("eureka"),
        off: &["/apps/"],
        how: &["out_of_service", "value=down"],
        on: &["value=up", "-x delete", "-xdelete", "--method=delete"],
    },
    Switch {
        registry: "Consul",
        method: None,
        off: &["/maintenance"],
        how: &["enable=true"],
        on: &["enable=false"],
    },
    // The command of Consul's own program: `consul maint -enable`.
    Switch {
        registry: "Consul",
        method: None,
        off: &["consul maint"],
        how: &["-enable"],
        on: &["-disable"],
    },
    Switch {
        registry: "the registry, by Spring's actuator,",
        method: Some("spring"),
        off: &["service"],
        how: &[
            "/actuator/serviceregistry",
            "/actuator/service-registry",
            "/service-registry",
        ],
        on: &["serviceregistry", "service-registry"],
    },
];

/// What a hook of the user's own does at a registry.
enum Call {
    /// The instance is taken out of it.
    Deletes(&'static str),
    /// It is marked as away.
    Switches(&'static Switch),
}

fn call(hook: &LifecycleHandler<'_>) -> Option<Call> {
    let deletes = hook.says(&[
        "-x delete",
        "-xdelete",
        "--request delete",
        "--request=delete",
        "--method=delete",
        "--method delete",
        "requests.delete",
        "-x 'delete'",
        "-x \"delete\"",
    ]);
    let instance = [("Nacos", "/ns/instance"), ("Eureka", "/apps/")]
        .into_iter()
        .find(|(_, path)| hook.says(&[path]));
    if let Some((registry, _)) = instance.filter(|_| deletes) {
        return Some(Call::Deletes(registry));
    }
    let switch = SWITCHES
        .iter()
        .find(|switch| switch.off.iter().all(|part| hook.says(&[part])) && hook.says(switch.how));
    switch.map(Call::Switches)
}

/// Whether a hook of the user's own takes the pod out of a registry.
pub(in super::super) fn calls_a_registry(hook: &LifecycleHandler<'_>) -> bool {
    call(hook).is_some()
}

fn by_hand(
    workload: &Workload<'_, '_>,
    container: &Container<'_>,
    hook: &LifecycleHandler<'_>,
    found: &mut Found,
) {
    let field = "/lifecycle/preStop";
    let switch = match call(hook) {
        Some(Call::Switches(switch)) => switch,
        Some(Call::Deletes(registry)) => {
            let message = format!("the hook deletes the instance from {registry}");
            found.in_container(Id::Sr110, workload, container, field, message);
            return;
        }
        None => return,
    };
    let back = container.post_start.as_ref().is_some_and(|hook| {
        let ours = hook.ours.map(|ours| ours.method);
        ours.is_some_and(|method| switch.method == Some(method)) || hook.says(switch.on)
    });
    if !back {
        let message = format!(
            "the hook switches the instance off in {} and no postStart hook switches it on",
            switch.registry
        );
        found.in_container(Id::Sr109, workload, container, field, message);
    }
}
