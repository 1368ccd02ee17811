//! Law 1: what the user sent is the user's, also where it equals what was injected; and what was injected is
//! found again where others changed the object around it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::engine::{Kind, Outcome, Reason, Settings};
use support::{Pairs, annotate, create, create_by, deployment, opted_in, patch_by, update};

fn pod(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]
}

fn web(object: &mut Value) -> &mut Value {
    &mut pod(object)["containers"][0]
}

/// How a manifest gets to the API server, as far as the object tells.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sent {
    ClientSide,
    ServerSide,
    /// `kubectl edit`, `kubectl patch`: nothing tells what was meant.
    Edited,
}

/// `fieldsV1` of an apply of this value.
fn fields(value: &Value) -> Value {
    let item = |item: &Value| {
        let by = if item["mountPath"].is_string() {
            "mountPath"
        } else {
            "name"
        };
        format!("k:{}", json!({by: item[by]}))
    };
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (format!("f:{key}"), fields(value)))
            .collect(),
        Value::Array(items) if items.iter().all(Value::is_object) => items
            .iter()
            .map(|value| (item(value), fields(value)))
            .collect(),
        _ => json!({}),
    }
}

/// Notes on an object that this manifest was sent.
fn note(object: &mut Value, manifest: &Value, sent: Sent) {
    let spec = json!({"spec": manifest["spec"]});
    match sent {
        Sent::ClientSide => {
            object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
                spec.to_string().into();
        }
        Sent::ServerSide => {
            object["metadata"]["managedFields"] = json!([{
                "manager": "kubectl", "operation": "Apply", "apiVersion": "apps/v1",
                "fieldsType": "FieldsV1", "fieldsV1": fields(&spec)
            }]);
        }
        Sent::Edited => {}
    }
}

/// A manifest as people write it: no defaults.
fn manifest() -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{
        "name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]
    }]}}}})
}

type Edit = fn(&mut Value);

