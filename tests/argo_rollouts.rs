//! Rollouts of Argo Rollouts as the webhook sees them: strategies, references, and what their controller and its tools write.
//! The same with the real controller is in tests/rollouts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::engine::{Decision, Kind, Outcome, Reason, Settings};
use support::{Pairs, annotate, create, nacos, opted_in, pairs, update};

fn settings() -> Settings {
    Settings {
        kinds: vec![Kind::Deployment, Kind::Rollout],
        ..Settings::default()
    }
}

/// As its author writes it: the API server fills in nothing.
fn rollout(strategy: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": strategy,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                    "name": "web", "image": "web:1",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": "A", "value": "$(podip)"}, {"name": "EMPTY", "value": ""}],
                    "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}},
                    "livenessProbe": {"httpGet": {"port": "http"}},
                }]},
            },
        },
    })
}

fn canary() -> Value {
    rollout(&json!({"canary": {}}))
}

/// As the controller writes it back: by Go's types.
fn written(object: &Value) -> Value {
    let mut object = object.clone();
    object["spec"]["replicas"] = 1.into();
    let template = &mut object["spec"]["template"];
    template["metadata"]["creationTimestamp"] = Value::Null;
    let web = &mut template["spec"]["containers"][0];
    web["resources"] = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    for entry in web["env"].as_array_mut().unwrap() {
        if entry["value"] == "" {
            entry.as_object_mut().unwrap().shift_remove("value");
        }
    }
    object
}

