//! One arm of a scenario, from its namespace to its record.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use testkit::kubectl::Kubectl;

use super::absent::{WithoutStartHook, restarted};
use super::gate::Ticket;
use super::gateway::Gateway;
use super::generator::{Generator, Measured};
use super::liveness::Failures;
use super::pods::{Seen, Watch};
use super::replace::PORT;
use super::setup::{annotations_of, set_up};
use super::{Entry, Namespaces, Place, Replace, Scenario, Settings, replace};
use crate::load::{Plan, Stays};
use crate::record::{Arm, Pod, Restart, Run};

/// Before the first replacement and after the last: to see that nothing is lost without one.
const CALM: Duration = Duration::from_secs(3);

/// Bounds the wait for a pod that was told to go: more than any grace period in the scenarios.
const GOING: Duration = Duration::from_secs(180);

/// How long clients stay on their streams.
const STAYS: Stays = Stays {
    least: Duration::from_secs(5),
    most: Duration::from_secs(60),
};

/// New ones: with those that stay it is 325 at a time, with a message a second each.
const STREAMS_A_SECOND: u32 = 10;

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
        scenario.asks(arm),
    )?;

    let (address, plan, gateway) = way_in(kubectl, namespace, scenario, settings)?;
    let without = match (scenario.replace, arm) {
        (Replace::LivenessFailures, Arm::Silkroll) => {
            Some(WithoutStartHook::set_up(kubectl, settings, scenario)?)
        }
        _ => None,
    };
    ticket.ready();
    let watch = Watch::start(kubectl, namespace, settings)?;
    let load = match &settings.place {
        Place::Node { .. } => Generator::here(plan, address)?,
        Place::Cluster { images } => Generator::pod(kubectl, namespace, images, &plan, address)?,
    };
    thread::sleep(CALM);
    let times = scenario.times(settings);
    let known = || match &gateway {
        Some(gateway) => gateway.wait_until_known(kubectl, namespace, scenario.replicas),
        None => Ok(()),
    };
    let ready = |rollout| {
        known()?;
        if gateway.is_some() && !scenario.fresh {
            Gateway::let_the_list_get_old(rollout, times);
        }
        Ok(())
    };
    let replaced = match scenario.replace {
        Replace::LivenessFailures => restarted(kubectl, namespace, scenario, times, without),
        _ => {
            replace::run(kubectl, namespace, scenario, arm, times, ready).map(|rollouts| Failures {
                rollouts,
                ..Failures::default()
            })
        }
    };
    if let Ok(replaced) = &replaced {
        let expected = replaced.rollouts.iter().map(|rollout| rollout.pods).sum();
        until_gone(&watch, expected)?;
        // As long as callers may still ask a pod that has gone.
        known()?;
        thread::sleep(CALM);
    }
    let measured = load.stop()?;
    let mut pods = watch.stop()?;
    if let Some(gateway) = gateway {
        let known = gateway.end()?;
        for seen in &mut pods {
            let address = seen.address.map(|ip| SocketAddr::new(ip, PORT));
            seen.pod.known_ms = address.and_then(|address| known.until(address, seen.pod.gone_ms));
        }
    }
    let run = recorded(scenario, arm, settings, measured, pods, replaced?)?;
    Namespaces::delete(kubectl, namespace)?;
    Ok(run)
}

/// Where requests go in, what is sent there, and the gateway, where there is one.
fn way_in(
    kubectl: &Kubectl,
    namespace: &str,
    scenario: &Scenario,
    settings: &Settings,
) -> Result<(SocketAddr, Plan, Option<Gateway>)> {
    let mut plan = Plan {
        slow: Duration::from_secs(scenario.slow),
        slow_path: format!("/slow?ms={}", scenario.slow * 1000),
        stale: scenario.stale,
        // Behind a proxy the other end of a connection is the proxy.
        names_pod: scenario.entry == Entry::ClusterIp,
        ..settings.plan.clone()
    };
    if scenario.streams {
        (plan.streams, plan.rate) = (Some(STAYS), STREAMS_A_SECOND);
    }
    Ok(match scenario.entry {
        Entry::ClusterIp => (cluster_address(kubectl, namespace)?, plan, None),
        Entry::Ingress => {
            plan.host = format!("{namespace}.example");
            (beside(settings)?.0, plan, None)
        }
        Entry::Gateway(registry) => {
            let registries = beside(settings)?.1;
            let gateway =
                Gateway::start(registry, namespace, registries, scenario, &settings.logs)?;
            (gateway.address, plan, Some(gateway))
        }
    })
}

/// A rollout is over as soon as its new pods are available: the last old one may not even have been told to go.
fn until_gone(watch: &Watch, expected: usize) -> Result<()> {
    let begun = Instant::now();
    loop {
        let (leaving, gone) = watch.leaving_and_gone();
        if leaving == 0 && gone >= expected {
            return Ok(());
        }
        if begun.elapsed() > GOING {
            bail!(
                "{gone} pods have gone after {GOING:?}, where the rollouts replace {expected}, and {leaving} are going"
            );
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn recorded(
    scenario: &Scenario,
    arm: Arm,
    settings: &Settings,
    measured: Measured,
    pods: Vec<Seen>,
    replaced: Failures,
) -> Result<Run> {
    let mut run = Run::new(scenario.name, arm, measured.started_ms, measured.load);
    run.remembered_ms = u64::try_from(remembered(scenario.entry).as_millis())?;
    if arm == Arm::Control {
        run.silent_seconds = scenario.silent;
    }
    run.notes.extend(measured.note);
    if let Entry::Gateway(registry) = scenario.entry {
        run.notes.push(if scenario.fresh {
            "The load balancer of Spring Cloud Gateway keeps no list here: it takes that of its registry's client, which the server tells of \
             every change."
                .to_owned()
        } else {
            registry.callers().to_owned()
        });
    }
    if replaced.rollouts.len() < usize::try_from(settings.times)? {
        run.notes.push(format!(
            "Replacements: {}, where most scenarios have {}; these take longer.",
            replaced.rollouts.len(),
            settings.times
        ));
    }
    run.notes.extend(replaced.note);
    if let Some(annotations) = scenario.asks(arm) {
        run.notes.push(annotations_of("The namespace", annotations));
    }
    (run.rollouts, run.absences) = (replaced.rollouts, replaced.absences);
    if scenario.own_hook {
        run.notes.push(own_hooks(&pods)?);
    }
    run.pods = pods.into_iter().map(|seen| seen.pod).collect();
    if scenario.asks(arm).is_none() && !scenario.own_hook {
        // Not every server says when it got SIGTERM; without a hook that is at once.
        for pod in &mut run.pods {
            pod.killed_ms = pod.killed_ms.or(pod.deleted_ms);
        }
    }
    note_restarts(&mut run.pods, replaced.restarts);
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

/// How long callers may ask a pod that has gone: as old as their list gets, and some seconds for whoever
/// follows the cluster's own.
fn remembered(entry: Entry) -> Duration {
    const FOLLOWS: Duration = Duration::from_secs(5);
    match entry {
        Entry::ClusterIp | Entry::Ingress => FOLLOWS,
        Entry::Gateway(registry) => registry.oldest_list() + FOLLOWS,
    }
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
