//! The shell that a container shows that its image has.

use crate::slots::json;
use crate::slots::tree::Node;

/// The shells that run the script: by the path that it needs anywhere, and by the words that a manifest may have the image's own
/// `PATH` look for.
pub(crate) const SHELLS: [&str; 5] = [SHELL, "sh", "bash", "ash", "dash"];
/// What is run where no other is shown.
pub(crate) const SHELL: &str = "/bin/sh";

/// The shell that the container shows that its image has, of `SHELLS`: by something that runs one and without which it
/// would not run or not be ready, so that its author would know. A preStop or a liveness probe of a program that is not
/// there is an event, and is copied from one manifest to the next for years.
///
/// A bare word shows no more than that word: in images for debugging it is found in `/busybox`, and `/bin/sh` is not there.
pub(crate) fn shown(container: &Node<'_>) -> Option<&'static str> {
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
            .chain(handlers.filter_map(of_hook)),
    )
}

/// The shell that a hook or probe runs.
pub(crate) fn of_hook(handler: &str) -> Option<&'static str> {
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
        // `/bin/busybox sh` is what images say that have no shell of their own.
        let before = at.checked_sub(1).and_then(word).unwrap_or_default();
        let applet = split(before).1 == "busybox";
        let (folder, name) = split(word(at).unwrap_or_default());
        let known = SHELLS.iter().find(|shell| **shell == name);
        match (folder, known) {
            _ if applet || !(at == 0 || given) => None,
            ("/bin" | "/usr/bin", Some(_)) => Some(SHELL),
            ("", Some(_)) if !elsewhere(at) => known.copied(),
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
    use crate::slots::kind::Kind;
    use crate::slots::tree::Tree;
    use crate::slots::view::Spec;
    use serde_json::{Value, json};

    fn shown(container: &Value) -> Option<&'static str> {
        let text = json!({"template": {"spec": {"containers": [container]}}}).to_string();
        let spec: Spec<'_> = serde_json::from_str(&text).unwrap();
        let tree = Tree::read(Kind::Deployment, &spec).unwrap();
        super::shown(&tree.containers()[0])
    }

    const PATH: Option<&str> = Some("/bin/sh");

    #[test]
    fn a_command_runs_a_shell_where_a_shell_is_its_program_and_a_bare_word_is_no_path() {
        for (words, runs) in [
            (&["/bin/sh", "-c", "exec java"][..], PATH),
            (&["/usr/bin/bash", "run"], PATH),
            (&["/bin/dash", "x"], PATH),
            (&["/bin/busybox", "ash"], None),
            (&["/bin/busybox", "sh", "-c", "x"], None),
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
