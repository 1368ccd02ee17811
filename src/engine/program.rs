//! What runs in the containers of a pod, the script or the helper binary, and whether a start hook may run it.
//!
//! A start hook that cannot run kills its container again and again (law 14), and two things that are not in the
//! manifest can make it so: what the image holds, and the node. So there is one only where the author's word, or something
//! without which the container could not run, vouches for both.

use super::ask::Ask;
use super::json;
use super::kind::Kind;
use super::nodes;
use super::plan::{Pod, Target};
use super::tree::Node;
use crate::deregister::{self, Arch};
use crate::policy::{ExistingPreStop, Hook, Policy};

/// What runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Program {
    /// The script, which needs `/bin/sh`.
    #[default]
    Script,
    /// The helper binary, which needs nodes of its architecture.
    Helper,
}

/// What is known of the architecture of a pod's nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Nodes {
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
pub(super) struct Chosen {
    /// What runs.
    pub(super) program: Program,
    /// Where its nodes are known.
    pub(super) nodes: Nodes,
    /// Why the helper was no choice, where something other than the nodes spoke against it.
    no_helper: Option<&'static str>,
    hook: Option<Hook>,
}

/// Why a container gets no start hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing shows that its image has a shell, and nothing says that it needs none.
    Shell,
    /// The helper was chosen by what is known today, the nodes or the image, and nobody said that it runs.
    Helper,
    /// The helper was asked for, and nothing pins the architecture of the nodes.
    Nodes,
    /// The helper's ConfigMap is not there yet, and the Pod starts at once.
    ConfigMap,
}

/// Chooses for the containers that serve traffic.
pub(super) fn choose(pod: &Pod<'_, '_>, targets: &[&Node<'_>]) -> Chosen {
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
        Hook::Auto => helper.is_err() || targets.iter().all(|one| shows_shell(one)),
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

impl Chosen {
    /// Whether a start hook may run in a container.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn may_start(&self, target: &Target<'_, '_>) -> Result<(), Doubt> {
        let ask: &Ask<'_> = target.pod.ask;
        match (self.program, self.hook) {
            (Program::Script, _) if self.shell_is_a_guess(target) => Err(Doubt::Shell),
            (Program::Script, _) => Ok(()),
            (Program::Helper, Some(Hook::Binary)) => match self.nodes {
                Nodes::Cluster(_) | Nodes::Unknown => Err(Doubt::Nodes),
                _ if ask.kind == Kind::Pod && !ask.helper_stands => Err(Doubt::ConfigMap),
                _ => Ok(()),
            },
            (Program::Helper, _) => Err(Doubt::Helper),
        }
    }

    /// Whether the script runs, and nothing vouches for a shell in the container.
    pub(super) fn shell_is_a_guess(&self, target: &Target<'_, '_>) -> bool {
        self.program == Program::Script
            && self.hook != Some(Hook::Script)
            && !shows_shell(target.container)
    }

    /// What an author can do about a shell that is a guess, besides saying that there is one.
    pub(super) fn other_way(&self) -> &'static str {
        self.no_helper.unwrap_or_default()
    }
}

