//! SR201, SR202, SR204 to SR207: probes, and Services that pass them over or lead nowhere.

use std::collections::HashSet;

use serde_json::Value;

use super::super::jvm::is_java;
use super::super::read::{list, text};
use super::super::rule::Id;
use super::super::selectors::names_a_pod;
use super::super::workload::{Container, Serves, Workload, is_tcp};
use super::super::world::World;
use super::Found;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    for container in workload.all() {
        if container.serves == Serves::Led
            && absent(&container.value["readinessProbe"])
            // Until that has passed the pod is not ready either.
            && absent(&container.value["startupProbe"])
            // Istio's webhook fills it in, with a probe.
            && container.image.repository != "auto"
        {
            let message = "a Service leads to it, and it has no readiness probe".to_owned();
            found.in_container(Id::Sr201, workload, container, "", message);
        }
        same_probe(workload, container, found);
        impatient(workload, container, found);
        for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
            named_port(workload, container, probe, found);
        }
    }
    unready(workload, found);
}

fn absent(value: &Value) -> bool {
    value.as_object().is_none_or(serde_json::Map::is_empty)
}

/// The numbers of a probe, with the API's defaults.
struct Times {
    initial: i64,
    period: i64,
    failures: i64,
}

impl Times {
    fn read(probe: &Value) -> Self {
        let number = |name: &str, default: i64| {
            let number = probe[name].as_i64().filter(|number| *number > 0);
            number.unwrap_or(default)
        };
        Self {
            initial: number("initialDelaySeconds", 0),
            period: number("periodSeconds", 10),
            failures: number("failureThreshold", 3),
        }
    }

    /// Seconds until a server that does not answer has failed.
    fn patience(&self) -> i64 {
        self.period.saturating_mul(self.failures)
    }
}

fn same_probe(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    let (ready, live) = (
        &container.value["readinessProbe"],
        &container.value["livenessProbe"],
    );
    if absent(ready) || absent(live) || container.serves == Serves::No {
        return;
    }
    // That something listens at all is a check as cheap as any.
    let cheap = live["tcpSocket"].is_object();
    let patience = [live, ready].map(|probe| Times::read(probe).patience());
    if !cheap && patience[0] <= patience[1] && asks(ready, container) == asks(live, container) {
        let message = format!(
            "both ask the same, and liveness gives up after {} s, readiness after {} s",
            patience[0], patience[1]
        );
        found.in_container(Id::Sr202, workload, container, "/livenessProbe", message);
    }
}

/// What a probe asks.
#[derive(PartialEq)]
struct Asks<'a> {
    /// Path, scheme and host; port and headers.
    http: Option<([&'a str; 3], [&'a Value; 2])>,
    exec: &'a Value,
    /// Port and service.
    grpc: Option<(&'a Value, &'a str)>,
}

/// What a probe asks, with the API's defaults, and a port by its number where it is called by its name.
fn asks<'a>(probe: &'a Value, container: &Container<'a>) -> Asks<'a> {
    let (get, grpc) = (&probe["httpGet"], &probe["grpc"]);
    let port = |port: &'a Value| {
        let called = |name: &str| {
            let mut ports = container.ports().iter();
            ports.find(|port| text(port, "name") == name)
        };
        let called = port.as_str().and_then(called);
        called.map_or(port, |port| &port["containerPort"])
    };
    let or = |value: &'a Value, default: &'a str| value.as_str().unwrap_or(default);
    Asks {
        http: get.is_object().then(|| {
            let texts = [
                or(&get["path"], "/"),
                or(&get["scheme"], "HTTP"),
                or(&get["host"], ""),
            ];
            (texts, [port(&get["port"]), &get["httpHeaders"]])
        }),
        exec: &probe["exec"],
        grpc: grpc
            .is_object()
            .then(|| (&grpc["port"], or(&grpc["service"], ""))),
    }
}

/// A JVM with a framework on it seldom answers in so little time or less, in seconds: 30 is what the API's defaults give.
const JVM_START: i64 = 30;

