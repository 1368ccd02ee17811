//! `ready-when: registered`: the startup probe that the container gets, and where it gets none, which is said.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::deregister::{Arch, LAUNCH_REGISTERED};
use silkroll::engine::{Outcome, Reason, Settings};
use support::{annotate, create, deployment, opted_in, remove, update};

const NACOS: [(&str, &str); 3] = [
    ("deregister", "nacos"),
    ("nacos-server", "http://nacos:8848"),
    ("ready-when", "registered"),
];
const CONSUL: [(&str, &str); 3] = [
    ("deregister", "consul"),
    ("consul-service-id", "web-{podip}"),
    ("ready-when", "registered"),
];
const SCRIPT: (&str, &str) = ("hook", "script");
const BINARY: [(&str, &str); 2] = [("hook", "binary"), ("hook-arch", "amd64")];

fn container(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]
}

fn variable(container: &Value, name: &str) -> Value {
    let env = container["env"].as_array().unwrap();
    let found = env.iter().find(|entry| entry["name"] == name);
    found.map_or(Value::Null, |entry| entry["value"].clone())
}

#[test]
fn a_container_without_a_startup_probe_gets_one_that_runs_the_hook() {
    let script = json!(["/bin/sh", "-c", LAUNCH_REGISTERED, "silkroll"]);
    let binary = json!(["/silkroll/hook", "registered"]);
    for (annotations, command, optional) in [
        ([&NACOS[..], &[SCRIPT]].concat(), &script, true),
        ([&CONSUL[..], &[SCRIPT]].concat(), &script, true),
        // Without its program it would never pass: the pod waits for the ConfigMap.
        ([&NACOS[..], &BINARY].concat(), &binary, false),
        ([&CONSUL[..], &BINARY].concat(), &binary, false),
    ] {
        for (more, seconds, failures) in [(None, "120", 240), (Some("3600"), "3600", 1400)] {
            let mut annotations = annotations.clone();
            annotations.extend(more.map(|seconds| ("ready-when-seconds", seconds)));
            let namespace = opted_in(&annotations);
            let (stored, decision) = create(&deployment(), &namespace, &Settings::default());
            assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
            // Above the deadline of a rollout, where that is the API's 600 s.
            let told = decision.warnings.concat();
            assert_eq!(
                told.contains("set progressDeadlineSeconds, which is 600"),
                more.is_some()
            );
            assert_eq!(
                decision.warnings.len(),
                usize::from(more.is_some()),
                "{told}"
            );
            assert_eq!(
                container(&stored)["startupProbe"],
                json!({
                    "exec": {"command": command}, "timeoutSeconds": 10, "periodSeconds": 3,
                    "successThreshold": 1, "failureThreshold": failures,
                })
            );
            let bound = variable(container(&stored), "SILKROLL_READY_SECONDS");
            assert_eq!(bound, seconds);
            // The kubelet would restart the container, which the hook's own bound comes long before.
            assert!(failures * 3 > seconds.parse::<i64>().unwrap() + 300);
            let volume = &stored["spec"]["template"]["spec"]["volumes"][0]["configMap"];
            assert_eq!(volume["optional"] == true, optional, "{annotations:?}");

            let (again, second) = update(&stored, &stored, &namespace, &Settings::default());
            assert_eq!((&again, second.outcome), (&stored, Outcome::Unchanged));
            let (back, _) = remove(&stored, &Settings::default());
            assert_eq!(back, deployment());
        }
    }
}

#[test]
fn no_probe_is_added_where_it_is_not_asked_for() {
    for annotations in [&NACOS[..2], &[NACOS[0], NACOS[1], ("ready-when", "probe")]] {
        let (stored, _) = create(&deployment(), &opted_in(annotations), &Settings::default());
        assert_eq!(container(&stored)["startupProbe"], Value::Null);
        let bound = variable(container(&stored), "SILKROLL_READY_SECONDS");
        assert_eq!(bound, Value::Null);
    }
}

