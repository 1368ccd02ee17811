//! One arm of a scenario, from its namespace to its record.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::gate::Ticket;
use super::gateway::Gateway;
use super::generator::Generator;
use super::liveness::{self, Failures};
use super::pods::{Seen, Watch};
use super::{Entry, Namespaces, Place, Replace, Scenario, Settings, replace};
use crate::load::Plan;
use crate::node::kubectl::Kubectl;
use crate::node::registry::Registry;
use crate::node::services::HERE;
use crate::record::{Absence, Arm, Pod, Restart, Run};

/// Before the first replacement and after the last: to see that nothing is lost without one.
const CALM: Duration = Duration::from_secs(3);

/// Bounds the wait for a ConfigMap that Silkroll writes within milliseconds, on a machine that is not
/// overloaded.
const CONFIG_MAP: Duration = Duration::from_secs(10);

/// Bounds the wait for a pod that was told to go: more than any grace period in the scenarios.
const GOING: Duration = Duration::from_secs(180);

/// Runs one arm, once all are set up that have tickets.
///
/// # Errors
///
/// Where it could not be run as it should: that is no result at all.
pub(super) fn run(
    kubectl: &Kubectl,
    scenario: &Scenario,
    arm: Arm,
    settings: &Settings,
    ticket: Ticket,
) -> Result<Run> {
    let namespace = settings.namespaces.name(scenario.name, arm);
    let what = || format!("{namespace}: {}", scenario.about);
    run_in(kubectl, &namespace, scenario, arm, settings, ticket).with_context(what)
}

fn run_in(
    kubectl: &Kubectl,
    namespace: &str,
    scenario: &Scenario,
    arm: Arm,
    settings: &Settings,
    ticket: Ticket,
) -> Result<Run> {
    set_up(
        kubectl,
        settings,
        namespace,
        scenario.manifests,
        arm,
        scenario.annotations,
    )?;

    let mut plan = Plan {
        slow: Duration::from_secs(scenario.slow),
        slow_path: format!("/slow?ms={}", scenario.slow * 1000),
        stale: scenario.stale,
        ..settings.plan.clone()
    };
    let mut gateway = None;
    let address = match scenario.entry {
        Entry::ClusterIp => cluster_address(kubectl, namespace)?,
        Entry::Ingress => {
            plan.host = format!("{namespace}.example");
            // Behind a proxy the other end of a connection is the proxy.
            plan.names_pod = false;
            let (ingress, _) = beside(settings)?;
            ingress
        }
        Entry::Gateway(registry) => {
            plan.names_pod = false;
            let (_, registries) = beside(settings)?;
            let started = Gateway::start(registry, namespace, registries, &settings.logs)?;
            gateway.insert(started).address
        }
    };

    ticket.ready();
    let watch = Watch::start(kubectl, namespace, settings)?;
    let load = match &settings.place {
        Place::Node { .. } => Generator::here(plan, address)?,
        Place::Cluster { images } => Generator::pod(kubectl, namespace, images, &plan, address)?,
    };
    thread::sleep(CALM);
    let times = (settings.times / scenario.rarer).max(1);
    let ready = || match &gateway {
        Some(gateway) => gateway.wait_until_known(kubectl, namespace),
        None => Ok(()),
    };
    let replaced = match scenario.replace {
        Replace::LivenessFailures => restarted(kubectl, settings, namespace, scenario, arm, times),
        _ => replace::run(kubectl, namespace, scenario.replace, times, ready).map(|rollouts| {
            Failures {
                rollouts,
                ..Failures::default()
            }
        }),
    };
    let begun = Instant::now();
    while watch.leaving() > 0 && begun.elapsed() < GOING {
        thread::sleep(Duration::from_millis(200));
    }
    thread::sleep(CALM);
    let measured = load.stop()?;
    let pods = watch.stop()?;
    if let Some(gateway) = gateway {
        gateway.end()?;
    }

    let mut run = Run::new(scenario.name, arm, measured.started_ms, measured.load);
    run.notes.extend(measured.note);
    let Failures {
        rollouts,
        restarts,
        absences,
    } = replaced?;
    if let Entry::Gateway(registry) = scenario.entry {
        run.notes.push(registry.callers().to_owned());
    }
    if scenario.rarer > 1 {
        run.notes.push(format!(
            "Replacements: {}, where most scenarios have {}; these take longer.",
            rollouts.len(),
            settings.times
        ));
    }
    if arm == Arm::Silkroll {
        run.notes.push(annotations_of(scenario));
    }
    (run.rollouts, run.absences) = (rollouts, absences);
    if scenario.own_hook {
        run.notes.push(own_hooks(&pods)?);
    }
    run.pods = pods.into_iter().map(|seen| seen.pod).collect();
    if arm == Arm::Control && !scenario.own_hook {
        // Not every server says when it got SIGTERM; without a hook that is at once.
        for pod in &mut run.pods {
            pod.killed_ms = pod.killed_ms.or(pod.deleted_ms);
        }
    }
    note_restarts(&mut run.pods, restarts);
    Namespaces::delete(kubectl, namespace)?;
    Ok(run)
}

