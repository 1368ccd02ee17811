//! What is to be said of the input as a whole: what was not judged, and why. Nothing is passed over in silence.

use std::collections::{BTreeMap, BTreeSet};

use super::object::Object;
use super::read::list;
use super::selectors::service_selects;
use super::workload::Workload;
use super::world::World;

/// So many of a list are named.
const SHOWN: usize = 5;

/// Sentences, for whoever reads the findings.
#[must_use]
pub fn remarks(world: &World<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for object in world.objects.iter().filter(|one| one.is_passed_over()) {
        *kinds.entry((object.kind, object.group())).or_default() += 1;
    }
    if !kinds.is_empty() {
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|((kind, group), number)| match group {
                "" => format!("{number} {kind}"),
                group => format!("{number} {kind} of {group}"),
            })
            .collect();
        remarks.push(format!(
            "not judged: {}: they keep pods running, and no rule knows their kind",
            kinds.join(", ")
        ));
    }
    let local = world.objects.iter().filter(|one| one.is_local()).count();
    if local > 0 {
        let objects = if local == 1 { "object" } else { "objects" };
        remarks.push(format!(
            "not judged: {local} {objects} with config.kubernetes.io/local-config, which are never applied"
        ));
    }
    // The same one may stand in several inputs.
    let mut silent = BTreeSet::new();
    let mut by_pods = BTreeSet::new();
    let mut unclear = Vec::new();
    for at in 0..world.workloads() {
        let (object, _, relations) = &world.workloads[at];
        let object = &world.objects[*object];
        if world.is_left_to_pods(object) {
            by_pods.insert(title(object));
        }
        let containers = list(&object.spec()["template"]["spec"], "containers");
        // One alone is what a Service leads to.
        if !relations.services.is_empty() && containers.len() < 2 {
            continue;
        }
        let workload = Workload::new(world, at);
        for (service, port) in &workload.unclear {
            unclear.push(format!(
                "{} leads to port {port} of {}, and no container there declares it: which of them serves cannot be told, \
                 declare it for the one that does",
                title(&world.objects[*service]),
                title(object),
            ));
        }
        let serviced = world.has_services(object.namespace);
        if serviced && relations.services.is_empty() && !workload.is_off() && workload.may_serve() {
            silent.insert(title(object));
        }
    }
    let more = unclear.len().saturating_sub(SHOWN);
    remarks.extend(unclear.into_iter().take(SHOWN));
    if more > 0 {
        remarks.push(format!("the same is so of {more} more ports of Services"));
    }
    if !silent.is_empty() {
        remarks.push(format!(
            "taken to serve nobody, though ports are declared: {}: no Service here selects the pods, where their namespace has \
             Services; is one missing, or its selector wrong? What is in a registry says so by silkroll.dev/deregister",
            some(silent)
        ));
    }
    if !by_pods.is_empty() {
        remarks.push(format!(
            "judged as they stand: {}: their namespace has its Pods injected (silkroll.dev/level: pod), and what that mends \
             is not taken into account",
            some(by_pods)
        ));
    }
    let services = world.objects.iter().enumerate().filter(|(at, one)| {
        (one.group(), one.kind) == ("", "Service")
            && !one.is_local()
            && service_selects(one)
            && !world.selected.contains_key(at)
    });
    let services: BTreeSet<String> = services.map(|(_, one)| title(one)).collect();
    if !services.is_empty() {
        remarks.push(format!(
            "selects no workload that stands here: {}",
            some(services)
        ));
    }
    remarks.extend(world.environments.remark());
    remarks
}

/// Names, the first of many.
fn some(names: BTreeSet<String>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.into_iter().take(SHOWN).collect();
    let shown = shown.join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}

fn title(object: &Object<'_>) -> String {
    format!("{} {}/{}", object.kind, object.namespace, object.name)
}