fn impatient(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    let (live, ready) = (
        &container.value["livenessProbe"],
        &container.value["readinessProbe"],
    );
    if absent(live) || !absent(&container.value["startupProbe"]) {
        return;
    }
    let times = Times::read(live);
    let within = times.initial.saturating_add(times.patience());
    let expected = Times::read(ready).initial;
    let message = if !absent(ready) && expected >= within {
        format!(
            "a start may take {expected} s by the readiness probe, and liveness gives up after {within} s"
        )
    } else if is_java(container) && within <= JVM_START {
        format!("it is a Java server, and liveness gives up {within} s after the start")
    } else {
        return;
    };
    found.in_container(Id::Sr204, workload, container, "/livenessProbe", message);
}

fn named_port(
    workload: &Workload<'_, '_>,
    container: &Container<'_>,
    probe: &str,
    found: &mut Found,
) {
    for action in ["httpGet", "tcpSocket"] {
        let port = &container.value[probe][action]["port"];
        let Some(name) = port.as_str().filter(|name| name.parse::<u16>().is_err()) else {
            continue;
        };
        if !container
            .ports()
            .iter()
            .any(|port| text(port, "name") == name)
        {
            let message = format!(
                "the probe asks at the port {name:?}, and no port of this container is called so"
            );
            let field = format!("/{probe}/{action}/port");
            found.in_container(Id::Sr206, workload, container, &field, message);
        }
    }
}

/// A headless Service for the peers of a `StatefulSet` is what the field is there for; so is one beside another for callers,
/// and one for each of its pods.
fn unready(workload: &Workload<'_, '_>, found: &mut Found) {
    let namespace = workload.object.namespace;
    for (at, service) in workload.services() {
        let spec = service.spec();
        if spec["publishNotReadyAddresses"] != true
            || !list(spec, "ports")
                .iter()
                .any(super::super::workload::serves_callers)
        {
            continue;
        }
        let headless = text(spec, "clusterIP") == "None";
        let peers = workload
            .world
            .governed
            .contains_key(&(namespace, service.name))
            || workload.services().any(|(other, _)| other != at);
        if headless && peers
            || names_a_pod(&spec["selector"])
            || found
                .findings
                .iter()
                .any(|one| one.id == Id::Sr205 && one.object == at)
        {
            continue;
        }
        let message = format!(
            "publishNotReadyAddresses leads callers to pods of {} {} that are not ready",
            workload.object.kind, workload.object.name
        );
        found.add(Id::Sr205, at, "/spec/publishNotReadyAddresses", message);
    }
}

/// Services that ask for a named port which none of the pods that they select has.
pub(super) fn of_services(world: &World<'_>, found: &mut Found) {
    for (at, service) in world.objects.iter().enumerate() {
        let Some(selected) = world
            .selected
            .get(&at)
            .filter(|_| service.kind == "Service")
        else {
            continue;
        };
        let workloads = selected
            .iter()
            .map(|at| &world.objects[world.workloads[*at].0]);
        let containers = workloads.clone().flat_map(|workload| {
            let spec = &workload.spec()["template"]["spec"];
            let beside = list(spec, "initContainers").iter();
            let beside = beside.filter(|one| text(one, "restartPolicy") == "Always");
            list(spec, "containers").iter().chain(beside)
        });
        // What a webhook fills in may bring ports.
        if containers.clone().any(|one| text(one, "image") == "auto") {
            continue;
        }
        let ports = containers.flat_map(|one| list(one, "ports"));
        let names: HashSet<_> = ports.map(|one| (text(one, "name"), is_tcp(one))).collect();
        for (number, port) in list(service.spec(), "ports").iter().enumerate() {
            let Some(name) = port["targetPort"].as_str() else {
                continue;
            };
            if names.contains(&(name, is_tcp(port))) {
                continue;
            }
            let who = match (workloads.clone().next(), selected.len()) {
                (Some(workload), 1) => format!("{} {}", workload.kind, workload.name),
                (_, number) => format!("the {number} workloads that it selects"),
            };
            let pointer = format!("/spec/ports/{number}/targetPort");
            let message = format!("no container of {who} has a port that is called {name:?}");
            found.add_beside(Id::Sr207, (world, at), selected, &pointer, message);
        }
    }
}
