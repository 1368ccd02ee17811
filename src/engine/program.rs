//! What runs in the containers of a pod, the script or the helper binary, and whether a start hook may run it.
//!
//! A start hook that cannot run kills its container again and again (law 14), and two things that are not in the
//! manifest can make it so: what the image holds, and the node. So there is one only where the author's word, or something
//! without which the container could not run, vouches for both.

use super::ask::Ask;
use super::chain::When;
use super::json;
use super::kind::Kind;
use super::nodes;
use super::plan::{Pod, Target};
use super::tree::Node;
use crate::deregister::{self, Arch};
use crate::policy::{ExistingPreStop, Hook, Policy};

/// The shells that run the script: by the path that it needs anywhere, and by the words that a manifest may have the image's own
/// `PATH` look for.
pub(super) const SHELLS: [&str; 5] = [SHELL, "sh", "bash", "ash", "dash"];
const SHELL: &str = "/bin/sh";

/// What runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Program {
    /// The script, which needs a shell.
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
    /// The helper is for nodes of another architecture than the cluster's.
    OtherNodes,
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
        Hook::Auto => helper.is_err() || targets.iter().all(|one| shown_shell(one).is_some()),
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
    pub(super) fn misses(&self, ask: &Ask<'_>) -> Option<(Arch, Arch)> {
        match (&self.nodes, ask.settings.node_arch) {
            (Nodes::Said(said), Some(all)) if *said != all => Some((*said, all)),
            _ => None,
        }
    }

    /// Whether the script runs, and nothing vouches for a shell in the container.
    pub(super) fn shell_is_a_guess(&self, target: &Target<'_, '_>) -> bool {
        self.program == Program::Script
            && self.hook != Some(Hook::Script)
            && shown_shell(target.container).is_none()
    }

    /// The shell that runs the script in a container, of `SHELLS`: the one that it shows.
    pub(super) fn shell(target: &Target<'_, '_>, when: When) -> &'static str {
        // Its author's own stop hook shows nothing that a start could rely on, but what it runs, ours can.
        let stop = || target.hook("preStop").and_then(hook_shell);
        shown_shell(target.container)
            .or_else(|| (when == When::Stop).then(stop).flatten())
            .unwrap_or(SHELL)
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

/// The shell that the container shows that its image has, of `SHELLS`: by something that runs one and without which it
/// would not run or not be ready, so that its author would know. A preStop or a liveness probe of a program that is not
/// there is an event, and is copied from one manifest to the next for years.
///
/// A bare word shows no more than that word: in images for debugging it is found in `/busybox`, and `/bin/sh` is not there.
fn shown_shell(container: &Node<'_>) -> Option<&'static str> {
    let words = |name: &str| -> Vec<String> {
        let text = container.json(name);
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    };
    let command = words("command");
    // Without a command, args are what the image's own entry point makes of them.
    let starts = (!command.is_empty()).then(|| shell_of(&[command, words("args")].concat()));
    let start = container.get("lifecycle");
    let start = start.and_then(|all| all.json("postStart"));
    let probes = ["readinessProbe", "startupProbe"].map(|name| container.json(name));
    let handlers = probes.into_iter().chain([start]).flatten();
    surest(
        starts
            .flatten()
            .into_iter()
            .chain(handlers.filter_map(hook_shell)),
    )
}

/// Whether a hook or probe runs a shell.
pub(super) fn hook_runs_shell(handler: &str) -> bool {
    hook_shell(handler).is_some()
}

fn hook_shell(handler: &str) -> Option<&'static str> {
    if !handler.contains("exec") {
        return None;
    }
    let command = &json::value(handler)["exec"]["command"];
    let words = command.as_array().into_iter().flatten();
    let words: Vec<_> = words.filter_map(|word| word.as_str()).collect();
    shell_of(&words)
}

/// The path, where it is shown; else the first word.
fn surest(shells: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    shells.reduce(|first, other| if other == SHELL { other } else { first })
}