/// Each restart belongs to its pod.
fn note_restarts(pods: &mut [Pod], restarts: Vec<(String, Restart)>) {
    for (name, mut restart) in restarts {
        if let Some(pod) = pods.iter_mut().find(|pod| pod.name == name) {
            // The log that said so was that of the container before.
            restart.killed_ms = pod.killed_ms.take();
            // The kubelet's event was asked for now and then only; SIGTERM does not come before it.
            let killed = restart.killed_ms.unwrap_or(restart.failed_ms);
            restart.failed_ms = restart.failed_ms.min(killed);
            pod.restarts.push(restart);
        }
    }
}

/// Each pod that went has run the user's own hook: a rollout that lost no request by skipping it
/// would be no success.
fn own_hooks(pods: &[Seen]) -> Result<String> {
    let gone = || pods.iter().filter(|seen| seen.pod.gone_ms.is_some());
    let without: Vec<&str> = gone()
        .filter(|seen| seen.own_hooks != 1)
        .map(|seen| seen.pod.name.as_str())
        .collect();
    if gone().count() == 0 {
        bail!("no pod has gone, so no preStop of its own can have run");
    }
    if !without.is_empty() {
        bail!(
            "the container's own preStop did not run exactly once in {}",
            without.join(", ")
        );
    }
    Ok(format!(
        "The container's own preStop ran once in each of {} pods.",
        gone().count()
    ))
}

/// All that is asked of Silkroll, for whoever wants to try the same.
fn annotations_of(scenario: &Scenario) -> String {
    let all = scenario.annotations.iter();
    let all: Vec<String> = [&("inject", "enabled")]
        .into_iter()
        .chain(all)
        .map(|(name, value)| format!("`silkroll.dev/{name}: {value}`"))
        .collect();
    format!("The namespace says {}.", all.join(", "))
}

/// The namespace with the service in it, as it should be.
fn set_up(
    kubectl: &Kubectl,
    settings: &Settings,
    namespace: &str,
    manifests: &[impl AsRef<str>],
    arm: Arm,
    annotations: &[(&str, &str)],
) -> Result<()> {
    let object = manifest(namespace, arm, annotations);
    settings.namespaces.create(kubectl, namespace, &object)?;
    // At once, as where both are in one file: Silkroll has to know of a namespace in time by itself.
    let mut warnings = String::new();
    for manifest in manifests {
        // An Ingress needs a host of its own; no other manifest names its namespace.
        let mut manifest = manifest.as_ref().replace("NAMESPACE", namespace);
        if let Place::Cluster { images } = &settings.place {
            manifest = manifest.replace(&format!("image: {HERE}/"), &format!("image: {images}/"));
        }
        let apply = ["apply", "-n", namespace, "-f", "-"];
        warnings += &kubectl.run_with_warnings(&apply, &manifest)?.1;
    }
    check_injection(kubectl, namespace, arm)
        .with_context(|| format!("kubectl apply warned: {warnings:?}"))?;
    replace::settled(kubectl, namespace)
}

/// One pod after the other fails its liveness probe.
fn restarted(
    kubectl: &Kubectl,
    settings: &Settings,
    namespace: &str,
    scenario: &Scenario,
    arm: Arm,
    times: u32,
) -> Result<Failures> {
    let Entry::Gateway(registry) = scenario.entry else {
        bail!("without a registry there is nothing to be out of");
    };
    let source = registry.source(namespace)?;
    if arm == Arm::Control {
        return liveness::run(kubectl, namespace, &source, times);
    }
    thread::scope(|scope| {
        let without = scope.spawn(|| without_start_hook(kubectl, settings, scenario, registry));
        let mut failures = liveness::run(kubectl, namespace, &source, times)?;
        match without.join() {
            Ok(absences) => failures.absences.extend(absences?),
            Err(_) => bail!("the thread without a start hook panicked"),
        }
        Ok(failures)
    })
}

