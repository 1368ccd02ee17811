//! `level: pod`: Pods are injected when they are created, and workloads stay as their author wrote them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use silkroll::admission::Review;
use silkroll::engine::{Decision, Kind, NamespaceView, Outcome, Reason, Settings};
use support::{
    Pairs, annotate, apply, create, decide, deployment, generate, opted_in, pairs, remove, review,
    update,
};

/// With Pods switched on.
fn settings() -> Settings {
    Settings {
        kinds: vec![Kind::Deployment, Kind::Pod],
        ..Settings::default()
    }
}

/// A namespace that asks for its Pods to be injected.
fn level_pod(more: &[(&str, &str)]) -> Pairs {
    let mut all = vec![("level", "pod")];
    all.extend_from_slice(more);
    opted_in(&all)
}

/// What a controller makes of a workload's template, as the API server shows it to a webhook: the account's token is in it.
fn pod_of(workload: &Value) -> Value {
    let template = &workload["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": template["metadata"], "spec": template["spec"], "status": {"phase": "Pending"},
    });
    let meta = &mut pod["metadata"];
    meta["generateName"] = "web-6d5b8c9f4-".into();
    meta["namespace"] = "shop".into();
    meta["labels"]["pod-template-hash"] = "6d5b8c9f4".into();
    meta["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d5b8c9f4",
        "uid": "1", "controller": true, "blockOwnerDeletion": true}]);
    pod
}

