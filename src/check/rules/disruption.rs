//! SR401 to SR405: drains of nodes, and nodes that are taken back.

use serde_json::Value;

use super::super::object::Object;
use super::super::read::{Amount, list, text, words};
use super::super::rule::Id;
use super::super::selectors::selects_nothing;
use super::super::workload::Workload;
use super::super::world::World;
use super::Found;

/// The cluster autoscaler's `--max-graceful-termination-sec`, by default.
const AUTOSCALER: i64 = 600;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    let several = workload.replicas().is_some_and(|replicas| replicas > 1);
    let budgeted = !workload.relations.budgets.is_empty() || workload.relations.some_budgeted;
    if workload.serves() && several && !budgeted {
        let message = "no PodDisruptionBudget selects its pods".to_owned();
        found.add(Id::Sr402, workload.at, "", message);
    }
    let grace = workload.grace();
    let pointer = workload.of_pod("terminationGracePeriodSeconds");
    if grace > AUTOSCALER {
        let message = format!("terminationGracePeriodSeconds is {grace}");
        found.add(Id::Sr404, workload.at, pointer.clone(), message);
    }
    if let Some((provider, most)) = spot(workload.spec)
        && grace > most
    {
        let message = format!(
            "the grace period is {grace} s, and its nodes are {provider}, which give {most} s"
        );
        found.add(Id::Sr405, workload.at, pointer, message);
    }
}

/// Where the pod can only land on nodes that the provider may take back: who that is, and the seconds that a pod gets.
fn spot(spec: &Value) -> Option<(&'static str, i64)> {
    /// Label, value, provider, seconds.
    const LABELS: [(&str, &str, &str, i64); 6] = [
        ("cloud.google.com/gke-spot", "true", "GKE Spot VMs", 15),
        (
            "cloud.google.com/gke-preemptible",
            "true",
            "GKE preemptible VMs",
            15,
        ),
        (
            "cloud.google.com/gke-provisioning",
            "spot",
            "GKE Spot VMs",
            15,
        ),
        (
            "eks.amazonaws.com/capacityType",
            "SPOT",
            "EC2 Spot instances",
            120,
        ),
        ("karpenter.sh/capacity-type", "spot", "Spot instances", 120),
        (
            "kubernetes.azure.com/scalesetpriority",
            "spot",
            "Azure Spot VMs",
            30,
        ),
    ];
    let selected = LABELS
        .iter()
        .find(|(label, value, ..)| spec["nodeSelector"][*label] == *value);
    let required =
        &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = list(required, "nodeSelectorTerms");
    let by_affinity = || {
        LABELS.iter().find(|(label, value, ..)| {
            // Of several terms one is enough, so each has to say it.
            !terms.is_empty()
                && terms.iter().all(|term| {
                    list(term, "matchExpressions").iter().any(|one| {
                        let mut values = words(one, "values");
                        let only = values.next() == Some(*value) && values.next().is_none();
                        text(one, "key") == *label
                            && match text(one, "operator") {
                                "In" => only,
                                // Such a label stands on no other node.
                                "Exists" => *value == "true",
                                _ => false,
                            }
                    })
                })
        })
    };
    let (_, _, provider, seconds) = selected.or_else(by_affinity)?;
    Some((provider, *seconds))
}

/// Budgets that never let a pod go, or not while there are few.
pub(super) fn of_budgets(world: &World<'_>, found: &mut Found) {
    for (at, object) in world.objects.iter().enumerate() {
        let is_budget =
            object.kind == "PodDisruptionBudget" && object.api_version.starts_with("policy/");
        if !is_budget || object.is_local() || selects_nothing(object) {
            continue;
        }
        let workloads = world.selected.get(&at).map_or(&[][..], Vec::as_slice);
        let blocked = blocks(world, object, workloads);
        let Some((id, pointer, message)) = blocked.or_else(|| second(world, at, workloads)) else {
            continue;
        };
        found.add_beside(id, (world, at), workloads, pointer, message);
    }
}

/// Whether a budget leaves no pod to spare: at all, or where autoscalers have gone down to their least. How many pods there
/// are meant to be is the sum over all workloads whose pods it selects, and shares of that are rounded up, as the disruption
/// controller does (`getExpectedPodCount` in `pkg/controller/disruption`).
fn blocks(
    world: &World<'_>,
    budget: &Object<'_>,
    workloads: &[usize],
) -> Option<(Id, &'static str, String)> {
    let spec = budget.spec();
    if let Some(most) = Amount::read(&spec["maxUnavailable"]) {
        let none = most.ceiling(1) <= 0;
        return none.then(|| {
            let message = "maxUnavailable is 0".to_owned();
            (Id::Sr401, "/spec/maxUnavailable", message)
        });
    }
    let wanted = Amount::read(&spec["minAvailable"])?;
    let pointer = "/spec/minAvailable";
    if let Amount::Percent(100..) = wanted {
        let message = "minAvailable is all of the pods".to_owned();
        return Some((Id::Sr401, pointer, message));
    }
    let sizes = || workloads.iter().map(|at| world.scale(*at));
    let scaled = sizes().any(|(_, _, scaled)| scaled);
    let sum = |sum: i64, of: Option<i64>| Some(sum.saturating_add(of?));
    let least = sizes().map(|(least, ..)| least).try_fold(0, sum);
    let most = sizes().map(|(_, most, _)| most).try_fold(0, sum);
    let takes_all = |of: &i64| *of > 0 && wanted.ceiling(*of) >= *of;
    let whose = || match workloads {
        [one] => {
            let object = &world.objects[world.workloads[*one].0];
            format!("{} {}", object.kind, object.name)
        }
        all => format!("the {} workloads that it selects", all.len()),
    };
    let (id, of, there) = match (most.filter(takes_all), least.filter(takes_all)) {
        (Some(most), _) if scaled => (Id::Sr401, most, "there are at most"),
        (Some(most), _) => (Id::Sr401, most, "there are"),
        (None, Some(least)) => (Id::Sr403, least, "the autoscaler may go down to"),
        (None, None) => return None,
    };
    let message = format!(
        "minAvailable keeps {} of the pods of {}, and {there} {of}",
        wanted.ceiling(of),
        whose(),
    );
    Some((id, pointer, message))
}

/// Whether pods have another budget already: then the API server evicts none, "This pod has more than one
/// `PodDisruptionBudget`, which the eviction subresource does not support." (`pkg/registry/core/pod/storage/eviction.go`).
fn second(world: &World<'_>, at: usize, workloads: &[usize]) -> Option<(Id, &'static str, String)> {
    let name = world.objects[at].name;
    workloads.iter().find_map(|workload| {
        let (workload, _, relations) = &world.workloads[*workload];
        let mut earlier = relations.budgets.iter().take_while(|one| **one != at);
        // The same one in two places is one.
        let other = earlier.find(|one| world.objects[**one].name != name)?;
        let (workload, other) = (&world.objects[*workload], world.objects[*other].name);
        let message = format!(
            "the pods of {} {} have another one, {other}, and none is evicted that has two",
            workload.kind, workload.name,
        );
        Some((Id::Sr401, "/spec/selector", message))
    })
}