/// The same with Silkroll and without the way back: it has to stay out, or a start hook would not be
/// what brings the others back.
fn without_start_hook(
    kubectl: &Kubectl,
    settings: &Settings,
    scenario: &Scenario,
    registry: Registry,
) -> Result<Vec<Absence>> {
    let namespace = "no-start-hook";
    let mut annotations = scenario.annotations.to_vec();
    for (name, value) in &mut annotations {
        if *name == "nacos-group" {
            *value = namespace;
        }
    }
    // Nobody calls it: nobody has to forget it.
    annotations.extend([("start-hook", "none"), ("drain-seconds", "2")]);
    // One pod is enough for that.
    let one = |manifest: &&str| manifest.replace("replicas: 3", "replicas: 1");
    let manifests: Vec<String> = scenario.manifests.iter().map(one).collect();
    let run = || -> Result<Vec<Absence>> {
        set_up(
            kubectl,
            settings,
            namespace,
            &manifests,
            Arm::Silkroll,
            &annotations,
        )?;
        let failures = liveness::run(kubectl, namespace, &registry.source(namespace)?, 1)?;
        Namespaces::delete(kubectl, namespace)?;
        Ok(failures.absences)
    };
    let mut absences = run().with_context(|| namespace.to_owned())?;
    for absence in &mut absences {
        absence.without_start_hook = true;
    }
    Ok(absences)
}

/// The namespace: here, and nowhere else, the arms differ.
fn manifest(namespace: &str, arm: Arm, annotations: &[(&str, &str)]) -> String {
    let mut all = serde_json::Map::new();
    if arm == Arm::Silkroll {
        all.insert("silkroll.dev/inject".to_owned(), "enabled".into());
        for (name, value) in annotations {
            all.insert(format!("silkroll.dev/{name}"), (*value).into());
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace, "annotations": all},
    })
    .to_string()
}

/// An arm with Silkroll in which nothing was injected, because the webhook was away, would be a
/// second control arm; and the other way round.
fn check_injection(kubectl: &Kubectl, namespace: &str, arm: Arm) -> Result<()> {
    let path = r"jsonpath={.spec.template.metadata.annotations.silkroll\.dev/status}";
    let deployment = ["get", "deployment", "web", "-n", namespace, "-o", path];
    let injected = !kubectl.run(&deployment, "")?.is_empty();
    match (arm, injected) {
        (Arm::Silkroll, false) => bail!("Silkroll injected nothing"),
        (Arm::Control, true) => bail!("Silkroll injected into a namespace that did not opt in"),
        (Arm::Control, false) => Ok(()),
        (Arm::Silkroll, true) => check_script(kubectl, namespace),
    }
}

/// Without the ConfigMap that a hook runs from pods start all the same, and it only waits. Silkroll may
/// not write one where manifests and image are of different versions.
fn check_script(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let path = "jsonpath={.spec.template.spec.volumes[*].configMap.name}";
    let deployment = ["get", "deployment", "web", "-n", namespace, "-o", path];
    let names = kubectl.run(&deployment, "")?;
    for name in names.split_whitespace() {
        let begun = Instant::now();
        while let Err(error) = kubectl.run(&["get", "configmap", name, "-n", namespace], "") {
            if begun.elapsed() > CONFIG_MAP {
                return Err(error).with_context(|| {
                    format!("{name} is not in {namespace}: are manifests/install.yaml and the image of one version?")
                });
            }
        }
    }
    Ok(())
}

fn cluster_address(kubectl: &Kubectl, namespace: &str) -> Result<SocketAddr> {
    let service = kubectl.get(&["service", "web", "-n", namespace])?;
    let address = service["spec"]["clusterIP"].as_str().unwrap_or("");
    let port = service["spec"]["ports"][0]["port"].as_u64();
    let port = port.and_then(|port| u16::try_from(port).ok());
    let ip = address
        .parse()
        .with_context(|| format!("the Service's address, {address}"))?;
    Ok(SocketAddr::new(ip, port.context("the Service's port")?))
}

/// What runs beside the node.
fn beside(settings: &Settings) -> Result<(SocketAddr, &Path)> {
    match &settings.place {
        Place::Node {
            ingress,
            registries,
        } => Ok((*ingress, registries)),
        Place::Cluster { .. } => bail!("there is nothing beside the nodes of any cluster"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    #[test]
    fn the_arms_differ_by_annotations_alone() {
        for scenario in all() {
            let read = |arm| -> serde_json::Value {
                serde_json::from_str(&manifest("a", arm, scenario.annotations)).unwrap()
            };
            let (control, mut silkroll) = (read(Arm::Control), read(Arm::Silkroll));
            assert_eq!(control["metadata"]["annotations"], json!({}));
            let annotations = silkroll["metadata"]["annotations"].take();
            assert_eq!(annotations["silkroll.dev/inject"], "enabled");
            silkroll["metadata"]["annotations"] = json!({});
            assert_eq!(control, silkroll);
        }
    }
}
