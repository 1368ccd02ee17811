//! Which program the containers of a pod run, as policy, nodes and images allow.

use super::nodes;
use super::program::{Chosen, Nodes, Program};
use super::shell;
use super::wants::Pod;
use crate::deregister::{self, Arch};
use crate::policy::{ExistingPreStop, Hook, Policy};
use crate::slots::json;
use crate::slots::tree::Node;

/// Chooses for the containers that serve traffic.
pub(crate) fn choose(pod: &Pod<'_, '_>, targets: &[&Node<'_>]) -> Chosen {
    let policy = pod.policy;
    let nodes = of_nodes(pod);
    let tls = deregister::needs_tls(policy) || targets.iter().any(|one| calls_tls(policy, one));
    let helper = match &nodes {
        Nodes::Manifest(name) if Arch::parse(name).is_none() => {
            Err("there is no helper binary for its nodes")
        }
        _ if tls => Err("the helper binary speaks no TLS"),
        Nodes::Unknown => Err("else say silkroll.dev/hook-arch"),
        _ => Ok(()),
    };
    let script = match policy.hook {
        Hook::Script => true,
        Hook::Binary => false,
        Hook::Auto => helper.is_err() || targets.iter().all(|one| shell::shown(one).is_some()),
    };
    let program = if script {
        Program::Script
    } else {
        Program::Helper
    };
    Chosen {
        program,
        nodes,
        no_helper: helper.err(),
        hook: Some(policy.hook),
    }
}

fn of_nodes(pod: &Pod<'_, '_>) -> Nodes {
    let cluster = pod.ask.settings.node_arch.map(Nodes::Cluster);
    let said = pod.policy.hook_arch.and_then(Arch::parse).map(Nodes::Said);
    match nodes::arch(pod.user.pod()) {
        nodes::PinnedArch::One(name) => Nodes::Manifest(name),
        nodes::PinnedArch::Any => said.or(cluster).unwrap_or_default(),
        // What is said of all nodes does not hold where the pod itself asks for several kinds.
        nodes::PinnedArch::Several => cluster.unwrap_or_default(),
    }
}

/// Whether a hook of the user's that would run in ours calls over https.
fn calls_tls(policy: &Policy<'_>, container: &Node<'_>) -> bool {
    let Some(lifecycle) = container.get("lifecycle") else {
        return false;
    };
    let pre_stop = (policy.existing_pre_stop == ExistingPreStop::Chain).then_some("preStop");
    let hooks = pre_stop.into_iter().chain(["postStart"]);
    hooks
        .filter_map(|name| lifecycle.json(name))
        .filter(|hook| hook.contains("httpGet"))
        .any(|hook| {
            let scheme = &json::value(hook)["httpGet"]["scheme"];
            scheme
                .as_str()
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
        })
}