#[test]
fn where_it_cannot_be_added_that_is_said() {
    type Edit = fn(&mut Value);
    let as_it_is: Edit = |_| {};
    let own: Edit = |pod| {
        pod["containers"][0]["startupProbe"] = json!({"tcpSocket": {"port": 8080}});
    };
    let node: Edit = |pod| pod["hostPID"] = true.into();
    let hooked: Edit = |pod| {
        pod["containers"][0]["lifecycle"] = json!({"preStop": {"exec": {"command": ["bye"]}}});
    };
    for (edit, more, says) in [
        (own, SCRIPT, "its own startupProbe stays"),
        (node, SCRIPT, "with hostPID nothing tells"),
        (
            hooked,
            ("existing-pre-stop", "keep"),
            "no hook of Silkroll's is in it",
        ),
        // Law 14: with a script that cannot run, the container would never be ready.
        (
            as_it_is,
            ("start-hook", "none"),
            "set silkroll.dev/hook to script",
        ),
        // The helper, which nobody said runs there.
        (
            as_it_is,
            ("hook-arch", "amd64"),
            "it is not certain that the helper can run",
        ),
    ] {
        let mut manifest = deployment();
        edit(&mut manifest["spec"]["template"]["spec"]);
        let namespace = opted_in(&[&NACOS[..], &[more]].concat());
        let (stored, decision) = create(&manifest, &namespace, &Settings::default());
        assert_eq!(decision.outcome, Outcome::Injected, "{says}");
        assert_eq!(
            container(&stored)["startupProbe"],
            container(&manifest)["startupProbe"]
        );
        let bound = variable(container(&stored), "SILKROLL_READY_SECONDS");
        assert_eq!(bound, Value::Null, "{says}");
        let told = decision.warnings.concat();
        let begins = "container web: ready-when: registered has no effect, ";
        assert!(told.contains(begins) && told.contains(says), "{told}");
        assert!(decision.warnings.iter().all(|it| it.len() < 300), "{told}");
    }
}

/// Law 14: it would never pass, for the helper cannot run on any node that there is.
#[test]
fn a_hook_arch_that_no_node_has_brings_no_probe() {
    let namespace = opted_in(&[&NACOS[..], &BINARY].concat());
    for (nodes, added) in [(Arch::Amd64, true), (Arch::Arm64, false)] {
        let settings = Settings {
            node_arch: Some(nodes),
            ..Settings::default()
        };
        let (stored, decision) = create(&deployment(), &namespace, &settings);
        assert_eq!(container(&stored)["startupProbe"].is_object(), added);
        let told = decision.warnings.concat();
        let says = "ready-when: registered has no effect, for hook-arch is not what the cluster's nodes have";
        assert_eq!(told.contains(says), !added, "{told}");
    }
}

