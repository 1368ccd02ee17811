//! Which containers serve traffic.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Stop;
use super::report::Reason;
use super::view::{Container, Template, Text, member};
use crate::leave::DeclaredPort;
use crate::policy::{Policy, quoted};

/// `kubectl logs` and `kubectl exec` take their default container from it.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Positions of the containers that serve traffic, and how they were found.
pub(super) fn choose(
    policy: &Policy<'_>,
    template: &Template<'_>,
) -> Result<(Vec<usize>, &'static str), Stop> {
    let containers = &template.spec.containers;
    let position = |name: &str| containers.iter().position(|c| c.name == name);
    if containers.is_empty() {
        return Err(Stop::skip(
            Reason::NoContainer,
            "nothing was injected: the pod template has no containers".to_owned(),
        ));
    }
    if let Some((names, found)) = &policy.containers {
        let mut chosen = Vec::new();
        for name in names {
            let Some(at) = position(name) else {
                return Err(Stop::Problem(policy.misfit(
                    "container",
                    found,
                    format!(
                        "there is no container {}; the pod has {}",
                        quoted(name, 63),
                        names_of(containers)
                    ),
                )));
            };
            if !chosen.contains(&at) {
                chosen.push(at);
            }
        }
        chosen.sort_unstable();
        return Ok((chosen, "named by silkroll.dev/container"));
    }
    if containers.len() == 1 {
        return Ok((vec![0], "the only container"));
    }
    let others = &template.metadata.annotations.others;
    if let Some(name) = member(others, DEFAULT_CONTAINER)
        && let Ok(Text(name)) = serde_json::from_str::<Text<'_>>(name.get())
        && let Some(at) = position(&name)
    {
        return Ok((vec![at], "named by kubectl.kubernetes.io/default-container"));
    }
    let mut with_ports = containers
        .iter()
        .enumerate()
        .filter(|(_, container)| !tcp_ports(container.ports).is_empty());
    match (with_ports.next(), with_ports.next()) {
        (Some((at, _)), None) => Ok((vec![at], "the only container that declares ports")),
        _ => Err(Stop::skip(
            Reason::NoContainer,
            format!(
                "nothing was injected: which of the containers {} serves traffic? Set silkroll.dev/container",
                names_of(containers)
            ),
        )),
    }
}

fn names_of(containers: &[Container<'_>]) -> String {
    /// More would push the rest out of a kubectl warning.
    const SHOWN: usize = 4;
    let names: Vec<_> = containers
        .iter()
        .take(SHOWN)
        .map(|container| crate::policy::cut(&container.name, 30))
        .collect();
    let more = if containers.len() > SHOWN {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", names.join(", "))
}

/// The TCP ports that a container declares, in their order; what the API would refuse is left out.
pub(super) fn tcp_ports(raw: Option<&RawValue>) -> Vec<DeclaredPort<'_>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RawPort<'a> {
        #[serde(borrow, default)]
        name: Option<Text<'a>>,
        container_port: i64,
        #[serde(borrow, default)]
        protocol: Option<Text<'a>>,
    }
    let Some(raw) = raw else {
        return Vec::new();
    };
    let ports: Option<Vec<RawPort<'_>>> = serde_json::from_str(raw.get()).unwrap_or_default();
    ports
        .unwrap_or_default()
        .into_iter()
        .filter(|port| port.protocol.as_ref().is_none_or(|text| text.0 == "TCP"))
        .filter_map(|port| {
            Some(DeclaredPort {
                name: port
                    .name
                    .map(|Text(name)| name)
                    .filter(|name: &Cow<'_, str>| !name.is_empty()),
                number: u16::try_from(port.container_port)
                    .ok()
                    .filter(|number| *number > 0)?,
            })
        })
        .collect()
}
