//! `hook: auto`, `script`, `binary`: what runs in the container, whether a start hook does, and what its author is told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod support;

use serde_json::{Value, json};
use silkroll::deregister::{Arch, Helper, Script};
use silkroll::engine::{Decision, Outcome, Settings};
use support::{Pairs, create, deployment, opted_in, update};

const ARCH: &str = "kubernetes.io/arch";

/// What stands in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// The native sleep.
    Sleep,
    Script,
    Helper(Arch),
}
use Runs::{Helper as Binary, Script as Shell, Sleep};

const AMD: Runs = Binary(Arch::Amd64);
const ARM: Runs = Binary(Arch::Arm64);

fn pod(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]
}

fn runs(object: &Value) -> Runs {
    let spec = &object["spec"]["template"]["spec"];
    let stop = &spec["containers"][0]["lifecycle"]["preStop"];
    let volume = &spec["volumes"][0]["configMap"];
    match stop["exec"]["command"][0].as_str() {
        None => {
            assert!(stop["sleep"].is_object() && volume.is_null(), "{spec}");
            Sleep
        }
        Some("/silkroll/hook") => {
            assert_eq!(volume["name"], Helper::current().config_map);
            let key = &volume["items"][0]["key"];
            let arch = Arch::ALL.into_iter().find(|arch| *key == arch.key());
            Binary(arch.unwrap())
        }
        other => {
            assert!(
                matches!(other, Some("/bin/sh" | "sh" | "bash")),
                "{other:?}"
            );
            assert_eq!(volume["name"], Script::current().config_map);
            Shell
        }
    }
}

fn starts(object: &Value) -> bool {
    let spec = &object["spec"]["template"]["spec"];
    let containers = spec["containers"].as_array().unwrap();
    let start = |container: &Value| container["lifecycle"]["postStart"].is_object();
    containers.iter().any(start)
}

fn cluster(node_arch: Option<Arch>) -> Settings {
    Settings {
        node_arch,
        ..Settings::default()
    }
}

fn nacos(more: &[(&str, &str)]) -> Pairs {
    let nacos = [
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ];
    opted_in(&[&nacos[..], more].concat())
}

type Edit = fn(&mut Value);

fn made(edit: Edit, namespace: &Pairs, node_arch: Option<Arch>) -> (Value, Decision) {
    let mut object = deployment();
    edit(pod(&mut object));
    let (stored, decision) = create(&object, namespace, &cluster(node_arch));
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    (stored, decision)
}

const PLAIN: Edit = |_| {};
const SHELL: Edit = |pod| pod["containers"][0]["command"] = json!(["/bin/sh", "-c", "exec web"]);
const ON_ARM: Edit = |pod| pod["nodeSelector"][ARCH] = "arm64".into();
const ON_BOTH: Edit = |pod| {
    pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] = json!([{"matchExpressions": [{"key": ARCH, "operator": "In", "values": ["amd64", "arm64"]}]}]);
};
const ON_MAINFRAME: Edit = |pod| pod["nodeSelector"][ARCH] = "s390x".into();
/// Where the program is missing, these are events, and the container runs on.
const COPIED: Edit = |pod| {
    let sh = json!({"exec": {"command": ["/bin/sh", "-c", "true"]}});
    pod["containers"][0]["livenessProbe"] = sh.clone();
    pod["containers"][0]["lifecycle"] = json!({"preStop": sh});
};

const MAY: &str = "its image may have no shell: then its stop hook fails";
const NONE: &str = "and there is no start hook";
const START: &str = "no start hook, for the helper may not run there: a container that restarts stays out of its registry; set silkroll.dev/hook to script where there is /bin/sh, else to binary with hook-arch";
const NODES: &str = "no start hook, for the nodes' architecture is not certain";
const OTHER: &str = "silkroll.dev/hook-arch is arm64, and all nodes of the cluster are amd64: there the helper cannot run";
const GUESS: &str = "hook: binary was taken for amd64 nodes";