#[test]
fn a_method_without_a_list_is_refused_where_the_setting_is_no_weaker() {
    let refused = "silkroll.dev/ready-when: \"registered\"";
    let allowed =
        "allowed with deregister: spring is probe; registered goes with nacos, eureka, consul";
    let spring = [("deregister", "spring"), ("ready-when", "registered")];
    let (_, decision) = create(&deployment(), &opted_in(&spring), &Settings::default());
    assert_eq!(decision.reason, Reason::InvalidAnnotation);
    let told = decision.warnings.concat();
    assert!(told.contains(refused) && told.contains(allowed), "{told}");

    // Its author's own: denied.
    let mut manifest = deployment();
    annotate(&mut manifest, "ready-when", "registered");
    let (_, decision) = create(&manifest, &opted_in(&spring[..1]), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Rejected, "{decision:?}");

    // Who leaves another way than the namespace has nothing to be found in.
    let mut manifest = deployment();
    annotate(&mut manifest, "deregister", "none");
    let (stored, decision) = create(&manifest, &opted_in(&NACOS), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    assert_eq!(decision.warnings, Vec::<String>::new());
    assert_eq!(container(&stored)["startupProbe"], Value::Null);
}

#[test]
fn where_nobody_chose_a_method_the_namespace_and_the_cluster_mean_whoever_has_a_list() {
    let registered = ("ready-when", "registered");
    let by_default = Settings {
        defaults: vec![("silkroll.dev/ready-when".into(), "registered".into())],
        ..Settings::default()
    };
    let here = Settings::default();
    for (namespace, settings) in [
        (&[registered][..], &here),
        (&[], &by_default),
        (&[("deregister", "spring")], &by_default),
        (&[("deregister", "none")], &by_default),
    ] {
        let (stored, decision) = create(&deployment(), &opted_in(namespace), settings);
        assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
        let told = decision.warnings.concat();
        assert!(!told.contains("ready-when"), "{told}");
        assert_eq!(container(&stored)["startupProbe"], Value::Null);
    }
    let namespace = opted_in(&[NACOS[0], NACOS[1], SCRIPT]);
    let (stored, _) = create(&deployment(), &namespace, &by_default);
    assert!(container(&stored)["startupProbe"].is_object());
    // Its author's own word, where nothing is said of a registry, is a mistake.
    let mut manifest = deployment();
    annotate(&mut manifest, "ready-when", "registered");
    let (_, decision) = create(&manifest, &opted_in(&[]), &here);
    assert_eq!(decision.outcome, Outcome::Rejected, "{decision:?}");
}

#[test]
fn what_its_author_wrote_and_comes_to_nothing_is_said_and_what_the_namespace_has_for_others_is_not()
{
    let [nacos, server, _] = NACOS;
    for (namespace, wrote, says) in [
        (
            &[][..],
            ("last-instance", "leave"),
            "silkroll.dev/last-instance: leave has no effect: deregister: none has no list of instances",
        ),
        (
            &[("deregister", "dubbo")],
            ("last-instance", "wait"),
            "silkroll.dev/last-instance: wait has no effect: deregister: dubbo has no list",
        ),
        (
            &[nacos, server, ("deregister-timeout-seconds", "5")],
            ("last-instance", "wait"),
            "silkroll.dev/last-instance: wait has no effect: 5 s for deregistering leave no time to wait; \
             set silkroll.dev/deregister-timeout-seconds to 6 or more",
        ),
        (
            &[nacos, server],
            ("ready-when-seconds", "60"),
            "silkroll.dev/ready-when-seconds: 60 has no effect: it goes with ready-when: registered",
        ),
        (
            &[],
            server,
            "silkroll.dev/nacos-server has no effect: it goes with silkroll.dev/deregister: nacos, and here it is none",
        ),
        (
            &[nacos, server],
            ("eureka-app", "web"),
            "silkroll.dev/eureka-app has no effect: it goes with silkroll.dev/deregister: eureka, and here it is nacos",
        ),
    ] {
        let said = |decision: &silkroll::engine::Decision| {
            let mut warnings = decision.warnings.iter();
            warnings.any(|warning| warning.contains(says))
        };
        let mut manifest = deployment();
        annotate(&mut manifest, wrote.0, wrote.1);
        let (_, decision) = create(&manifest, &opted_in(namespace), &Settings::default());
        assert!(said(&decision), "{says}: {:?}", decision.warnings);
        let for_all = opted_in(&[namespace, &[wrote]].concat());
        let (_, decision) = create(&deployment(), &for_all, &Settings::default());
        assert!(!said(&decision), "{:?}", decision.warnings);
    }
    let mut manifest = deployment();
    annotate(&mut manifest, "last-instance", "wait");
    let six = opted_in(&[nacos, server, ("deregister-timeout-seconds", "6")]);
    let (_, decision) = create(&manifest, &six, &Settings::default());
    assert!(
        !decision.warnings.concat().contains("has no effect"),
        "{decision:?}"
    );
}

#[test]
fn a_probe_of_the_users_that_comes_later_takes_the_place_of_ours() {
    let namespace = opted_in(&[&NACOS[..], &[SCRIPT]].concat());
    let (stored, _) = create(&deployment(), &namespace, &Settings::default());
    let own = json!({"httpGet": {"path": "/up", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1,
        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 30});
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["startupProbe"] = own.clone();
    let (after, decision) = update(&new, &stored, &namespace, &Settings::default());
    assert_eq!(container(&after)["startupProbe"], own, "{decision:?}");
    let told = decision.warnings.concat();
    assert!(told.contains("its own startupProbe stays"), "{told}");
}

#[test]
fn the_last_instance_is_told_to_leave_only_where_that_is_asked() {
    let set = |annotations: &[(&str, &str)]| {
        let (stored, _) = create(&deployment(), &opted_in(annotations), &Settings::default());
        variable(container(&stored), "SILKROLL_LAST_INSTANCE")
    };
    let leave = ("last-instance", "leave");
    assert_eq!(set(&[NACOS[0], NACOS[1], leave]), "leave");
    assert_eq!(
        set(&[NACOS[0], NACOS[1], ("last-instance", "wait")]),
        Value::Null
    );
    assert_eq!(set(&[NACOS[0], NACOS[1]]), Value::Null);
    // No list to be the last in.
    assert_eq!(set(&[("deregister", "dubbo"), leave]), Value::Null);
}