fn pod() -> Value {
    let mut pod = pod_of(&deployment());
    let spec = &mut pod["spec"];
    spec["volumes"] = json!([{"name": "kube-api-access-x", "projected": {"sources": []}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "kube-api-access-x", "readOnly": true,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
    pod
}

fn says(decision: &Decision) -> String {
    decision.warnings.join("\n")
}

#[test]
fn a_pod_is_injected_once_and_gives_back_what_it_was() {
    let (once, decision) = create(&pod(), &level_pod(&[]), &settings());
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    assert_eq!(decision.reason, Reason::Covered);
    let web = &once["spec"]["containers"][0];
    assert_eq!(web["lifecycle"]["preStop"]["sleep"]["seconds"], 15);
    assert_eq!(web["readinessProbe"]["tcpSocket"]["port"], 8080);
    assert_eq!(once["spec"]["terminationGracePeriodSeconds"], 50);
    assert!(once["metadata"]["annotations"]["silkroll.dev/status"].is_string());
    assert_eq!(once["status"], pod()["status"]);

    let (twice, again) = create(&once, &level_pod(&[]), &settings());
    assert_eq!((&twice, again.outcome), (&once, Outcome::Unchanged));
    // Another webhook adds a container, and ours is asked again.
    let mut meshed = once.clone();
    let sidecar = json!({"name": "mesh", "image": "mesh:1", "ports": [{"containerPort": 15001}]});
    meshed["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .insert(0, sidecar);
    let (after, again) = create(&meshed, &level_pod(&[]), &settings());
    assert_eq!((&after, again.outcome), (&meshed, Outcome::Unchanged));

    let (back, removed) = remove(&once, &settings());
    assert_eq!((back, removed.outcome), (pod(), Outcome::Removed));
}

#[test]
fn only_pods_that_stand_for_a_service_and_whose_namespace_asks_are_injected() {
    type Edit = fn(&mut Value);
    let off = Settings::default();
    let on = settings();
    let as_it_is: Edit = |_| {};
    let no_owner: Edit = |pod| {
        pod["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("ownerReferences");
    };
    let not_controller: Edit =
        |pod| pod["metadata"]["ownerReferences"][0]["controller"] = false.into();
    let job: Edit = |pod| pod["metadata"]["ownerReferences"][0]["kind"] = "Job".into();
    let mirror: Edit = |pod| {
        pod["metadata"]["ownerReferences"][0]["kind"] = "Node".into();
        pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    };
    let ends: Edit = |pod| pod["spec"]["restartPolicy"] = "OnFailure".into();
    let disabled: Edit =
        |pod| pod["metadata"]["annotations"] = json!({"silkroll.dev/inject": "disabled"});
    for (edit, namespace, settings, expected) in [
        (as_it_is, level_pod(&[]), &on, Reason::Covered),
        (no_owner, level_pod(&[]), &on, Reason::OtherPod),
        (not_controller, level_pod(&[]), &on, Reason::OtherPod),
        (job, level_pod(&[]), &on, Reason::OtherPod),
        (mirror, level_pod(&[]), &on, Reason::OtherPod),
        (ends, level_pod(&[]), &on, Reason::OtherPod),
        (disabled, level_pod(&[]), &on, Reason::WorkloadDisabled),
        (as_it_is, opted_in(&[]), &on, Reason::LevelWorkload),
        (
            as_it_is,
            opted_in(&[("level", "workload")]),
            &on,
            Reason::LevelWorkload,
        ),
        (
            as_it_is,
            opted_in(&[("level", "pods")]),
            &on,
            Reason::InvalidAnnotation,
        ),
        (as_it_is, pairs(&[]), &on, Reason::LevelWorkload),
        (
            as_it_is,
            pairs(&[("level", "pod")]),
            &on,
            Reason::NamespaceNotOptedIn,
        ),
        (
            as_it_is,
            pairs(&[("level", "pod"), ("inject", "disabled")]),
            &on,
            Reason::NamespaceDisabled,
        ),
        (
            as_it_is,
            pairs(&[("level", "pod"), ("inject", "on-request")]),
            &on,
            Reason::NotRequested,
        ),
        (
            as_it_is,
            pairs(&[("level", "pod"), ("inject", "x")]),
            &on,
            Reason::InvalidAnnotation,
        ),
        (as_it_is, level_pod(&[]), &off, Reason::LevelOff),
        (as_it_is, opted_in(&[]), &off, Reason::LevelWorkload),
    ] {
        let mut pod = pod();
        edit(&mut pod);
        let (after, decision) = create(&pod, &namespace, settings);
        assert_eq!(decision.reason, expected, "{namespace:?} {pod}");
        let injected = expected == Reason::Covered;
        assert_eq!(
            decision.outcome == Outcome::Injected,
            injected,
            "{decision:?}"
        );
        assert_eq!(after != pod, injected);
    }
    let mut asks = pod();
    asks["metadata"]["annotations"] = json!({"silkroll.dev/inject": "enabled"});
    let on_request = pairs(&[("level", "pod"), ("inject", "on-request")]);
    assert_eq!(create(&asks, &on_request, &on).1.reason, Reason::Covered);
    let unknown = review("CREATE", &pod(), &Value::Null);
    let unknown = Review::read(&unknown)
        .unwrap()
        .decide(&on, NamespaceView::Unknown, false);
    assert_eq!(unknown.reason, Reason::NamespaceUnknown);
}

#[test]
fn a_stored_pod_and_its_subresources_are_left_alone() {
    let mut stored = pod();
    stored["spec"]["nodeName"] = "n".into();
    let mut new = stored.clone();
    new["spec"]["containers"][0]["image"] = "web:2".into();
    let (after, decision) = update(&new, &stored, &level_pod(&[]), &settings());
    assert_eq!(
        (after, decision.reason),
        (new.clone(), Reason::OtherOperation)
    );
    let mut body: Value = serde_json::from_slice(&review("UPDATE", &new, &stored)).unwrap();
    for subresource in ["resize", "ephemeralcontainers", "status", "binding"] {
        body["request"]["subResource"] = subresource.into();
        let decision = decide(body.to_string().as_bytes(), &level_pod(&[]), &settings());
        assert_eq!(decision.reason, Reason::Subresource, "{subresource}");
    }
}

#[test]
fn a_pod_is_never_denied() {
    for (annotations, namespace) in [
        (json!({"silkroll.dev/drain-seconds": "x"}), level_pod(&[])),
        (json!({"silkroll.dev/inject": "x"}), level_pod(&[])),
        (json!({"silkroll.dev/container": "other"}), level_pod(&[])),
        (json!({"silkroll.dev/deregister": "nacos"}), level_pod(&[])),
        (json!({}), level_pod(&[("drain-seconds", "x")])),
    ] {
        let mut pod = pod();
        pod["metadata"]["annotations"] = annotations;
        let (after, decision) = create(&pod, &namespace, &settings());
        assert_eq!(decision.outcome, Outcome::Skipped, "{decision:?}");
        assert_eq!(decision.reason, Reason::InvalidAnnotation);
        assert!(says(&decision).contains("cannot be used"), "{decision:?}");
        assert_eq!(after, pod);
    }
    let mut invalid = pod();
    invalid["metadata"]["annotations"] = json!({"silkroll.dev/drain-seconds": "x"});
    let (_, decision) = create(&invalid, &level_pod(&[]), &settings());
    let place = r#""x" on Pod shop/web-6d5b8c9f4- cannot be used"#;
    assert!(says(&decision).contains(place), "{decision:?}");
}

#[test]
fn a_name_that_a_setting_defaults_to_is_the_controllers_without_the_templates_hash() {
    let namespace = level_pod(&[
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ]);
    for (kind, name, label, hash, expected) in [
        (
            "ReplicaSet",
            "web-6d5b8c9f4",
            "pod-template-hash",
            "6d5b8c9f4",
            "web",
        ),
        (
            "ReplicaSet",
            "web-6d5b8c9f4",
            "rollouts-pod-template-hash",
            "6d5b8c9f4",
            "web",
        ),
        ("ReplicaSet", "bare", "app", "bare", "bare"),
        (
            "ReplicaSet",
            "bare",
            "pod-template-hash",
            "6d5b8c9f4",
            "bare",
        ),
        ("ReplicaSet", "-a", "pod-template-hash", "a", "-a"),
        ("StatefulSet", "db-1", "pod-template-hash", "1", "db-1"),
        (
            "CloneSet",
            "web",
            "controller-revision-hash",
            "web-1",
            "web",
        ),
    ] {
        let mut pod = pod();
        pod["metadata"]["labels"] = json!({label: hash});
        pod["metadata"]["ownerReferences"][0]["kind"] = kind.into();
        pod["metadata"]["ownerReferences"][0]["name"] = name.into();
        let (after, decision) = create(&pod, &namespace, &settings());
        assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
        let env = after["spec"]["containers"][0]["env"].as_array().unwrap();
        let service = env
            .iter()
            .find(|entry| entry["name"] == "SILKROLL_NACOS_SERVICE");
        assert_eq!(service.unwrap()["value"], expected, "{kind} {name} {label}");
    }
}

/// Webhooks are called in the order of their names, so that most meshes' come before ours.
#[test]
fn what_other_webhooks_put_beside_the_application_is_not_taken_for_it() {
    let sidecar = |name: &str| json!({"name": name, "image": "sidecar:1", "ports": [{"containerPort": 4143, "name": "proxy"}]});
    // Whether it comes first, as Linkerd's does, or last.
    for (name, first) in [
        ("linkerd-proxy", true),
        ("istio-proxy", true),
        ("istio-proxy", false),
        ("kuma-sidecar", false),
        ("consul-dataplane", false),
        ("daprd", false),
        ("vault-agent", false),
    ] {
        for ports in [json!([{"containerPort": 8080}]), json!([])] {
            let mut meshed = pod();
            let containers = meshed["spec"]["containers"].as_array_mut().unwrap();
            containers[0]["ports"] = ports.clone();
            let at = if first { 0 } else { containers.len() };
            containers.insert(at, sidecar(name));
            let (after, decision) = create(&meshed, &level_pod(&[]), &settings());
            let case = format!("{name} {ports}: {decision:?}");
            assert_eq!(decision.outcome, Outcome::Injected, "{case}");
            let containers = &after["spec"]["containers"];
            assert!(
                containers[usize::from(first)]["lifecycle"].is_object(),
                "{case}"
            );
            assert_eq!(containers[at], sidecar(name), "{case}");
        }
    }
    // Alone it is the application, such as a gateway of Istio's; where two others have ports, somebody has to say which.
    let only = |containers: Value| {
        let mut pod = pod();
        pod["spec"]["containers"] = containers;
        create(&pod, &level_pod(&[]), &settings()).1
    };
    assert_eq!(
        only(json!([sidecar("istio-proxy")])).outcome,
        Outcome::Injected
    );
    let three = ["istio-proxy", "web", "side"].map(sidecar);
    assert_eq!(only(json!(three)).reason, Reason::NoContainer);
}

#[test]
fn a_pod_of_a_template_that_is_injected_already_is_not_injected_twice() {
    let (stored, _) = create(&deployment(), &opted_in(&[]), &settings());
    let (pod, decision) = create(&pod_of(&stored), &level_pod(&[]), &settings());
    assert_eq!(
        (decision.outcome, &pod),
        (Outcome::Unchanged, &pod_of(&stored))
    );
    // By other settings it is brought up to date, and still one injection.
    let later = level_pod(&[("drain-seconds", "20")]);
    let (refreshed, decision) = create(&pod_of(&stored), &later, &settings());
    assert_eq!(decision.reason, Reason::Refreshed);
    let (fresh, _) = create(&pod_of(&deployment()), &later, &settings());
    assert_eq!(refreshed["spec"], fresh["spec"]);
}

#[test]
fn workloads_are_checked_and_not_changed() {
    let plain = deployment();
    let (after, decision) = create(&plain, &level_pod(&[]), &settings());
    assert_eq!((&after, decision.reason), (&plain, Reason::LevelPod));
    assert_eq!(
        (decision.outcome, says(&decision)),
        (Outcome::Skipped, String::new())
    );
    assert!(decision.timeline.is_some() && !decision.steps.is_empty());

    for (key, value, told) in [
        ("drain-seconds", "x", "allowed is a whole number"),
        ("container", "other", "there is no container"),
        ("deregister", "nacos", "it needs silkroll.dev/nacos-server"),
        (
            "inject",
            "yes",
            "allowed on a workload is enabled or disabled",
        ),
    ] {
        let mut invalid = deployment();
        let annotations = &mut invalid["spec"]["template"]["metadata"]["annotations"];
        annotations[format!("silkroll.dev/{key}")] = value.into();
        let (_, decision) = create(&invalid, &level_pod(&[]), &settings());
        assert_eq!(decision.outcome, Outcome::Rejected, "{key}");
        assert!(decision.denial.unwrap().contains(told), "{key}");
        // A controller's workload is nobody's to mend.
        invalid["metadata"]["ownerReferences"] =
            json!([{"kind": "App", "name": "a", "controller": true}]);
        let (_, decision) = create(&invalid, &level_pod(&[]), &settings());
        assert_eq!(decision.outcome, Outcome::Skipped, "{key}");
        assert!(says(&decision).contains(told), "{key}: {decision:?}");
    }
    let mut own = deployment();
    annotate(&mut own, "drain-seconds", "x");
    let (_, decision) = create(&own, &level_pod(&[]), &settings());
    assert_eq!(decision.outcome, Outcome::Rejected);

    let unknown = opted_in(&[("level", "pods")]);
    for object in [deployment(), pod()] {
        let (after, decision) = create(&object, &unknown, &settings());
        assert_eq!(
            (after, decision.reason),
            (object, Reason::InvalidAnnotation)
        );
        let told = r#"silkroll.dev/level: "pods" on Namespace shop cannot be used: allowed is workload or pod"#;
        assert!(says(&decision).contains(told), "{decision:?}");
    }

    let mut set = deployment();
    set["kind"] = "StatefulSet".into();
    let (_, decision) = create(&set, &level_pod(&[]), &settings());
    assert_eq!(
        (decision.reason, says(&decision)),
        (Reason::LevelPod, String::new())
    );
}

#[test]
fn what_does_not_reach_the_pods_is_warned_of() {
    let place = "on Deployment shop/web does not reach its Pods";
    for (own, namespace, told) in [
        (
            vec![("drain-seconds", "5")],
            level_pod(&[]),
            vec![format!("silkroll.dev/drain-seconds {place}")],
        ),
        (
            vec![
                ("drain-seconds", "5"),
                ("container", "web"),
                ("hook", "script"),
            ],
            level_pod(&[]),
            vec![format!(
                "silkroll.dev/drain-seconds, container and 1 more {place}"
            )],
        ),
        (
            vec![("inject", "disabled")],
            level_pod(&[]),
            vec![format!("silkroll.dev/inject {place}")],
        ),
        (
            vec![("inject", "enabled")],
            pairs(&[("inject", "on-request"), ("level", "pod")]),
            vec![format!("silkroll.dev/inject {place}")],
        ),
        (
            vec![],
            level_pod(&[("rollout", "surge"), ("min-ready-seconds", "5")]),
            vec![
                "silkroll.dev/rollout on Namespace shop has no effect".to_owned(),
                "silkroll.dev/min-ready-seconds on Namespace shop has no effect".to_owned(),
            ],
        ),
        (
            vec![("rollout", "surge")],
            level_pod(&[]),
            vec!["silkroll.dev/rollout on Deployment shop/web has no".to_owned()],
        ),
        (
            vec![],
            level_pod(&[("rollout", "keep"), ("min-ready-seconds", "0")]),
            vec![],
        ),
        (
            vec![("levl", "pod")],
            level_pod(&[]),
            vec!["did you mean silkroll.dev/level?".to_owned()],
        ),
        (
            vec![("level", "pod")],
            level_pod(&[]),
            vec!["silkroll.dev/level on Deployment shop/web has no effect".to_owned()],
        ),
        (
            vec![("level", "pod")],
            opted_in(&[]),
            vec!["silkroll.dev/level on Deployment shop/web has no effect".to_owned()],
        ),
    ] {
        let mut object = deployment();
        for (key, value) in &own {
            annotate(&mut object, key, value);
        }
        let (_, decision) = create(&object, &namespace, &settings());
        assert_eq!(decision.warnings.len(), told.len(), "{decision:?}");
        for (warning, told) in decision.warnings.iter().zip(told) {
            assert!(warning.contains(&told), "{warning}, not {told}");
            assert!(
                warning.chars().count() < 250 && !warning.ends_with('…'),
                "{warning}"
            );
        }
        if decision.reason == Reason::LevelPod {
            let (pod, _) = create(&pod_of(&object), &namespace, &settings());
            let (same, _) = create(&pod_of(&deployment()), &namespace, &settings());
            assert_eq!(pod["spec"], same["spec"]);
        }
    }
}

#[test]
fn where_it_is_switched_off_everyone_who_applies_is_told_and_nothing_is_injected() {
    let namespace = level_pod(&[]);
    let off = Settings::default();
    let (stored, first) = create(&deployment(), &namespace, &off);
    assert_eq!((first.reason, &stored), (Reason::LevelOff, &deployment()));
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    let (_, second) = update(&new, &stored, &namespace, &off);
    for decision in [first, second] {
        assert_eq!(decision.warnings.len(), 1, "{decision:?}");
        let told = "Namespace shop says silkroll.dev/level: pod, which is switched off";
        assert!(decision.warnings[0].contains(told), "{decision:?}");
    }
    let mut invalid = new.clone();
    annotate(&mut invalid, "drain-seconds", "x");
    assert_eq!(
        update(&invalid, &stored, &namespace, &off).1.outcome,
        Outcome::Rejected
    );
}

#[test]
fn what_was_injected_before_the_level_changed_is_given_back_at_the_next_change() {
    let before = opted_in(&[("rollout", "surge"), ("min-ready-seconds", "5")]);
    let (stored, _) = create(&deployment(), &before, &settings());
    let namespace = level_pod(&[]);
    let mut scaled = stored.clone();
    scaled["spec"]["replicas"] = 5.into();
    annotate(&mut scaled, "x", "y");
    scaled["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("silkroll.dev/x");
    assert_eq!(update(&scaled, &stored, &namespace, &settings()).0, scaled);

    let change = |object: &Value| {
        let mut object = object.clone();
        object["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
        object
    };
    let (after, decision) = update(&change(&stored), &stored, &namespace, &settings());
    assert_eq!(
        (decision.outcome, decision.reason),
        (Outcome::Removed, Reason::LevelPod)
    );
    assert_eq!(decision.warnings, Vec::<String>::new());
    assert_eq!(after, change(&deployment()));
    // And back again.
    let (again, _) = update(&stored, &after, &before, &settings());
    assert_eq!(again["spec"]["template"], stored["spec"]["template"]);
}

#[test]
fn a_pod_waits_for_no_helper() {
    let namespace = level_pod(&[
        ("hook", "binary"),
        ("hook-arch", "amd64"),
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ]);
    let ask = |stands: bool| {
        let body = review("CREATE", &pod(), &Value::Null);
        let mut review = Review::read(&body).unwrap();
        review.helper_stands = stands;
        let view = NamespaceView::Known {
            annotations: &namespace,
            labels: &[],
        };
        let decision = review.decide(&settings(), view, false);
        assert!(decision.helper, "it is to be written");
        (apply(&pod(), &decision), decision)
    };
    let volume = |pod: &Value| pod["spec"]["volumes"][1]["configMap"].clone();
    let start = |pod: &Value| pod["spec"]["containers"][0]["lifecycle"]["postStart"].clone();
    let (without, decision) = ask(false);
    assert_eq!(
        (start(&without), volume(&without)["optional"].clone()),
        (Value::Null, true.into())
    );
    assert!(
        says(&decision).contains("no start hook in this Pod"),
        "{decision:?}"
    );
    let (with, decision) = ask(true);
    assert!(start(&with).is_object() && volume(&with)["optional"].is_null());
    assert_eq!(says(&decision), "");
    // A workload that is applied before tells that its Pods will need it.
    let (_, decision) = create(&deployment(), &namespace, &settings());
    assert!(decision.helper, "{decision:?}");
}

#[test]
fn no_start_hook_runs_a_shell_that_may_not_be_there() {
    let nacos = [
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ];
    let said = [&nacos[..], &[("hook", "script")]].concat();
    let start = |pod: &Value| pod["spec"]["containers"][0]["lifecycle"]["postStart"].is_object();
    for (edit, namespace, starts) in [
        ((|_| {}) as fn(&mut Value), level_pod(&nacos), false),
        (|_| {}, level_pod(&said), true),
        (
            |web| web["command"] = json!(["/bin/sh", "-c", "exec web"]),
            level_pod(&nacos),
            true,
        ),
    ] {
        let mut workload = deployment();
        edit(&mut workload["spec"]["template"]["spec"]["containers"][0]);
        let (pod, first) = create(&pod_of(&workload), &namespace, &settings());
        assert_eq!(start(&pod), starts, "{first:?}");
        let (same, again) = create(&pod, &namespace, &settings());
        assert_eq!((&same, again.outcome), (&pod, Outcome::Unchanged));
        // The author of the workload is told what the log says of the Pod.
        let (_, decision) = create(&workload, &namespace, &settings());
        let told = says(&decision).contains("there is no start hook");
        assert_eq!(told, !starts, "{decision:?}");
    }
    // What stood in the template is brought up to date: the word for it is gone.
    let (stored, _) = create(&deployment(), &opted_in(&said), &settings());
    for (namespace, starts) in [(level_pod(&said), true), (level_pod(&nacos), false)] {
        let (pod, decision) = create(&pod_of(&stored), &namespace, &settings());
        assert_eq!(start(&pod), starts, "{decision:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_for_pods(
        workload in generate::workload(), namespace in generate::namespace(), stands in any::<bool>()
    ) {
        let mut level = namespace.clone();
        level.push(("silkroll.dev/level".into(), "pod".into()));
        let (left, at_workload) = create(&workload, &level, &settings());
        prop_assert_eq!(&left, &workload, "workloads stay as they are");
        let pod = pod_of(&workload);
        let ask = |pod: &Value| {
            let body = review("CREATE", pod, &Value::Null);
            let mut review = Review::read(&body).unwrap();
            review.helper_stands = stands;
            let view = NamespaceView::Known { annotations: &level, labels: &[] };
            let decision = review.decide(&settings(), view, true);
            (apply(pod, &decision), decision)
        };
        let (once, first) = ask(&pod);
        prop_assert!(first.outcome != Outcome::Rejected);
        prop_assert!(first.warnings.iter().all(|warning| warning.chars().count() < 250));
        let (twice, second) = ask(&once);
        prop_assert_eq!(&twice, &once, "{:?}", second);
        if first.outcome != Outcome::Injected {
            prop_assert_eq!(&once, &pod);
            return Ok(());
        }
        prop_assert_eq!(second.outcome, Outcome::Unchanged);
        // The author was told what the log alone tells of a Pod.
        prop_assert_eq!(at_workload.timeline, first.timeline);
        if !pod.to_string().contains("forged") {
            let (back, _) = remove(&once, &settings());
            prop_assert_eq!(back, pod);
        }
    }
}