#[test]
fn what_runs_goes_by_what_is_shown_and_known_and_a_start_hook_by_what_is_certain() {
    let auto = &[("existing-pre-stop-seconds", "1")][..];
    let said = &[("existing-pre-stop-seconds", "1"), ("hook-arch", "arm64")][..];
    let script = &[("hook", "script"), ("existing-pre-stop-seconds", "1")][..];
    let binary = &[("hook", "binary")][..];
    let binary_said = &[("hook", "binary"), ("hook-arch", "arm64")][..];
    let amd = Some(Arch::Amd64);
    for (edit, annotations, nodes, expected, start, told) in [
        // By itself: a shell that is shown.
        (SHELL, auto, amd, Shell, true, &[][..]),
        (SHELL, auto, None, Shell, true, &[]),
        (SHELL, said, amd, Shell, true, &[]),
        // Else the helper, where the nodes are known.
        (PLAIN, auto, amd, AMD, false, &[START]),
        (COPIED, auto, amd, AMD, false, &[START]),
        (PLAIN, said, amd, ARM, false, &[OTHER]),
        (PLAIN, said, None, ARM, false, &[START]),
        (ON_ARM, auto, None, ARM, false, &[START]),
        (ON_ARM, auto, amd, ARM, false, &[START]),
        (ON_BOTH, auto, amd, AMD, false, &[START]),
        // Else the script, and what is given up.
        (
            PLAIN,
            auto,
            None,
            Shell,
            false,
            &[MAY, NONE, "else say silkroll.dev/hook-arch"],
        ),
        (COPIED, auto, None, Shell, false, &[MAY, NONE]),
        (ON_BOTH, said, None, Shell, false, &[MAY, NONE]),
        (
            ON_MAINFRAME,
            said,
            amd,
            Shell,
            false,
            &[MAY, NONE, "there is no helper binary for its nodes"],
        ),
        // An author's word.
        (PLAIN, script, amd, Shell, true, &[]),
        (PLAIN, script, None, Shell, true, &[]),
        (PLAIN, binary_said, None, ARM, true, &[]),
        (ON_ARM, binary, amd, ARM, true, &[]),
        (PLAIN, binary_said, Some(Arch::Arm64), ARM, true, &[]),
        // Law 14: the word is not true of this cluster.
        (PLAIN, binary_said, amd, ARM, false, &[OTHER]),
        (SHELL, binary_said, amd, ARM, false, &[OTHER]),
        (ON_ARM, binary_said, amd, ARM, true, &[]),
        // The word says nothing of the nodes, and others may come.
        (PLAIN, binary, amd, AMD, false, &[NODES]),
        (SHELL, binary, amd, AMD, false, &[NODES]),
        (PLAIN, binary, None, AMD, false, &[NODES, GUESS]),
    ] {
        let place = format!("{annotations:?} {nodes:?} {expected:?}");
        let (stored, decision) = made(edit, &nacos(annotations), nodes);
        assert_eq!(
            (runs(&stored), starts(&stored)),
            (expected, start),
            "{place}"
        );
        // Law 14: only where a start hook of the helper was asked for does a pod wait for its ConfigMap.
        let volume = &stored["spec"]["template"]["spec"]["volumes"][0]["configMap"];
        let waits = volume["optional"] != true;
        assert_eq!(waits, start && expected != Shell, "{place}");
        let said = decision.warnings.join("\n");
        assert_eq!(said.is_empty(), told.is_empty(), "{place}: {said}");
        for told in told {
            assert!(said.contains(told), "{place}: {said}");
        }
        assert_eq!(decision.helper, expected != Shell, "{place}");
        let (again, second) = create(&stored, &nacos(annotations), &cluster(nodes));
        assert_eq!(
            (&again, second.outcome),
            (&stored, Outcome::Unchanged),
            "{place}"
        );
    }
}