fn of_nodes(pod: &Pod<'_, '_>) -> Nodes {
    let cluster = pod.ask.settings.node_arch.map(Nodes::Cluster);
    let said = pod.policy.hook_arch.and_then(Arch::parse).map(Nodes::Said);
    match nodes::arch(pod.user.pod()) {
        nodes::Arch::One(name) => Nodes::Manifest(name),
        nodes::Arch::Any => said.or(cluster).unwrap_or_default(),
        // What is said of all nodes does not hold where the pod itself asks for several kinds.
        nodes::Arch::Several => cluster.unwrap_or_default(),
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

/// Whether the container shows that its image has a shell at `/bin/sh`: by something that runs one and without which it
/// would not run or not be ready, so that its author would know. A preStop or a liveness probe of a program that is not
/// there is an event, and is copied from one manifest to the next for years.
pub(super) fn shows_shell(container: &Node<'_>) -> bool {
    let words = |text: Option<&str>| -> Vec<String> {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    };
    let command = words(container.json("command"));
    let args = words(container.json("args"));
    let starts = if command.is_empty() {
        // The image's own entry point runs them or takes them as arguments: only the first can be a program.
        runs_shell(args.get(..1).unwrap_or_default())
    } else {
        runs_shell(&[command, args].concat())
    };
    let exec = |handler: Option<&str>| handler.is_some_and(hook_runs_shell);
    starts
        || exec(container.json("readinessProbe"))
        || exec(container.json("startupProbe"))
        || exec(
            container
                .get("lifecycle")
                .and_then(|all| all.json("postStart")),
        )
}

/// Whether a hook or probe runs a shell.
pub(super) fn hook_runs_shell(handler: &str) -> bool {
    handler.contains("exec") && {
        let command = &json::value(handler)["exec"]["command"];
        let words = command.as_array().into_iter().flatten();
        let words: Vec<_> = words.filter_map(|word| word.as_str()).collect();
        runs_shell(&words)
    }
}

/// Whether a command is a shell, or has one run: `tini -- sh -c …`, `env A=b /bin/sh -ec …`.
fn runs_shell(words: &[impl AsRef<str>]) -> bool {
    let word = |at: usize| words.get(at).map(AsRef::as_ref);
    (0..words.len()).any(|at| {
        let given = word(at + 1).is_some_and(|next| {
            let letters = next.strip_prefix('-').unwrap_or_default();
            letters.ends_with('c') && letters.bytes().all(|b| b.is_ascii_lowercase())
        });
        // `busybox sh`: the applet is where busybox is.
        let applet = at.checked_sub(1).and_then(word).filter(|before| {
            let (_, name) = split(before);
            name == "busybox" && matches!(word(at), Some("sh" | "ash"))
        });
        let first = at == 0 || (at == 1 && applet.is_some());
        let (folder, name) = split(applet.or(word(at)).unwrap_or_default());
        let shell = applet.is_some() || matches!(name, "sh" | "bash" | "ash" | "dash");
        (first || given) && shell && matches!(folder, "" | "/bin" | "/usr/bin")
    })
}

/// Folder and name of a program; no folder where it is looked for.
fn split(program: &str) -> (&str, &str) {
    program.rsplit_once('/').unwrap_or(("", program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tree::Tree;
    use crate::engine::view::Spec;
    use serde_json::{Value, json};

    fn shown(container: &Value) -> bool {
        let text = json!({"template": {"spec": {"containers": [container]}}}).to_string();
        let spec: Spec<'_> = serde_json::from_str(&text).unwrap();
        let tree = Tree::read(Kind::Deployment, &spec).unwrap();
        shows_shell(&tree.containers()[0])
    }

    #[test]
    fn a_command_runs_a_shell_where_a_shell_is_its_program() {
        for (words, runs) in [
            (&["sh"][..], true),
            (&["/bin/sh", "-c", "exec java"], true),
            (&["/usr/bin/bash", "run"], true),
            (&["ash", "-c", "x"], true),
            (&["/bin/dash", "x"], true),
            (&["busybox", "sh", "-c", "x"], true),
            (&["/bin/busybox", "ash"], true),
            (&["/usr/bin/tini", "--", "/bin/sh", "-c", "x"], true),
            (&["env", "A=b", "bash", "-ec", "x"], true),
            // Not at /bin/sh: distroless images for debugging, Nix.
            (&["/busybox/sh", "-c", "x"], false),
            (&["/busybox/busybox", "sh", "-c", "x"], false),
            (&["/nix/store/abc/bin/bash", "-c", "x"], false),
            // No shell, or not run.
            (&["/app/sh.d/server"], false),
            (&["java", "-jar", "sh"], false),
            (&["/server", "--shell", "/bin/sh"], false),
            (&["/server", "sh", "--colour"], false),
            (&["busybox", "httpd"], false),
            (&["/app/start.sh"], false),
            (&["fish", "-c", "x"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(runs_shell(words), runs, "{words:?}");
        }
    }

    #[test]
    fn a_shell_is_shown_by_what_the_container_could_not_run_without() {
        let sh = json!({"exec": {"command": ["/bin/sh", "-c", "true"]}});
        for (container, shows) in [
            (json!({"command": ["/bin/sh", "-c", "x"]}), true),
            (
                json!({"command": ["tini", "--"], "args": ["sh", "-c", "x"]}),
                true,
            ),
            (json!({"args": ["sh", "-c", "x"]}), true),
            (json!({"lifecycle": {"postStart": sh}}), true),
            (json!({"readinessProbe": sh}), true),
            (json!({"startupProbe": sh}), true),
            // Where the program of these is missing, it is an event, and the container runs on.
            (json!({"lifecycle": {"preStop": sh}}), false),
            (json!({"livenessProbe": sh}), false),
            // Arguments of a program that the image names.
            (json!({"args": ["run", "sh", "-c", "x"]}), false),
            (json!({"command": ["/app"], "args": ["sh"]}), false),
            (
                json!({"readinessProbe": {"httpGet": {"path": "/sh", "port": 80}}}),
                false,
            ),
            (
                json!({"env": [{"name": "SHELL", "value": "/bin/sh"}]}),
                false,
            ),
            (
                json!({"command": "sh", "args": [1], "readinessProbe": []}),
                false,
            ),
            (json!({}), false),
        ] {
            let mut container = container;
            container["name"] = "web".into();
            assert_eq!(shown(&container), shows, "{container}");
        }
    }
}
