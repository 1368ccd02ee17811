//! SR501, SR502 and SR504: balancers and proxies between callers and the app.

use super::super::hook::mentions;
use super::super::object::Object;
use super::super::read::text;
use super::super::rule::Id;
use super::super::workload::{Container, Serves, Workload};
use super::Found;

/// What balancers take until they send a pod nothing new, in seconds: measured, and advised by those who run them.
const ALB: u64 = 60;
const NLB: u64 = 120;
/// `terminationDrainDuration`, by default: Istio's agent goes on for so long by itself.
const ISTIO: u64 = 5;
/// Of a balancer's health checks of nodes: 10 s each, three in a row, as the providers' defaults have it or nearly so.
const HEALTH_CHECKS: u64 = 30;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    if workload.serves() {
        balanced(workload, found);
    }
    sidecars(workload, found);
}

/// Seconds that all containers that callers are led to wait before SIGTERM, at most; none where that cannot be told.
fn drain(workload: &Workload<'_, '_>) -> Option<u64> {
    let own = |container: &Container<'_>| match &container.pre_stop {
        None if container.is_istio() => Some(ISTIO),
        None => Some(0),
        Some(hook) => hook.time.most(),
    };
    // A native sidecar gets its SIGTERM when all others have ended.
    let main = || workload.containers.iter().map(own).max().flatten();
    let led = |one: &&Container<'_>| one.serves == Serves::Led;
    let containers = workload.containers.iter().filter(led).map(own);
    let sidecars = workload.sidecars.iter().filter(led);
    let sidecars = sidecars.map(|one| Some(own(one)?.max(main()?)));
    containers.chain(sidecars).min().flatten()
}

fn balanced(workload: &Workload<'_, '_>, found: &mut Found) {
    let Some(drain) = drain(workload) else {
        return;
    };
    for (at, service) in workload.services() {
        let told =
            |one: &super::Finding| one.object == at && [Id::Sr501, Id::Sr502].contains(&one.id);
        if found.findings.iter().any(told) {
            continue;
        }
        let spec = service.spec();
        let mut ingresses = workload.world.ingresses(service);
        let behind = behind_nlb(service).or_else(|| ingresses.find_map(behind_alb));
        let name = &workload.object.name;
        let is_balanced = text(spec, "type") == "LoadBalancer";
        if let Some((what, seconds)) = behind.filter(|(_, seconds)| drain < *seconds) {
            let message = format!(
                "{what} sends to the pods of {name} for up to {seconds} s, and they wait {drain} s"
            );
            found.add(Id::Sr501, at, "", message);
        } else if behind.is_none()
            && is_balanced
            && text(spec, "externalTrafficPolicy") == "Local"
            && drain < HEALTH_CHECKS
        {
            let message = format!(
                "the pods of {name} wait {drain} s, and a balancer's health checks take about {HEALTH_CHECKS} s"
            );
            found.add(Id::Sr502, at, "/spec/externalTrafficPolicy", message);
        }
    }
}

/// Only where the balancer's targets are the pods: else kube-proxy takes a pod off in a second, whatever the balancer does.
fn behind_nlb(service: &Object<'_>) -> Option<(&'static str, u64)> {
    const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer-";
    let of = |name: &str| service.annotation(&format!("{AWS}{name}"));
    // That of EKS Auto Mode has the pods as its targets unless it is told otherwise.
    let auto = text(service.spec(), "loadBalancerClass") == "eks.amazonaws.com/nlb";
    let pods = match of("nlb-target-type") {
        "" => of("type") == "nlb-ip" || auto,
        target => target == "ip",
    };
    // A shorter delay was seen to change nothing.
    let delay = deregistration(of("target-group-attributes")).unwrap_or_default();
    (pods && text(service.spec(), "type") == "LoadBalancer").then(|| ("the NLB", delay.max(NLB)))
}

fn behind_alb(ingress: &Object<'_>) -> Option<(&'static str, u64)> {
    const ALB_KEY: &str = "alb.ingress.kubernetes.io/";
    if ingress.kind == "TargetGroupBinding" {
        let pods = text(ingress.spec(), "targetType") == "ip";
        return pods.then_some(("the target group", ALB));
    }
    let of = |name: &str| ingress.annotation(&format!("{ALB_KEY}{name}"));
    let delay = deregistration(of("target-group-attributes"));
    (of("target-type") == "ip").then(|| ("the ALB", delay.unwrap_or(ALB)))
}

/// `deregistration_delay.timeout_seconds=30` among others, with commas.
fn deregistration(attributes: &str) -> Option<u64> {
    let mut pairs = attributes
        .split(',')
        .filter_map(|pair| pair.split_once('='));
    let (_, seconds) =
        pairs.find(|(key, _)| key.trim() == "deregistration_delay.timeout_seconds")?;
    seconds.trim().parse().ok()
}

/// What ends a proxy, in a hook of its own.
const ENDS: [&str; 5] = [
    "quitquitquit",
    "kill",
    "drain_listeners",
    "shutdown",
    "stop",
];

fn sidecars(workload: &Workload<'_, '_>, found: &mut Found) {
    // How long the hooks of those wait that it stands beside.
    let beside = workload.containers.iter().filter(|one| !one.is_proxy());
    let hooks = beside.filter_map(|one| one.pre_stop.as_ref());
    let longest = hooks.map(|hook| hook.time.least).max().unwrap_or(0);
    if workload.containers.len() > 1 {
        for container in workload.containers.iter().filter(|one| one.is_proxy()) {
            let words = container.words();
            let waits = container.pre_stop.as_ref().is_some_and(|hook| {
                !hook.delays_nothing() && hook.time.most().is_none_or(|most| most >= longest)
            }) || words
                .iter()
                .any(|word| mentions(word, &["term_timeout", "term-timeout", "max-sigterm-delay"]))
                // Without a least time it goes in the first second without a connection, in the middle of a drain.
                || (container.env("EXIT_ON_ZERO_ACTIVE_CONNECTIONS") == Some("true")
                    && (longest == 0 || container.env("MINIMUM_DRAIN_DURATION").is_some()))
                || container.env("CSQL_PROXY_MAX_SIGTERM_DELAY").is_some();
            if !waits {
                let message = "it gets SIGTERM with the app and does not wait for it".to_owned();
                found.in_container(Id::Sr504, workload, container, "", message);
            }
        }
    }
    for container in &workload.sidecars {
        let ends = container
            .pre_stop
            .as_ref()
            .is_some_and(|hook| hook.says(&ENDS));
        if ends && container.is_proxy() {
            let message =
                "a native sidecar's own hook runs while the app's does, and ends it before the app"
                    .to_owned();
            found.in_container(
                Id::Sr504,
                workload,
                container,
                "/lifecycle/preStop",
                message,
            );
        }
    }
}
