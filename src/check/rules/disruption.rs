//! SR401 to SR405: drains of nodes, and nodes that are taken back.

use serde_json::Value;

use super::super::read::{Amount, list, text, words};
use super::super::rule::Id;
use super::super::workload::Workload;
use super::super::world::World;
use super::Found;

/// The cluster autoscaler's `--max-graceful-termination-sec`, by default.
const AUTOSCALER: i64 = 600;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    let several = workload.replicas().is_some_and(|replicas| replicas > 1);
    if workload.serves() && several && workload.relations.budgets.is_empty() {
        let message = "no PodDisruptionBudget selects its pods".to_owned();
        found.add(Id::Sr402, workload.at, "", message);
    }
    if let (Some(scaler), [budget]) = (
        workload.relations.scaler,
        workload.relations.budgets.as_slice(),
    ) && let Some(least) = scaler.least
    {
        let wanted = &workload.world.objects[*budget].spec()["minAvailable"];
        // A share of what runs is SR401's.
        if let Some(Amount::Number(wanted)) = Amount::read(wanted)
            && least > 0
            && wanted >= least
        {
            let message =
                format!("minAvailable is {wanted}, and the autoscaler may go down to {least}");
            found.add(Id::Sr403, *budget, "/spec/minAvailable", message);
        }
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
                        text(one, "key") == *label
                            && text(one, "operator") == "In"
                            && values.next() == Some(*value)
                            && values.next().is_none()
                    })
                })
        })
    };
    let (_, _, provider, seconds) = selected.or_else(by_affinity)?;
    Some((provider, *seconds))
}

/// Budgets that never let a pod go, whatever runs.
pub(super) fn of_budgets(world: &World<'_>, found: &mut Found) {
    for (at, object) in world.objects.iter().enumerate() {
        if object.kind != "PodDisruptionBudget" || !object.api_version.starts_with("policy/") {
            continue;
        }
        let spec = object.spec();
        let workloads = world.selected.get(&at).map_or(&[][..], Vec::as_slice);
        let (pointer, message) = if let Some(most) = Amount::read(&spec["maxUnavailable"]) {
            if most.ceiling(1) > 0 {
                continue;
            }
            ("/spec/maxUnavailable", "maxUnavailable is 0".to_owned())
        } else if let Some(least) = Amount::read(&spec["minAvailable"]) {
            if let Amount::Percent(100..) = least {
                (
                    "/spec/minAvailable",
                    "minAvailable is all of the pods".to_owned(),
                )
            } else if let [workload] = workloads {
                let workload = Workload::new(world, *workload);
                // Where it is scaled, SR403 looks at the minimum.
                let scaled =
                    workload.relations.scaler.is_some() && matches!(least, Amount::Number(_));
                let Some(replicas) = workload
                    .replicas()
                    .filter(|replicas| *replicas > 0 && !scaled)
                else {
                    continue;
                };
                if least.ceiling(replicas) < replicas {
                    continue;
                }
                let message = format!(
                    "minAvailable keeps {} of the pods of {} {}, and it has {replicas}",
                    least.ceiling(replicas),
                    workload.object.kind,
                    workload.object.name,
                );
                ("/spec/minAvailable", message)
            } else {
                continue;
            }
        } else {
            continue;
        };
        found.add(Id::Sr401, at, pointer, message);
    }
}