/// Law 14: in an image for debugging `sh` is in `/busybox`, and nothing is at `/bin/sh`.
#[test]
fn what_runs_the_script_is_the_shell_that_the_container_itself_runs() {
    let exec = |shell: &str| json!({"exec": {"command": [shell, "-c", "true"]}});
    let auto = &[("ready-when", "registered")][..];
    let script = &[("ready-when", "registered"), ("hook", "script")][..];
    let known = Some(Arch::Amd64);
    for (fields, annotations, nodes, stops, starts) in [
        (
            json!({"command": ["sh", "-c", "web"]}),
            auto,
            known,
            "sh",
            true,
        ),
        (
            json!({"command": ["sh", "-c", "web"]}),
            script,
            None,
            "sh",
            true,
        ),
        (
            json!({"command": ["env", "bash", "-c", "web"]}),
            auto,
            None,
            "bash",
            true,
        ),
        (
            json!({"readinessProbe": exec("sh")}),
            auto,
            known,
            "sh",
            true,
        ),
        (
            json!({"lifecycle": {"postStart": exec("bash")}}),
            auto,
            known,
            "bash",
            true,
        ),
        (
            json!({"command": ["/usr/bin/bash"]}),
            auto,
            known,
            "/bin/sh",
            true,
        ),
        (
            json!({"command": ["bash"], "readinessProbe": exec("/bin/sh")}),
            auto,
            known,
            "/bin/sh",
            true,
        ),
        (json!({}), script, None, "/bin/sh", true),
        // Its own stop hook runs one: no reason to start by it, and the best there is to stop by.
        (
            json!({"lifecycle": {"preStop": exec("sh")}}),
            auto,
            None,
            "sh",
            false,
        ),
        // Arguments of what the image names.
        (
            json!({"args": ["bash"]}),
            auto,
            known,
            "/silkroll/hook",
            false,
        ),
        (
            json!({"args": ["sh", "-c", "web"]}),
            auto,
            None,
            "/bin/sh",
            false,
        ),
        (
            json!({"command": ["/busybox/sh"]}),
            auto,
            known,
            "/silkroll/hook",
            false,
        ),
    ] {
        runs_it_by(&fields, &nacos(annotations), nodes, stops, starts);
    }
}

/// `fields` of the container have its hooks run `stops`; those that a start rests on are there where `starts`.
fn runs_it_by(fields: &Value, namespace: &Pairs, nodes: Option<Arch>, stops: &str, starts: bool) {
    let mut object = deployment();
    let container = &mut pod(&mut object)["containers"][0];
    for (name, value) in fields.as_object().unwrap() {
        container[name] = value.clone();
    }
    let (stored, decision) = create(&object, namespace, &cluster(nodes));
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    let container = &stored["spec"]["template"]["spec"]["containers"][0];
    let lifecycle = &container["lifecycle"];
    let stop = &lifecycle["preStop"]["exec"]["command"];
    assert_eq!(stop[0], stops, "{fields}");
    let ours = |handler: &Value| handler.to_string().contains("/silkroll/hook");
    let starting = [&lifecycle["postStart"], &container["startupProbe"]];
    for handler in starting {
        assert_eq!(ours(handler), starts, "{fields}: {handler}");
        assert!(
            !starts || handler["exec"]["command"][0] == stops,
            "{fields}: {handler}"
        );
    }
    // No other shell is named in what it runs.
    for text in [stop, starting[0], starting[1]].map(Value::to_string) {
        let named = text.contains("/bin/sh") && ours(&text.clone().into());
        assert!(stops == "/bin/sh" || !named, "{fields}: {text}");
    }
    let (again, second) = update(&stored, &stored, namespace, &cluster(nodes));
    assert_eq!(
        (&again, second.outcome),
        (&stored, Outcome::Unchanged),
        "{fields}"
    );
    let (back, _) = support::remove(&stored, &cluster(nodes));
    assert_eq!(back, object, "{fields}");
}

#[test]
fn what_needs_no_program_is_asked_for_none() {
    let (stored, decision) = made(PLAIN, &opted_in(&[]), None);
    assert_eq!(runs(&stored), Sleep);
    assert_eq!(decision.warnings, Vec::<String>::new());
    // A method that re-enables nothing misses no start hook.
    let dubbo = opted_in(&[("deregister", "dubbo")]);
    let (stored, decision) = made(PLAIN, &dubbo, Some(Arch::Arm64));
    assert_eq!(runs(&stored), ARM);
    assert_eq!(decision.warnings, Vec::<String>::new());
    let (stored, decision) = made(PLAIN, &dubbo, None);
    assert_eq!(runs(&stored), Shell);
    let said = decision.warnings.join("\n");
    assert!(said.contains(MAY) && !said.contains(NONE), "{said}");
    // One that is not wanted is not missed.
    let none = nacos(&[("start-hook", "none")]);
    let (_, decision) = made(PLAIN, &none, Some(Arch::Arm64));
    assert_eq!(decision.warnings, Vec::<String>::new());
}

