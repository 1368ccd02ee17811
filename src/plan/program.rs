//! What runs in the containers of a pod, the script or the helper binary, and whether a start hook may run it.
//!
//! A start hook that cannot run kills its container again and again (law 14), and two things that are not in the
//! manifest can make it so: what the image holds, and the node. So there is one only where the author's word, or something
//! without which the container could not run, vouches for both.

use super::ask::Ask;
use super::shell;
use crate::deregister::Arch;
use crate::policy::Hook;
use crate::slots::kind::Kind;
use crate::slots::tree::Node;

/// What runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Program {
    /// The script, which needs a shell.
    #[default]
    Script,
    /// The helper binary, which needs nodes of its architecture.
    Helper,
}

/// What is known of the architecture of a pod's nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// The pod's manifest lets it land on these alone.
    Manifest(String),
    /// `hook-arch` says so.
    Said(Arch),
    /// All nodes of the cluster are of it, today.
    Cluster(Arch),
    /// Nothing.
    #[default]
    Unknown,
}

/// The choice for one pod: its containers share the volume that the program comes from.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// What runs.
    pub(crate) program: Program,
    /// Where its nodes are known.
    pub(crate) nodes: Nodes,
    /// Why the helper was no choice, where something other than the nodes spoke against it.
    pub(crate) no_helper: Option<&'static str>,
    /// What the author asked for.
    pub(crate) hook: Option<Hook>,
}

/// Why a container gets no start hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing shows that its image has a shell, and nothing says that it needs none.
    Shell,
    /// The helper was chosen by what is known today, the nodes or the image, and nobody said that it runs.
    Helper,
    /// The helper was asked for, and nothing pins the architecture of the nodes.
    Nodes,
    /// The helper is for nodes of another architecture than the cluster's.
    OtherNodes,
    /// The helper's ConfigMap is not there yet, and the Pod starts at once.
    ConfigMap,
}

impl Chosen {
    /// Whether a start hook may run in a container.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_start(&self, ask: &Ask<'_>, container: &Node<'_>) -> Result<(), Doubt> {
        match (self.program, self.hook) {
            (Program::Script, _) if self.shell_is_a_guess(container) => Err(Doubt::Shell),
            (Program::Script, _) => Ok(()),
            (Program::Helper, _) if self.misses(ask).is_some() => Err(Doubt::OtherNodes),
            (Program::Helper, Some(Hook::Binary)) => match self.nodes {
                Nodes::Cluster(_) | Nodes::Unknown => Err(Doubt::Nodes),
                _ if ask.kind == Kind::Pod && !ask.helper_stands => Err(Doubt::ConfigMap),
                _ => Ok(()),
            },
            (Program::Helper, _) => Err(Doubt::Helper),
        }
    }

    /// What `hook-arch` says, and the architecture that all nodes of the cluster have instead.
    pub(crate) fn misses(&self, ask: &Ask<'_>) -> Option<(Arch, Arch)> {
        match (&self.nodes, ask.settings.node_arch) {
            (Nodes::Said(said), Some(all)) if *said != all => Some((*said, all)),
            _ => None,
        }
    }

    /// Whether the script runs, and nothing vouches for a shell in the container.
    pub(crate) fn shell_is_a_guess(&self, container: &Node<'_>) -> bool {
        self.program == Program::Script
            && self.hook != Some(Hook::Script)
            && shell::shown(container).is_none()
    }

    /// What an author can do about a shell that is a guess, besides saying that there is one.
    pub(crate) fn other_way(&self) -> &'static str {
        self.no_helper.unwrap_or_default()
    }
}
