//! What the containers of a pod declare, and where a Service's port leads to among them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::read::text;
use super::workload::{Workload, is_tcp, serves_callers};

/// Where a Service's port leads to.
pub(super) enum PortTarget {
    /// A container, or behind all of these a native sidecar, by its place.
    At(usize),
    /// No container has a port of that name: nowhere.
    Nowhere,
    /// No container declares that number, and several may listen there.
    Unclear(i64),
}

/// What the containers of a pod declare, native sidecars last, sorted out once: a Service may have thousands of ports, and
/// so may a container.
#[derive(Default)]
pub(super) struct Declared<'a> {
    /// The first container with a port of this name, and whether it is one of TCP.
    names: HashMap<(&'a str, bool), usize>,
    /// The first container with this port.
    numbers: HashMap<i64, usize>,
    /// Of each container, its ports for metrics; none where it only keeps the pod there.
    for_callers: Vec<Option<HashSet<i64>>>,
    /// The only container that a port which none declares can be of.
    pub(super) only: Option<usize>,
}

impl<'a> Declared<'a> {
    pub(super) fn of(workload: &Workload<'_, 'a>) -> Self {
        let mut declared = Self::default();
        for (at, container) in workload.all().enumerate() {
            for port in container.ports() {
                let name = (text(port, "name"), is_tcp(port));
                declared.names.entry(name).or_insert(at);
                if let Some(number) = port["containerPort"].as_i64() {
                    declared.numbers.entry(number).or_insert(at);
                }
            }
            let ports = (!container.idle).then(|| container.metrics_ports());
            declared.for_callers.push(ports);
        }
        let containers = &workload.containers;
        // What is not declared can be reached all the same.
        let mut may = containers.iter().enumerate().filter(|(_, container)| {
            let ports = container.ports();
            let only_aside = !ports.is_empty() && !ports.iter().any(serves_callers);
            containers.len() == 1 || !only_aside && !container.is_beside()
        });
        if let (Some((at, _)), None) = (may.next(), may.next()) {
            declared.only = Some(at);
        }
        declared
    }

    /// What a Service's port leads to. As the endpoints controller finds it (`FindPort` in `pkg/api/v1/pod`): a name among the
    /// ports of containers and native sidecars; a number is taken as it is, declared or not.
    pub(super) fn target(&self, port: &Value) -> PortTarget {
        match target_port(port) {
            Value::String(name) => {
                let named = self.names.get(&(name.as_str(), is_tcp(port)));
                named.map_or(PortTarget::Nowhere, |at| PortTarget::At(*at))
            }
            target => match target.as_i64() {
                None => PortTarget::Nowhere,
                Some(number) => {
                    let at = self.numbers.get(&number).copied().or(self.only);
                    at.map_or(PortTarget::Unclear(number), PortTarget::At)
                }
            },
        }
    }

    /// Whether a container serves no callers at the port that a Service asks for.
    pub(super) fn is_aside(&self, at: usize, port: &Value) -> bool {
        let Some(Some(metrics)) = self.for_callers.get(at) else {
            return true;
        };
        let number = target_port(port).as_i64();
        number.is_some_and(|number| metrics.contains(&number))
    }
}

/// What a Service's port asks a pod for: a number or a name.
fn target_port(port: &Value) -> &Value {
    match &port["targetPort"] {
        Value::Null => &port["port"],
        target => target,
    }
}