/// The shell that a command is, or has run: `tini -- sh -c …`, `env A=b /bin/sh -ec …`.
fn shell_of(words: &[impl AsRef<str>]) -> Option<&'static str> {
    let word = |at: usize| words.get(at).map(AsRef::as_ref);
    // Behind these another `PATH` is looked through, or other files.
    let elsewhere = |at: usize| {
        let mut before = words.iter().take(at).map(AsRef::as_ref);
        before.any(|word| {
            word.starts_with("PATH=")
                || matches!(
                    split(word).1,
                    "chroot" | "-" | "-i" | "--ignore-environment"
                )
        })
    };
    surest((0..words.len()).filter_map(|at| {
        let given = word(at + 1).is_some_and(|next| {
            let letters = next.strip_prefix('-').unwrap_or_default();
            letters.ends_with('c') && letters.bytes().all(|b| b.is_ascii_lowercase())
        });
        // `/bin/busybox sh`: the applet is where busybox is.
        let applet = at.checked_sub(1).and_then(word).filter(|before| {
            let (_, name) = split(before);
            name == "busybox" && matches!(word(at), Some("sh" | "ash"))
        });
        let first = at == 0 || (at == 1 && applet.is_some());
        let (folder, name) = split(applet.or(word(at)).unwrap_or_default());
        let known = SHELLS.iter().find(|shell| **shell == name);
        match (folder, applet.or(known.copied())) {
            _ if !(first || given) => None,
            ("/bin" | "/usr/bin", Some(_)) => Some(SHELL),
            ("", Some(_)) if applet.is_none() && !elsewhere(at) => known.copied(),
            _ => None,
        }
    }))
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

    fn shown(container: &Value) -> Option<&'static str> {
        let text = json!({"template": {"spec": {"containers": [container]}}}).to_string();
        let spec: Spec<'_> = serde_json::from_str(&text).unwrap();
        let tree = Tree::read(Kind::Deployment, &spec).unwrap();
        shown_shell(&tree.containers()[0])
    }

    const PATH: Option<&str> = Some("/bin/sh");

    #[test]
    fn a_command_runs_a_shell_where_a_shell_is_its_program_and_a_bare_word_is_no_path() {
        for (words, runs) in [
            (&["/bin/sh", "-c", "exec java"][..], PATH),
            (&["/usr/bin/bash", "run"], PATH),
            (&["/bin/dash", "x"], PATH),
            (&["/bin/busybox", "ash"], PATH),
            (&["/usr/bin/tini", "--", "/bin/sh", "-c", "x"], PATH),
            (&["sh", "-c", "exec /bin/bash -c x"], Some("sh")),
            (&["bash", "-c", "/bin/sh", "-c", "x"], PATH),
            // As the image's PATH has it: distroless images for debugging have no /bin/sh.
            (&["sh"], Some("sh")),
            (&["ash", "-c", "x"], Some("ash")),
            (&["dash", "/run"], Some("dash")),
            (&["tini", "--", "sh", "-c", "x"], Some("sh")),
            (&["env", "A=b", "bash", "-ec", "x"], Some("bash")),
            (&["env", "PATH=/busybox", "sh", "-c", "x"], None),
            (&["env", "-i", "sh", "-c", "x"], None),
            (&["env", "-i", "/bin/sh", "-c", "x"], PATH),
            (&["busybox", "sh", "-c", "x"], None),
            // Not at /bin/sh: distroless images for debugging, Nix.
            (&["/busybox/sh", "-c", "x"], None),
            (&["/busybox/busybox", "sh", "-c", "x"], None),
            (&["/nix/store/abc/bin/bash", "-c", "x"], None),
            // No shell, or not run.
            (&["/app/sh.d/server"], None),
            (&["java", "-jar", "sh"], None),
            (&["/server", "--shell", "/bin/sh"], None),
            (&["/server", "sh", "--colour"], None),
            (&["busybox", "httpd"], None),
            (&["/app/start.sh"], None),
            (&["fish", "-c", "x"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(shell_of(words), runs, "{words:?}");
        }
    }

    #[test]
    fn a_shell_is_shown_by_what_the_container_could_not_run_without() {
        let exec = |shell: &str| json!({"exec": {"command": [shell, "-c", "true"]}});
        let (sh, bare) = (exec("/bin/sh"), exec("sh"));
        for (container, shows) in [
            (json!({"command": ["/bin/sh", "-c", "x"]}), PATH),
            (
                json!({"command": ["tini", "--"], "args": ["/bin/sh", "-c", "x"]}),
                PATH,
            ),
            (json!({"lifecycle": {"postStart": sh}}), PATH),
            (json!({"readinessProbe": sh}), PATH),
            (json!({"startupProbe": sh}), PATH),
            (json!({"startupProbe": bare}), Some("sh")),
            (json!({"lifecycle": {"postStart": bare}}), Some("sh")),
            // The path is the surer one, whatever else is run.
            (json!({"command": ["bash"], "readinessProbe": sh}), PATH),
            (
                json!({"command": ["bash"], "readinessProbe": bare}),
                Some("bash"),
            ),
            // Where the program of these is missing, it is an event, and the container runs on.
            (json!({"lifecycle": {"preStop": sh}}), None),
            (json!({"livenessProbe": sh}), None),
            // What the image's own entry point makes of them, nobody knows.
            (json!({"args": ["sh", "-c", "x"]}), None),
            (json!({"args": ["/bin/sh", "-c", "x"]}), None),
            (json!({"args": ["bash"], "command": []}), None),
            (json!({"command": ["/app"], "args": ["sh"]}), None),
            (
                json!({"readinessProbe": {"httpGet": {"path": "/sh", "port": 80}}}),
                None,
            ),
            (
                json!({"env": [{"name": "SHELL", "value": "/bin/sh"}]}),
                None,
            ),
            (
                json!({"command": "sh", "args": [1], "readinessProbe": []}),
                None,
            ),
            (json!({}), None),
        ] {
            let mut container = container;
            container["name"] = "web".into();
            assert_eq!(shown(&container), shows, "{container}");
        }
    }
}
