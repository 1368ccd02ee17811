//! Which containers serve traffic.

use std::borrow::Cow;

use crate::deregister::DeclaredPort;
use crate::plan::ask::Stop;
use crate::plan::report::Reason;
use crate::plan::wants::{Plan, Pod};
use crate::policy::{self, Policy, quoted};
use crate::slots::record::MOST_CONTAINERS;
use crate::slots::tree::{Node, Tree};
use crate::slots::view::Text;

/// `kubectl logs` and `kubectl exec` take their default container from it.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Positions of the containers that serve traffic, and how they were found.
///
/// `before` are those of the record: they stay, whatever another webhook has added since.
pub(super) fn choose(
    policy: &Policy<'_>,
    tree: &Tree<'_>,
    before: &[String],
) -> Result<(Vec<usize>, &'static str), Stop> {
    let all = &tree.names;
    let position = |name: &str| all.iter().position(|known| known == name);
    if all.is_empty() {
        return Err(Stop::skip(
            Reason::NoContainer,
            "nothing was injected: the pod template has no containers".to_owned(),
        ));
    }
    if let Some(name) = repeated(all) {
        // The API server decodes it before it asks, and refuses it afterwards: a record could not tell the two apart.
        return Err(Stop::skip(
            Reason::NoContainer,
            format!(
                "nothing was injected: two containers are named {}, which is refused; rename one",
                quoted(name, 63)
            ),
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
                        list_of(all)
                    ),
                )));
            };
            if !chosen.contains(&at) {
                chosen.push(at);
            }
        }
        chosen.sort_unstable();
        if chosen.len() > MOST_CONTAINERS {
            return Err(Stop::skip(
                Reason::NoContainer,
                format!(
                    "nothing was injected: silkroll.dev/container names {} containers, at most {MOST_CONTAINERS} are served",
                    chosen.len()
                ),
            ));
        }
        return Ok((chosen, "named by silkroll.dev/container"));
    }
    if all.len() == 1 {
        return Ok((vec![0], "the only container"));
    }
    let mut chosen: Vec<usize> = before.iter().filter_map(|name| position(name)).collect();
    if !chosen.is_empty() {
        chosen.sort_unstable();
        chosen.dedup();
        return Ok((chosen, "injected before"));
    }
    let annotations = tree.meta().get("annotations").unwrap_or(&Node::Gone);
    if let Some(name) = annotations.json(DEFAULT_CONTAINER)
        && let Ok(Text(name)) = serde_json::from_str::<Text<'_>>(name)
        && let Some(at) = position(&name)
    {
        return Ok((vec![at], "named by kubectl.kubernetes.io/default-container"));
    }
    let apps: Vec<_> = all
        .iter()
        .zip(tree.containers())
        .enumerate()
        .filter(|(_, (name, _))| !SIDECARS.contains(&&***name))
        .collect();
    if let [(at, _)] = apps[..] {
        return Ok((vec![at], "the only container beside known sidecars"));
    }
    let mut with_ports = apps
        .iter()
        .filter(|(_, (_, container))| !tcp_ports(container.json("ports")).is_empty());
    match (with_ports.next(), with_ports.next()) {
        (Some((at, _)), None) => Ok((vec![*at], "the only container that declares ports")),
        _ => Err(Stop::skip(
            Reason::NoContainer,
            format!(
                "nothing was injected: which of the containers {} serves traffic? Set silkroll.dev/container",
                list_of(all)
            ),
        )),
    }
}

/// A name that comes twice.
fn repeated<'n>(all: &'n [Cow<'_, str>]) -> Option<&'n str> {
    let mut names: Vec<&str> = all.iter().map(|name| &**name).collect();
    names.sort_unstable();
    names
        .windows(2)
        .find(|two| two[0] == two[1])
        .map(|two| two[0])
}

/// What the webhooks of meshes and the like put beside the application, by the names that they give it. Most of them are called
/// before ours, so that at level `pod` they are there: Linkerd's even as the first container.
const SIDECARS: [&str; 6] = [
    "istio-proxy",
    "linkerd-proxy",
    "kuma-sidecar",
    "consul-dataplane",
    "daprd",
    "vault-agent",
];

/// Those of them that have a stop of their own.
const MESH: [&str; 2] = ["istio-proxy", "linkerd-proxy"];

/// Warns of the first container besides the chosen ones that looks as if it served traffic and would end at once. Who named them
/// knows, and a hook of its own is an answer.
pub(super) fn warn_of_others(plan: &mut Plan<'_>, pod: &Pod<'_, '_>, chosen: &[usize]) {
    if pod.policy.containers.is_some() || !plan.budget.hooks {
        return;
    }
    let tree = pod.user;
    let has_hook = |container: &Node<'_>| {
        let lifecycle = container.get("lifecycle");
        lifecycle.is_some_and(|all| all.json("preStop").is_some())
    };
    let others = tree.names.iter().zip(tree.containers()).enumerate();
    let other = others
        .filter(|(at, (name, _))| !chosen.contains(at) && !MESH.contains(&&***name))
        .find_map(|(_, (name, container))| {
            let ports = tcp_ports(container.json("ports"));
            let port = ports.iter().find(|port| !port.is_aside())?.number;
            (!has_hook(container)).then_some((name, port))
        });
    let served = chosen.first().and_then(|at| tree.names.get(*at));
    if let (Some((other, port)), Some(served)) = (other, served) {
        let (other, served) = (policy::cut(other, 40), policy::cut(served, 40));
        plan.warn(format!(
            "container {other}: it declares port {port} and gets no hook, so it stops at once while {served} waits; name both in \
             silkroll.dev/container, or only {served} if it serves no callers"
        ));
    }
}

fn list_of(all: &[Cow<'_, str>]) -> String {
    /// More would push the rest out of a kubectl warning.
    const SHOWN: usize = 4;
    let names: Vec<_> = all
        .iter()
        .take(SHOWN)
        .map(|name| crate::policy::cut(name, 30))
        .collect();
    let more = if all.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// The TCP ports that a container declares, in their order; what the API would refuse is left out.
pub(super) fn tcp_ports(text: Option<&str>) -> Vec<DeclaredPort<'_>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RawPort<'a> {
        #[serde(borrow, default)]
        name: Option<Text<'a>>,
        container_port: i64,
        #[serde(borrow, default)]
        protocol: Option<Text<'a>>,
    }
    let Some(text) = text else {
        return Vec::new();
    };
    let ports: Option<Vec<RawPort<'_>>> = serde_json::from_str(text).unwrap_or_default();
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