#[test]
fn what_calls_over_https_is_the_scripts() {
    let https: Edit = |pod| {
        pod["containers"][0]["lifecycle"] =
            json!({"preStop": {"httpGet": {"port": 8080, "scheme": "HTTPS"}}});
    };
    let http = |url| opted_in(&[("deregister", "http"), ("http-url", url)]);
    let seconds = [("existing-pre-stop-seconds", "1")];
    let dubbo = opted_in(&[&[("deregister", "dubbo")][..], &seconds].concat());
    let replaced = opted_in(&[("deregister", "dubbo"), ("existing-pre-stop", "replace")]);
    for (edit, namespace, expected) in [
        (PLAIN, http("http://cms/off"), AMD),
        (PLAIN, http("https://cms/off"), Shell),
        (https, dubbo, Shell),
        (https, replaced, AMD),
    ] {
        let (stored, decision) = made(edit, &namespace, Some(Arch::Amd64));
        assert_eq!(runs(&stored), expected, "{decision:?}");
        let said = decision.warnings.join("\n");
        let tls = said.contains("the helper binary speaks no TLS");
        assert_eq!(tls, expected == Shell, "{said}");
    }
}

#[test]
fn containers_that_share_a_pod_share_the_program() {
    let both = nacos(&[("container", "web,two")]);
    for (shell, expected, start) in [
        ([true, true], Shell, [true, true]),
        ([true, false], AMD, [false, false]),
    ] {
        let mut object = deployment();
        let containers = pod(&mut object)["containers"].as_array_mut().unwrap();
        let mut two = containers[0].clone();
        two["name"] = "two".into();
        two["ports"] = json!([{"containerPort": 9090}]);
        containers.push(two);
        for (container, shell) in containers.iter_mut().zip(shell) {
            if shell {
                container["command"] = json!(["sh", "-c", "exec web"]);
            }
        }
        let (stored, decision) = create(&object, &both, &cluster(Some(Arch::Amd64)));
        assert_eq!(runs(&stored), expected, "{decision:?}");
        let containers = &stored["spec"]["template"]["spec"]["containers"];
        let starts = [0, 1].map(|at| containers[at]["lifecycle"]["postStart"].is_object());
        assert_eq!(starts, start, "{decision:?}");
    }
    // Without the nodes' architecture it is the script, and only who shows a shell starts with it.
    let mut object = deployment();
    let containers = pod(&mut object)["containers"].as_array_mut().unwrap();
    let mut two = containers[0].clone();
    two["name"] = "two".into();
    two["command"] = json!(["sh"]);
    two["ports"] = json!([{"containerPort": 9090}]);
    containers.push(two);
    let (stored, _) = create(&object, &both, &cluster(None));
    let containers = &stored["spec"]["template"]["spec"]["containers"];
    let starts = [0, 1].map(|at| containers[at]["lifecycle"]["postStart"].is_object());
    assert_eq!((runs(&stored), starts), (Shell, [false, true]));
}

#[test]
fn what_the_cluster_becomes_changes_nothing_that_its_user_does_not_change() {
    let clusters = [Some(Arch::Amd64), Some(Arch::Arm64), None];
    for (edit, namespace) in [
        (PLAIN, nacos(&[])),
        (PLAIN, nacos(&[("hook", "binary")])),
        (SHELL, nacos(&[])),
    ] {
        for before in clusters {
            let (stored, _) = made(edit, &namespace, before);
            for after in clusters {
                let mut sent = deployment();
                edit(pod(&mut sent));
                let mut labelled = stored.clone();
                labelled["metadata"]["labels"]["new"] = "x".into();
                let mut scaled = stored.clone();
                scaled["spec"]["replicas"] = 9.into();
                for new in [&sent, &labelled, &scaled] {
                    let (now, decision) = update(new, &stored, &namespace, &cluster(after));
                    assert_eq!(
                        now["spec"]["template"], stored["spec"]["template"],
                        "{before:?} to {after:?}: {decision:?}"
                    );
                }
                // With the user's change it is chosen afresh.
                let mut image = sent;
                pod(&mut image)["containers"][0]["image"] = "web:2".into();
                let (now, _) = update(&image, &stored, &namespace, &cluster(after));
                let (fresh, _) = create(&image, &namespace, &cluster(after));
                assert_eq!(now["spec"]["template"], fresh["spec"]["template"]);
            }
        }
    }
}