/// What a team writes that equals what was injected already.
const EQUAL: [(&str, Edit); 3] = [
    ("a probe", |object| {
        web(object)["readinessProbe"] = json!({"tcpSocket": {"port": 8080}});
    }),
    ("a hook and its grace period", |object| {
        web(object)["lifecycle"]["preStop"] = json!({"sleep": {"seconds": 15}});
        pod(object)["terminationGracePeriodSeconds"] = 50.into();
    }),
    ("an address", |object| {
        web(object)["env"] =
            json!([{"name": "podip", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]);
    }),
];

#[test]
fn a_part_that_the_user_sent_stays_theirs_though_it_equals_ours() {
    for sent in [Sent::ClientSide, Sent::ServerSide, Sent::Edited] {
        for (what, edit) in EQUAL {
            let mut first = deployment();
            note(&mut first, &manifest(), sent);
            let (stored, _) = create(&first, &opted_in(&[]), &Settings::default());
            // Sent, it changes nothing of the object but what is noted.
            let mut written = manifest();
            edit(&mut written);
            let mut noted = stored.clone();
            note(&mut noted, &written, sent);
            let (noted, decision) = update(&noted, &stored, &opted_in(&[]), &Settings::default());
            assert_eq!(decision.outcome, Outcome::Unchanged, "{what}, {sent:?}");
            let mut out = noted.clone();
            annotate(&mut out, "inject", "disabled");
            web(&mut out)["image"] = "web:2".into();
            let (after, decision) = update(&out, &noted, &opted_in(&[]), &Settings::default());
            assert_eq!(decision.outcome, Outcome::Removed, "{what}, {sent:?}");
            let mut wanted = deployment();
            if sent != Sent::Edited {
                edit(&mut wanted);
            }
            let (mut after, mut wanted) = (after, wanted);
            let gone = |object: &mut Value, name: &str| web(object)[name].take();
            for name in ["readinessProbe", "lifecycle", "env"] {
                let (is, should) = (gone(&mut after, name), gone(&mut wanted, name));
                let there = !should.is_null();
                assert_eq!(!is.is_null(), there, "{what}, {sent:?}: {name} {is}");
            }
            // An apply's entry lists fields without values, and the API server fills this one in: what was
            // there before the injection, or sent since, nothing tells.
            let grace = "terminationGracePeriodSeconds";
            if sent == Sent::ServerSide {
                pod(&mut wanted)[grace] = 30.into();
            }
            assert_eq!(
                pod(&mut after)[grace],
                pod(&mut wanted)[grace],
                "{what}, {sent:?}"
            );
        }
    }
}

#[test]
fn what_was_sent_before_the_injection_says_nothing_about_what_was_put_in_its_place() {
    for sent in [Sent::ClientSide, Sent::ServerSide] {
        let mut own = manifest();
        pod(&mut own)["terminationGracePeriodSeconds"] = 30.into();
        web(&mut own)["lifecycle"]["preStop"] = json!({"sleep": {"seconds": 4}});
        let mut object = deployment();
        web(&mut object)["lifecycle"]["preStop"] = json!({"sleep": {"seconds": 4}});
        note(&mut object, &own, sent);
        let (stored, _) = create(&object, &opted_in(&[]), &Settings::default());
        assert_eq!(
            stored["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
            54
        );
        let mut image = stored.clone();
        web(&mut image)["image"] = "web:2".into();
        let (mut after, _) = update(&image, &stored, &opted_in(&[]), &Settings::default());
        assert_eq!(
            pod(&mut after)["terminationGracePeriodSeconds"],
            54,
            "{sent:?}"
        );
        let hook = &web(&mut after)["lifecycle"]["preStop"];
        assert_eq!(hook, &json!({"sleep": {"seconds": 19}}), "{sent:?}");
        annotate(&mut after, "inject", "disabled");
        let (mut out, _) = update(&after, &image, &opted_in(&[]), &Settings::default());
        assert_eq!(
            pod(&mut out)["terminationGracePeriodSeconds"],
            30,
            "{sent:?}"
        );
        let hook = &web(&mut out)["lifecycle"]["preStop"];
        assert_eq!(hook, &json!({"sleep": {"seconds": 4}}), "{sent:?}");
    }
}

#[test]
fn a_grace_period_that_an_apply_sends_is_the_users_though_one_stood_there_before() {
    let mut first = deployment();
    note(&mut first, &manifest(), Sent::ServerSide);
    let (stored, _) = create(&first, &opted_in(&[]), &Settings::default());
    let mut written = manifest();
    pod(&mut written)["terminationGracePeriodSeconds"] = 50.into();
    web(&mut written)["lifecycle"]["preStop"] = json!({"sleep": {"seconds": 35}});
    let mut sent = stored.clone();
    note(&mut sent, &written, Sent::ServerSide);
    web(&mut sent)["lifecycle"]["preStop"] = json!({"sleep": {"seconds": 35}});
    let settings = Settings::default();
    let (now, _) = patch_by("kubectl", &sent, &stored, &opted_in(&[]), &settings);
    let mut out = now.clone();
    annotate(&mut out, "inject", "disabled");
    let (mut after, decision) = update(&out, &now, &opted_in(&[]), &settings);
    assert_eq!(decision.outcome, Outcome::Removed);
    assert_eq!(pod(&mut after)["terminationGracePeriodSeconds"], 50);
    let hook = &web(&mut after)["lifecycle"]["preStop"];
    assert_eq!(hook, &json!({"sleep": {"seconds": 35}}));
}

#[test]
fn a_grace_period_that_is_taken_back_counts_no_more_though_the_default_equals_ours() {
    for sent in [Sent::ClientSide, Sent::ServerSide] {
        let mut written = manifest();
        pod(&mut written)["terminationGracePeriodSeconds"] = 10.into();
        let mut first = deployment();
        pod(&mut first)["terminationGracePeriodSeconds"] = 10.into();
        note(&mut first, &written, sent);
        let settings = Settings::default();
        let (mut stored, _) = create(&first, &opted_in(&[]), &settings);
        assert_eq!(pod(&mut stored)["terminationGracePeriodSeconds"], 30);
        // Taken out of the manifest, it is what the API server fills in.
        let mut without = stored.clone();
        note(&mut without, &manifest(), sent);
        web(&mut without)["image"] = "web:2".into();
        let (mut after, _) = patch_by("kubectl", &without, &stored, &opted_in(&[]), &settings);
        let grace = &pod(&mut after)["terminationGracePeriodSeconds"];
        assert_eq!(*grace, 50, "{sent:?}");
    }
}

#[test]
fn a_first_apply_on_the_servers_side_makes_nothing_of_ours_the_users() {
    let mut own = manifest();
    pod(&mut own)["terminationGracePeriodSeconds"] = 20.into();
    web(&mut own)["lifecycle"]["preStop"] = json!({"exec": {"command": ["bye"]}});
    let mut object = deployment();
    pod(&mut object)["terminationGracePeriodSeconds"] = 20.into();
    web(&mut object)["lifecycle"]["preStop"] = json!({"exec": {"command": ["bye"]}});
    note(&mut object, &own, Sent::ClientSide);
    let (stored, _) = create(&object, &nacos(&[]), &Settings::default());
    // What was sent lands over what was injected, and is put back.
    let mut sent = stored.clone();
    note(&mut sent, &own, Sent::ServerSide);
    pod(&mut sent)["terminationGracePeriodSeconds"] = 20.into();
    web(&mut sent)["lifecycle"]["preStop"] = json!({"exec": {"command": ["bye"]}});
    let (now, _) = update(&sent, &stored, &nacos(&[]), &Settings::default());
    assert_eq!(now["spec"], stored["spec"]);
    let mut image = now.clone();
    web(&mut image)["image"] = "web:2".into();
    let (after, decision) = update(&image, &now, &nacos(&[]), &Settings::default());
    assert_eq!(decision.reason, Reason::Refreshed);
    let mut wanted = stored["spec"].clone();
    wanted["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    wanted["template"]["metadata"] = after["spec"]["template"]["metadata"].clone();
    assert_eq!(after["spec"], wanted);
}

#[test]
fn an_injected_manifest_that_is_applied_makes_nothing_of_ours_the_users() {
    for sent in [Sent::ClientSide, Sent::ServerSide] {
        let (injected, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
        let mut stored = injected.clone();
        note(&mut stored, &injected, sent);
        let mut out = stored.clone();
        annotate(&mut out, "inject", "disabled");
        let (after, decision) = update(&out, &stored, &opted_in(&[]), &Settings::default());
        assert_eq!(decision.outcome, Outcome::Removed, "{sent:?}");
        assert_eq!(after["spec"], deployment()["spec"], "{sent:?}");
    }
}

#[test]
fn what_came_without_the_record_is_the_users_though_it_equals_ours() {
    let (stored, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
    for (what, edit) in EQUAL {
        let mut replaced = deployment();
        edit(&mut replaced);
        let (now, decision) = update(&replaced, &stored, &opted_in(&[]), &Settings::default());
        assert_eq!(decision.outcome, Outcome::Injected, "{what}");
        let mut out = now.clone();
        annotate(&mut out, "inject", "disabled");
        let (after, _) = update(&out, &now, &opted_in(&[]), &Settings::default());
        assert_eq!(after["spec"], replaced["spec"], "{what}");
    }
}

#[test]
fn an_object_that_lost_its_record_alone_is_still_known_where_its_manifest_is() {
    let mut plain = deployment();
    note(&mut plain, &manifest(), Sent::ClientSide);
    let (stored, _) = create(&plain, &opted_in(&[]), &Settings::default());
    let mut stripped = stored.clone();
    let template = stripped["spec"]["template"].as_object_mut().unwrap();
    template["metadata"]
        .as_object_mut()
        .unwrap()
        .shift_remove("annotations");
    let (after, _) = update(&stripped, &stored, &opted_in(&[]), &Settings::default());
    assert_eq!(after, stored);
    web(&mut stripped)["image"] = "web:2".into();
    let (mut after, _) = update(&stripped, &stored, &opted_in(&[]), &Settings::default());
    let hook = &web(&mut after)["lifecycle"]["preStop"];
    assert_eq!(hook, &json!({"sleep": {"seconds": 15}}));
}

#[test]
fn a_patch_that_takes_the_record_away_takes_nothing_else() {
    let settings = Settings::default();
    let (stored, _) = create(&deployment(), &opted_in(&[]), &settings);
    let mut stripped = stored.clone();
    let template = stripped["spec"]["template"].as_object_mut().unwrap();
    let meta = template["metadata"].as_object_mut().unwrap();
    meta.shift_remove("annotations");
    let (after, _) = patch_by("editor", &stripped, &stored, &opted_in(&[]), &settings);
    assert_eq!(after["spec"], stored["spec"]);
}

#[test]
fn a_manifest_that_says_all_that_was_injected_is_its_authors_whole() {
    let mut plain = deployment();
    web(&mut plain)["env"] = json!([{
        "name": "podip", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}
    }]);
    let probe = json!({"httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"}});
    web(&mut plain)["readinessProbe"] = probe;
    let (stored, _) = create(&plain, &opted_in(&[]), &Settings::default());
    let mut replaced = plain;
    web(&mut replaced)["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 15}}});
    pod(&mut replaced)["terminationGracePeriodSeconds"] = 50.into();
    let (now, _) = update(&replaced, &stored, &opted_in(&[]), &Settings::default());
    annotate(&mut replaced, "inject", "disabled");
    let (after, _) = update(&replaced, &now, &opted_in(&[]), &Settings::default());
    assert_eq!(after["spec"], replaced["spec"]);
}

#[test]
fn a_hook_of_ours_without_any_record_is_left_alone_and_never_chained_into_itself() {
    for hook in ["script", "binary"] {
        let namespace = nacos(&[("hook", hook), ("hook-arch", "amd64")]);
        let (mut stored, _) = create(&deployment(), &namespace, &Settings::default());
        let template = stored["spec"]["template"].as_object_mut().unwrap();
        template["metadata"]
            .as_object_mut()
            .unwrap()
            .shift_remove("annotations");
        let (after, decision) = create(&stored, &namespace, &Settings::default());
        assert_eq!(after, stored, "{hook}");
        assert_eq!(decision.reason, Reason::BadRecord, "{hook}");
        assert!(decision.warnings.concat().contains("silkroll.dev/status"));
        let mut image = stored.clone();
        web(&mut image)["image"] = "web:2".into();
        let (after, _) = update(&image, &stored, &namespace, &Settings::default());
        assert_eq!(after, image, "{hook}");
    }
}

#[test]
fn a_hook_of_ours_that_was_edited_is_still_ours() {
    let mut plain = deployment();
    web(&mut plain)["lifecycle"] = json!({"preStop": {"exec": {"command": ["/app/stop"]}}});
    let (stored, _) = create(&plain, &nacos(&[]), &Settings::default());
    let mut edited = stored.clone();
    let command = &mut web(&mut edited)["lifecycle"]["preStop"]["exec"]["command"];
    command.as_array_mut().unwrap().push("more".into());
    let (after, decision) = update(&edited, &stored, &nacos(&[]), &Settings::default());
    assert_eq!(after, stored, "{decision:?}");
}

fn nacos(more: &[(&str, &str)]) -> Pairs {
    let mut all = vec![
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ];
    all.extend_from_slice(more);
    opted_in(&all)
}

#[test]
fn a_users_probe_that_an_apply_merges_into_ours_keeps_none_of_our_numbers() {
    let namespace = opted_in(&[
        ("readiness-initial-delay-seconds", "120"),
        ("readiness-period-seconds", "30"),
    ]);
    let own = json!({"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}});
    for (sent, numbers) in [
        (own.clone(), None),
        (
            json!({"httpGet": own["httpGet"], "periodSeconds": 30}),
            Some(30),
        ),
    ] {
        let (stored, _) = create(&deployment(), &namespace, &Settings::default());
        let mut written = manifest();
        web(&mut written)["readinessProbe"] = sent;
        let mut merged = stored.clone();
        note(&mut merged, &written, Sent::ClientSide);
        web(&mut merged)["readinessProbe"]["httpGet"] = own["httpGet"].clone();
        let (mut after, _) = update(&merged, &stored, &namespace, &Settings::default());
        let probe = &web(&mut after)["readinessProbe"];
        assert_eq!(probe["httpGet"], own["httpGet"]);
        assert_eq!(probe.get("tcpSocket"), None);
        assert_eq!(probe.get("initialDelaySeconds"), None);
        assert_eq!(probe["periodSeconds"].as_i64(), numbers);
    }
}

#[test]
fn a_container_that_is_renamed_takes_its_injection_along() {
    let (stored, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
    let mut renamed = stored.clone();
    web(&mut renamed)["name"] = "app".into();
    let (mut after, _) = update(&renamed, &stored, &opted_in(&[]), &Settings::default());
    assert_eq!(
        web(&mut after)["lifecycle"]["preStop"]["sleep"]["seconds"],
        15
    );
    assert_eq!(pod(&mut after)["terminationGracePeriodSeconds"], 50);
    let mut out = after.clone();
    annotate(&mut out, "inject", "disabled");
    let (out, _) = update(&out, &after, &opted_in(&[]), &Settings::default());
    let mut wanted = deployment();
    web(&mut wanted)["name"] = "app".into();
    assert_eq!(out["spec"], wanted["spec"]);
}

#[test]
fn the_containers_of_the_record_stay_the_targets_whatever_is_added() {
    let (stored, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
    let proxy = json!({"name": "proxy", "image": "p", "ports": [{"containerPort": 15001}]});
    let mut added = stored.clone();
    pod(&mut added)["containers"]
        .as_array_mut()
        .unwrap()
        .push(proxy);
    let mut namespace = opted_in(&[]);
    namespace.extend(support::pairs(&[("drain-seconds", "20")]));
    let (mut after, decision) = update(&added, &stored, &namespace, &Settings::default());
    let told = decision.warnings.concat();
    assert!(
        told.contains("proxy: it declares port 15001 and gets no hook"),
        "{told}"
    );
    assert_eq!(
        web(&mut after)["lifecycle"]["preStop"]["sleep"]["seconds"],
        20
    );
    assert_eq!(pod(&mut after)["containers"][1].get("env"), None);
}

/// One request, with another webhook behind ours that sets the grace period to 60; whoever is first is asked again.
fn with_another_webhook(new: &Value, old: Option<&Value>) -> Value {
    let ask = |object: &Value| match old {
        None => create(object, &opted_in(&[]), &Settings::default()).0,
        Some(old) => update(object, old, &opted_in(&[]), &Settings::default()).0,
    };
    let mut object = ask(new);
    pod(&mut object)["terminationGracePeriodSeconds"] = 60.into();
    ask(&object)
}

#[test]
fn another_webhook_behind_ours_rolls_nothing_out() {
    let stored = with_another_webhook(&deployment(), None);
    let mut labelled = stored.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    let after = with_another_webhook(&labelled, Some(&stored));
    assert_eq!(after["spec"], stored["spec"]);
    let after = with_another_webhook(&deployment(), Some(&stored));
    assert_eq!(after["spec"], stored["spec"]);
}

/// A call of the webhook for a server-side apply, which creates an object or changes one.
fn apply_call(object: &Value, old: Option<&Value>) -> Value {
    let (namespace, settings) = (opted_in(&[]), Settings::default());
    match old {
        Some(old) => patch_by("kubectl", object, old, &namespace, &settings).0,
        None => create_by("kubectl", object, &namespace, &settings).0,
    }
}

#[test]
fn a_second_call_for_one_apply_takes_nothing_of_ours_for_what_was_applied() {
    let edits: [(&str, Edit); 3] = [
        ("a grace period", |object| {
            pod(object)["terminationGracePeriodSeconds"] = 50.into();
        }),
        ("a sleep", |object| {
            web(object)["lifecycle"]["preStop"] = json!({"sleep": {"seconds": 7}});
        }),
        ("a hook", |object| {
            web(object)["lifecycle"]["preStop"] =
                json!({"exec": {"command": ["/bin/sh", "-c", "date"]}});
        }),
    ];
    for (what, edit) in edits {
        let mut written = manifest();
        edit(&mut written);
        let mut sent = deployment();
        edit(&mut sent);
        note(&mut sent, &written, Sent::ServerSide);
        let once = apply_call(&sent, None);
        let mut behind = once.clone();
        behind["spec"]["template"]["metadata"]["annotations"]["other"] = "webhook".into();
        assert_eq!(apply_call(&behind, None), behind, "{what}, created");

        let mut changed = once.clone();
        web(&mut changed)["image"] = "web:2".into();
        edit(&mut changed);
        let again = apply_call(&changed, Some(&once));
        assert_eq!(apply_call(&again, Some(&once)), again, "{what}, updated");
        let mut behind = again.clone();
        behind["spec"]["template"]["metadata"]["annotations"]["other"] = "webhook".into();
        let mut asked_again = apply_call(&behind, Some(&once));
        assert_eq!(
            pod(&mut asked_again)["terminationGracePeriodSeconds"],
            pod(&mut behind)["terminationGracePeriodSeconds"],
            "{what}, updated"
        );
        assert_eq!(web(&mut asked_again), web(&mut behind), "{what}, updated");
    }
}

#[test]
fn a_second_call_for_one_replacement_leaves_what_was_sent_beside_the_template() {
    let surge = opted_in(&[("rollout", "surge"), ("min-ready-seconds", "7")]);
    let settings = Settings::default();
    let (stored, _) = create(&deployment(), &surge, &settings);
    let mut sent = deployment();
    web(&mut sent)["image"] = "web:2".into();
    sent["spec"]["minReadySeconds"] = 7.into();
    sent["spec"]["strategy"]["rollingUpdate"] = json!({"maxUnavailable": 0, "maxSurge": "25%"});
    // Who replaces an object has nothing of the record.
    sent["metadata"]["managedFields"] = json!([{
        "manager": "kubectl-replace", "operation": "Update", "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields(&json!({"spec": sent["spec"]}))
    }]);
    let (once, _) = update(&sent, &stored, &surge, &settings);
    let (twice, _) = update(&once, &stored, &surge, &settings);
    assert_eq!(twice, once);
    assert_eq!(twice["spec"]["minReadySeconds"], 7);
    assert_eq!(twice["spec"]["strategy"], sent["spec"]["strategy"]);
}

fn all_kinds() -> Settings {
    Settings {
        kinds: Kind::ALL.to_vec(),
        ..Settings::default()
    }
}

fn rollout() -> Value {
    let mut object = deployment();
    object["apiVersion"] = "argoproj.io/v1alpha1".into();
    object["kind"] = "Rollout".into();
    object
}

#[test]
fn an_empty_strategy_of_a_rollout_that_was_sent_stays() {
    let settings = all_kinds();
    let surge = opted_in(&[("rollout", "surge")]);
    for before in [
        json!({"maxSurge": 0}),
        json!({"steps": [{"setWeight": 20}]}),
    ] {
        let mut first = rollout();
        first["spec"]["strategy"] = json!({"canary": before});
        let manifest = first.clone();
        note(&mut first, &manifest, Sent::ClientSide);
        let (stored, _) = create(&first, &surge, &settings);
        // kubectl takes what was written before out of what is stored.
        let mut sent = stored.clone();
        let canary = sent["spec"]["strategy"]["canary"].as_object_mut().unwrap();
        for name in before.as_object().unwrap().keys() {
            canary.shift_remove(name);
        }
        let mut manifest = rollout();
        manifest["spec"]["strategy"] = json!({"canary": {}});
        note(&mut sent, &manifest, Sent::ClientSide);
        for changed in [false, true] {
            if changed {
                web(&mut sent)["image"] = "web:2".into();
            }
            let (now, _) = update(&sent, &stored, &surge, &settings);
            let canary = &now["spec"]["strategy"]["canary"];
            assert_eq!(canary["maxUnavailable"], 0, "{before} {canary}");
            let mut out = sent.clone();
            annotate(&mut out, "inject", "disabled");
            let (after, _) = update(&out, &stored, &surge, &settings);
            assert_eq!(after["spec"]["strategy"], json!({"canary": {}}), "{before}");
        }
    }
}

#[test]
fn a_rollout_that_leaves_out_a_list_that_was_empty_keeps_what_was_injected_into_it() {
    let settings = all_kinds();
    for list in ["env", "volumeMounts", "volumes"] {
        let place = if list == "volumes" { pod } else { web };
        let mut first = rollout();
        web(&mut first)
            .as_object_mut()
            .unwrap()
            .shift_remove("resources");
        let mut with = first.clone();
        place(&mut with)[list] = json!([]);
        let (mut stored, _) = create(&with, &nacos(&[]), &settings);
        // Otherwise written, and the same to the controller.
        let mut sent = first.clone();
        web(&mut sent)["resources"] = json!({});
        let (mut after, decision) = update(&sent, &stored, &nacos(&[]), &settings);
        assert_eq!(decision.reason, Reason::Restored, "{list}");
        assert_eq!(place(&mut after)[list], place(&mut stored)[list], "{list}");
    }
}

#[test]
fn a_record_is_read_back_whatever_its_size() {
    let mut plain = deployment();
    let own = json!({"exec": {"command": ["/bin/sh", "-c", "x".repeat(70 * 1024)]}});
    web(&mut plain)["lifecycle"] = json!({"preStop": own});
    let (stored, decision) = create(&plain, &nacos(&[]), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Injected);
    let mut out = stored.clone();
    annotate(&mut out, "inject", "disabled");
    let (after, _) = update(&out, &stored, &nacos(&[]), &Settings::default());
    assert_eq!(after["spec"], plain["spec"]);
}

#[test]
fn a_workload_that_a_controller_owns_is_left_to_it_unless_it_asks_itself() {
    let owner =
        |controller: bool| json!([{"kind": "Shop", "name": "shop", "controller": controller}]);
    for (controller, asks, reason) in [
        (true, false, Reason::Owned),
        (true, true, Reason::Covered),
        (false, false, Reason::Covered),
    ] {
        let mut object = deployment();
        object["metadata"]["ownerReferences"] = owner(controller);
        if asks {
            annotate(&mut object, "inject", "enabled");
        }
        let (_, decision) = create(&object, &opted_in(&[]), &Settings::default());
        assert_eq!(decision.reason, reason, "{controller} {asks}");
        assert_eq!(decision.warnings, Vec::<String>::new());
    }
}