/// As an undo brings it: the template of a `ReplicaSet`, with all that the API server fills in.
fn undone(object: &Value) -> Value {
    let mut object = written(object);
    let pod = &mut object["spec"]["template"]["spec"];
    for (key, value) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("restartPolicy", json!("Always")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
    ] {
        pod[key] = value;
    }
    let web = &mut pod["containers"][0];
    for (key, value) in [
        ("imagePullPolicy", json!("IfNotPresent")),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ] {
        web[key] = value;
    }
    web["ports"][0]["protocol"] = "TCP".into();
    web["livenessProbe"] = json!({
        "httpGet": {"path": "/", "port": "http", "scheme": "HTTP"}, "timeoutSeconds": 1,
        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    object
}

fn record(object: &Value) -> &Value {
    &object["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"]
}

fn stored(object: &Value, namespace: &Pairs) -> (Value, Decision) {
    let (stored, decision) = create(object, namespace, &settings());
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    (stored, decision)
}

#[test]
fn what_the_controller_and_its_tools_write_is_no_change_of_the_users() {
    let later = opted_in(&[("drain-seconds", "77")]);
    let (first, _) = stored(&canary(), &nacos());
    for (what, new) in [
        ("the controller", written(&first)),
        ("the template of a ReplicaSet", undone(&first)),
    ] {
        let (after, decision) = update(&new, &first, &later, &settings());
        assert_eq!(decision.patch, None, "{what}");
        assert_eq!(after, new, "{what}");
        // And then the manifest again, as a client-side apply and a replace send it.
        let mut applied = after.clone();
        applied["spec"]["template"]["spec"]["containers"] =
            canary()["spec"]["template"]["spec"]["containers"].clone();
        for sent in [applied, canary()] {
            let (again, decision) = update(&sent, &after, &later, &settings());
            assert_eq!(decision.reason, Reason::Restored, "{what}: {decision:?}");
            assert_eq!(record(&again), record(&first), "{what}");
            let container =
                |object: &Value| object["spec"]["template"]["spec"]["containers"][0].clone();
            assert_eq!(container(&again), container(&first), "{what}");
        }
    }
}

#[test]
fn an_undo_brings_back_what_was_injected_whatever_the_namespace_says_by_now() {
    let (first, _) = stored(&canary(), &nacos());
    let mut changed = written(&first);
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    let later = opted_in(&[("drain-seconds", "77")]);
    let (second, decision) = update(&changed, &first, &later, &settings());
    assert_eq!(decision.reason, Reason::Refreshed);
    let mut back = written(&second);
    back["spec"]["template"] = undone(&first)["spec"]["template"].clone();
    let (after, decision) = update(&back, &second, &later, &settings());
    assert_eq!(decision.reason, Reason::RollbackKept);
    assert_eq!(after, back);
}

#[test]
fn what_the_user_writes_out_stays_though_it_says_nothing_new() {
    let (first, _) = stored(&canary(), &nacos());
    let later = opted_in(&[("drain-seconds", "77")]);
    let mut sent = canary();
    let pod = &mut sent["spec"]["template"]["spec"];
    pod["dnsPolicy"] = "ClusterFirst".into();
    pod["enableServiceLinks"] = false.into();
    pod["containers"][0]["tty"] = false.into();
    let (after, _) = update(&sent, &written(&first), &later, &settings());
    let pod = &after["spec"]["template"]["spec"];
    assert_eq!(pod["dnsPolicy"], "ClusterFirst");
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["containers"][0]["tty"], false);
    assert_eq!(record(&after), record(&first));
    let env = |object: &Value| object["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    assert_eq!(env(&after), env(&first), "in the same order");
    let (again, decision) = update(&after, &after, &later, &settings());
    assert_eq!((decision.patch, again), (None, after));
}

#[test]
fn surge_is_for_canaries() {
    let namespace = opted_in(&[("rollout", "surge")]);
    for (strategy, wanted) in [
        (
            json!({"canary": {}}),
            json!({"canary": {"maxUnavailable": 0}}),
        ),
        (
            json!({"canary": {"maxSurge": 0, "steps": []}}),
            json!({"canary": {"maxSurge": 1, "steps": [], "maxUnavailable": 0}}),
        ),
        (
            json!({"canary": {"maxSurge": "10", "maxUnavailable": "10%"}}),
            json!({"canary": {"maxSurge": "10", "maxUnavailable": 0}}),
        ),
        (
            json!({"canary": {"maxUnavailable": 0}}),
            json!({"canary": {"maxUnavailable": 0}}),
        ),
    ] {
        let (stored, decision) = stored(&rollout(&strategy), &namespace);
        assert_eq!(stored["spec"]["strategy"], wanted, "{strategy}");
        assert_eq!(decision.warnings, Vec::<String>::new(), "{strategy}");
        let (back, _) = support::remove(&stored, &settings());
        assert_eq!(back["spec"]["strategy"], strategy);
    }
    for (strategy, says) in [
        (
            json!({"blueGreen": {"activeService": "a"}}),
            "has no effect on a blue-green Rollout",
        ),
        (
            json!({"canary": {"maxSurge": 0, "maxUnavailable": 0}}),
            "is refused as it stands",
        ),
        (
            json!({"canary": {}, "blueGreen": {}}),
            "is refused as it stands",
        ),
        (json!({}), "is refused as it stands"),
    ] {
        let (stored, decision) = stored(&rollout(&strategy), &namespace);
        assert_eq!(stored["spec"]["strategy"], strategy);
        assert!(
            decision.warnings[0].contains(says),
            "{strategy}: {decision:?}"
        );
    }
}

#[test]
fn what_surge_set_gives_way_where_the_user_takes_another_strategy() {
    let namespace = opted_in(&[("rollout", "surge")]);
    let (first, _) = stored(&canary(), &namespace);
    // As a server-side apply leaves it: what was injected is not the applier's.
    let blue_green = json!({"activeService": "a"});
    let mut new = first.clone();
    new["spec"]["strategy"]["blueGreen"] = blue_green.clone();
    let (after, _) = update(&new, &first, &namespace, &settings());
    let strategy = &after["spec"]["strategy"];
    assert_eq!(strategy["blueGreen"], blue_green);
    assert!(strategy["canary"]["maxUnavailable"].is_null(), "{strategy}");
    let mut new = first.clone();
    new["spec"]["strategy"]["canary"]["maxSurge"] = 0.into();
    let (after, _) = update(&new, &first, &namespace, &settings());
    let canary = &after["spec"]["strategy"]["canary"];
    assert_eq!(*canary, json!({"maxUnavailable": 0, "maxSurge": 1}));
}

#[test]
fn a_blue_green_rollout_whose_old_pods_go_before_callers_forget_them_is_told() {
    for (delay, drain, says) in [
        (json!(null), "30", ""),
        (
            json!(null),
            "31",
            "scaleDownDelaySeconds of 30, the default, is shorter than the drain of 31 s",
        ),
        (
            json!(20),
            "31",
            "scaleDownDelaySeconds of 20 is shorter than the drain of 31 s",
        ),
        (json!(31), "31", ""),
        (json!(0), "0", ""),
    ] {
        let strategy = json!({"blueGreen": {"activeService": "a", "scaleDownDelaySeconds": delay}});
        let (_, decision) = stored(&rollout(&strategy), &opted_in(&[("drain-seconds", drain)]));
        let told = decision.warnings.concat();
        assert!(
            told.contains(says) && told.is_empty() == says.is_empty(),
            "{delay} {drain}: {told}"
        );
    }
    let (_, decision) = stored(&canary(), &opted_in(&[("drain-seconds", "60")]));
    assert_eq!(decision.warnings, Vec::<String>::new());
}

#[test]
fn min_ready_stays_below_the_deadline_that_the_controller_takes() {
    for (deadline, seconds, wanted) in [
        (json!(null), "599", json!(599)),
        (json!(null), "600", json!(null)),
        (json!(10), "9", json!(9)),
        (json!(10), "10", json!(null)),
    ] {
        let mut object = canary();
        object["spec"]["progressDeadlineSeconds"] = deadline.clone();
        let (stored, decision) = stored(&object, &opted_in(&[("min-ready-seconds", seconds)]));
        assert_eq!(
            stored["spec"]["minReadySeconds"], wanted,
            "{deadline} {seconds}"
        );
        assert_eq!(decision.warnings.is_empty(), wanted.is_number());
    }
}

fn referring(api_version: &str, kind: &str) -> Value {
    let mut object = canary();
    object["spec"]
        .as_object_mut()
        .unwrap()
        .shift_remove("template");
    object["spec"]["workloadRef"] = json!({"apiVersion": api_version, "kind": kind, "name": "web"});
    object
}

#[test]
fn a_rollout_of_another_workloads_template_is_left_alone() {
    let deployment = referring("apps/v1", "Deployment");
    let with = |key: &str| {
        let mut object = deployment.clone();
        annotate(&mut object, key, "20");
        object
    };
    let mut with_a_template = deployment.clone();
    with_a_template["spec"]["template"] = canary()["spec"]["template"].clone();
    let other = referring("v1", "PodTemplate");
    let mut out = other.clone();
    annotate(&mut out, "inject", "disabled");
    let no_effect = "on the Rollout has no effect: put it on the Deployment web";
    let never =
        "workloadRef names a PodTemplate, and --workloads of Silkroll has deployment,rollout";
    for (object, namespace, reason, says) in [
        (&deployment, nacos(), Reason::WorkloadRef, ""),
        (&deployment, pairs(&[]), Reason::WorkloadRef, ""),
        (&with_a_template, nacos(), Reason::WorkloadRef, ""),
        (
            &with("drain-seconds"),
            nacos(),
            Reason::WorkloadRef,
            no_effect,
        ),
        (
            &with("drain-seconds"),
            pairs(&[]),
            Reason::WorkloadRef,
            no_effect,
        ),
        (&other, nacos(), Reason::KindNotCovered, never),
        (&other, pairs(&[]), Reason::KindNotCovered, ""),
        (&out, nacos(), Reason::KindNotCovered, ""),
    ] {
        let (after, decision) = create(object, &namespace, &settings());
        assert_eq!(after, *object);
        assert_eq!(decision.reason, reason);
        let told = decision.warnings.concat();
        assert!(
            told.contains(says) && told.is_empty() == says.is_empty(),
            "{told}"
        );
        // Its controller writes annotations and status: that is no reason to say it again.
        let mut written = object.clone();
        written["metadata"]["annotations"]["rollout.argoproj.io/workload-generation"] = "2".into();
        let (_, decision) = update(&written, object, &namespace, &settings());
        assert_eq!(
            (decision.reason, decision.warnings),
            (Reason::NothingChanged, vec![])
        );
    }
    // Whether Rollouts themselves are covered does not matter.
    let (_, decision) = create(&deployment, &nacos(), &Settings::default());
    assert_eq!(decision.reason, Reason::WorkloadRef);
}

#[test]
fn a_rollout_with_neither_is_told_where_it_would_be_covered() {
    let mut neither = canary();
    neither["spec"]
        .as_object_mut()
        .unwrap()
        .shift_remove("template");
    let (_, decision) = create(&neither, &nacos(), &settings());
    assert_eq!(decision.reason, Reason::Malformed);
    assert!(decision.warnings[0].contains("spec.template is missing"));
    let (_, decision) = create(&neither, &pairs(&[]), &settings());
    assert_eq!(
        (decision.reason, decision.warnings),
        (Reason::NamespaceNotOptedIn, vec![])
    );
}

#[test]
fn rollouts_are_left_alone_until_they_are_named() {
    let (after, decision) = create(&canary(), &nacos(), &Settings::default());
    assert_eq!(after, canary());
    assert_eq!(decision.reason, Reason::KindNotCovered);
    assert!(decision.warnings[0].contains("--workloads of Silkroll has deployment, not rollout"));
}
