//! Law 2: only a change that the user made to the template or to our annotations changes the
//! template. Each case is an UPDATE as kubectl or a controller makes it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::engine::{Outcome, Reason, Settings};
use support::{annotate, create, deployment, nacos, opted_in, update};

/// A newer Silkroll: another script, another version of the native sleep.
fn upgraded() -> Settings {
    let mut settings = Settings::default();
    settings.script.config_map = "silkroll-0123456789ab".into();
    settings
}

fn template(object: &Value) -> &Value {
    &object["spec"]["template"]
}

#[test]
fn a_plain_deployment_gets_all_it_needs_to_leave_nacos() {
    let (stored, decision) = create(&deployment(), &nacos(), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Injected);
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&stored["spec"]["template"]["spec"]).unwrap()
    );
}

#[test]
fn a_plain_deployment_gets_a_native_sleep_where_nobody_is_called() {
    let (stored, decision) = create(&deployment(), &opted_in(&[]), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Injected);
    assert_eq!(decision.warnings, Vec::<String>::new());
    insta::assert_snapshot!(serde_json::to_string_pretty(&stored).unwrap());
}

#[test]
fn updates_that_change_nothing_of_the_users_leave_the_template_as_it_was() {
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 7] = [
        ("label", |d| d["metadata"]["labels"] = json!({"team": "a"})),
        ("foreign annotation", |d| {
            d["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2".into();
        }),
        ("scale through the main resource", |d| {
            d["spec"]["replicas"] = 9.into();
        }),
        ("client-side apply puts the grace period back", |d| {
            d["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 30.into();
        }),
        ("hook removed by hand", |d| {
            d["spec"]["template"]["spec"]["containers"][0]
                .as_object_mut()
                .unwrap()
                .remove("lifecycle");
        }),
        ("volume and mount removed by hand", |d| {
            let spec = &mut d["spec"]["template"]["spec"];
            spec.as_object_mut().unwrap().remove("volumes");
            spec["containers"][0]
                .as_object_mut()
                .unwrap()
                .remove("volumeMounts");
        }),
        ("environment removed by hand", |d| {
            d["spec"]["template"]["spec"]["containers"][0]
                .as_object_mut()
                .unwrap()
                .remove("env");
        }),
    ];
    for namespace in [nacos(), opted_in(&[])] {
        for settings in [Settings::default(), upgraded()] {
            let (stored, _) = create(&deployment(), &namespace, &Settings::default());
            for (name, edit) in edits {
                let mut new = stored.clone();
                edit(&mut new);
                let (after, decision) = update(&new, &stored, &namespace, &settings);
                assert_eq!(template(&after), template(&stored), "{name}: {decision:?}");
            }
        }
    }
}

#[test]
fn a_record_that_was_removed_by_hand_is_put_back_where_a_hook_tells_whose_it_was() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    let mut new = stored.clone();
    let meta = &mut new["spec"]["template"]["metadata"];
    meta.as_object_mut().unwrap().remove("annotations");
    let (after, decision) = update(&new, &stored, &nacos(), &upgraded());
    assert_eq!(template(&after), template(&stored), "{decision:?}");
}

#[test]
fn replacing_with_the_plain_manifest_puts_the_injected_template_back() {
    for settings in [Settings::default(), upgraded()] {
        for extra in [
            vec![],
            vec![("rollout", "surge"), ("min-ready-seconds", "7")],
        ] {
            let mut namespace = nacos();
            namespace.extend(support::pairs(&extra));
            let (stored, _) = create(&deployment(), &namespace, &Settings::default());
            let (after, decision) = update(&deployment(), &stored, &namespace, &settings);
            assert_eq!(after["spec"], stored["spec"], "{decision:?}");
            assert_eq!(decision.reason, Reason::Restored);
        }
    }
}

#[test]
fn a_users_hook_that_every_apply_sends_again_is_chained_once() {
    let mut plain = deployment();
    let own = json!({"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo bye"]}}});
    plain["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = own.clone();
    let (stored, _) = create(&plain, &nacos(), &Settings::default());
    let command =
        &template(&stored)["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
    assert_eq!(command[4], "exec");
    assert_eq!(command[7], "echo bye");
    let mut again = stored.clone();
    again["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"] =
        own["preStop"].clone();
    for settings in [Settings::default(), upgraded()] {
        let (after, _) = update(&again, &stored, &nacos(), &settings);
        assert_eq!(template(&after), template(&stored));
    }
}

#[test]
fn a_change_of_the_image_keeps_the_injection_and_brings_it_up_to_date() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    let (after, decision) = update(&new, &stored, &nacos(), &upgraded());
    assert_eq!(decision.reason, Reason::Refreshed);
    let volumes = &template(&after)["spec"]["volumes"];
    assert_eq!(volumes[0]["configMap"]["name"], "silkroll-0123456789ab");
    assert_eq!(volumes.as_array().unwrap().len(), 1);
}

#[test]
fn a_rollback_gets_the_old_template_back_byte_for_byte() {
    for annotated_since in [false, true] {
        let (first, _) = create(&deployment(), &nacos(), &Settings::default());
        let mut image = first.clone();
        image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
        let mut namespace = nacos();
        if annotated_since {
            namespace.extend(support::pairs(&[("drain-seconds", "77")]));
        }
        let (second, _) = update(&image, &first, &namespace, &upgraded());
        assert_ne!(template(&second), template(&first));
        let mut undo = second.clone();
        undo["spec"]["template"] = first["spec"]["template"].clone();
        let (after, decision) = update(&undo, &second, &namespace, &upgraded());
        assert_eq!(template(&after), template(&first));
        assert_eq!(decision.reason, Reason::RollbackKept);
    }
}

#[test]
fn beside_a_template_that_came_back_stands_what_its_own_record_wants() {
    let asked = opted_in(&[("rollout", "surge"), ("min-ready-seconds", "9")]);
    for (then, since) in [(opted_in(&[]), asked.clone()), (asked, opted_in(&[]))] {
        let settings = Settings::default();
        let (first, _) = create(&deployment(), &then, &settings);
        let mut image = first.clone();
        image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
        let (second, _) = update(&image, &first, &since, &settings);
        assert_ne!(second["spec"]["strategy"], first["spec"]["strategy"]);
        let mut undo = second.clone();
        undo["spec"]["template"] = first["spec"]["template"].clone();
        let (after, decision) = update(&undo, &second, &since, &settings);
        assert_eq!(decision.reason, Reason::RollbackKept);
        assert_eq!(after["spec"], first["spec"]);
        // And nothing of ours is left when the namespace opts out.
        let mut labelled = after.clone();
        annotate(&mut labelled, "inject", "disabled");
        let (out, _) = update(&labelled, &after, &since, &settings);
        assert_eq!(out["spec"], deployment()["spec"]);
    }
}

#[test]
fn what_opting_out_gives_back_is_never_refused_for_a_sleep_that_our_grace_period_held() {
    let settings = Settings::default();
    let (stored, _) = create(&deployment(), &nacos(), &settings);
    for (sleep, holds) in [(20, true), (35, false)] {
        let mut own = stored.clone();
        let containers = &mut own["spec"]["template"]["spec"]["containers"];
        containers[0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": sleep}}});
        let (own, _) = update(&own, &stored, &nacos(), &settings);
        let ours = &template(&own)["spec"]["terminationGracePeriodSeconds"];
        let mut out = own.clone();
        annotate(&mut out, "inject", "disabled");
        let (out, decision) = update(&out, &own, &nacos(), &settings);
        let spec = &template(&out)["spec"];
        assert_eq!(
            spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"],
            sleep
        );
        let grace = if holds { &json!(30) } else { ours };
        assert_eq!(spec["terminationGracePeriodSeconds"], *grace);
        assert_eq!(decision.warnings.len(), usize::from(!holds), "{decision:?}");
    }
}

#[test]
fn an_annotation_that_changes_is_followed() {
    let (stored, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
    let mut new = stored.clone();
    annotate(&mut new, "drain-seconds", "40");
    let (after, decision) = update(&new, &stored, &opted_in(&[]), &Settings::default());
    assert_eq!(decision.reason, Reason::Refreshed);
    let spec = &template(&after)["spec"];
    assert_eq!(
        spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"],
        40
    );
    assert_eq!(spec["terminationGracePeriodSeconds"], 75);
}

#[test]
fn an_annotation_that_says_the_same_in_other_words_rolls_nothing_out() {
    let (stored, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
    let mut new = stored.clone();
    annotate(&mut new, "inject", "true");
    let (after, decision) = update(&new, &stored, &opted_in(&[]), &Settings::default());
    assert_eq!(template(&after), template(&stored));
    assert_eq!(decision.outcome, Outcome::Unchanged);
}

#[test]
fn a_deployment_from_before_the_namespace_opted_in_is_left_until_its_user_changes_it() {
    let old = deployment();
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    let (after, decision) = update(&labelled, &old, &opted_in(&[]), &Settings::default());
    assert_eq!(after, labelled);
    assert_eq!(decision.reason, Reason::NothingChanged);
    let mut restarted = old.clone();
    restarted["spec"]["template"]["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
    let (_, decision) = update(&restarted, &old, &opted_in(&[]), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Injected);
}

#[test]
fn opting_out_gives_back_what_was_there() {
    let mut plain = deployment();
    plain["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"httpGet": {"path": "/bye", "port": "http", "scheme": "HTTP"}},
               "postStart": {"exec": {"command": ["touch", "/tmp/x"]}}});
    let mut namespace = nacos();
    namespace.extend(support::pairs(&[
        ("rollout", "surge"),
        ("min-ready-seconds", "7"),
    ]));
    let (stored, _) = create(&plain, &namespace, &Settings::default());
    assert_ne!(stored, plain);
    let mut out = stored.clone();
    annotate(&mut out, "inject", "disabled");
    let (after, decision) = update(&out, &stored, &namespace, &Settings::default());
    assert_eq!(decision.outcome, Outcome::Removed);
    let mut wanted = plain.clone();
    annotate(&mut wanted, "inject", "disabled");
    assert_eq!(after, wanted);
}

#[test]
fn a_namespace_that_opts_out_gives_back_at_the_next_change_of_the_template() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    let mut labelled = stored.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    let out = support::pairs(&[("inject", "disabled")]);
    let (after, _) = update(&labelled, &stored, &out, &Settings::default());
    assert_eq!(template(&after), template(&stored));
    let mut image = stored.clone();
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    let (after, decision) = update(&image, &stored, &out, &Settings::default());
    assert_eq!(decision.outcome, Outcome::Removed);
    let mut wanted = deployment();
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    assert_eq!(template(&after), template(&wanted));
}

#[test]
fn a_probe_that_an_apply_merges_into_ours_ends_up_as_the_users_alone() {
    let (stored, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"] =
        json!({"path": "/ready", "port": 8080, "scheme": "HTTP"});
    let (after, _) = update(&new, &stored, &opted_in(&[]), &Settings::default());
    let probe = &template(&after)["spec"]["containers"][0]["readinessProbe"];
    assert_eq!(probe.get("tcpSocket"), None);
    assert_eq!(probe["httpGet"]["path"], "/ready");
}

#[test]
fn a_hook_that_an_apply_merges_into_ours_is_chained() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["httpGet"] =
        json!({"path": "/bye", "port": 8080, "scheme": "HTTP"});
    let (after, _) = update(&new, &stored, &nacos(), &Settings::default());
    let hook = &template(&after)["spec"]["containers"][0]["lifecycle"]["preStop"];
    assert_eq!(hook.get("httpGet"), None);
    let words = hook["exec"]["command"].as_array().unwrap();
    assert_eq!(
        words[4..],
        [
            json!("http"),
            json!("HTTP"),
            json!(""),
            json!("8080"),
            json!("/bye")
        ]
    );
}

#[test]
fn surge_is_put_back_when_a_manifest_resets_the_strategy() {
    let namespace = opted_in(&[("rollout", "surge"), ("min-ready-seconds", "9")]);
    let (stored, _) = create(&deployment(), &namespace, &Settings::default());
    assert_eq!(
        stored["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"],
        0
    );
    assert_eq!(stored["spec"]["minReadySeconds"], 9);
    let mut new = stored.clone();
    new["spec"]["strategy"] = deployment()["spec"]["strategy"].clone();
    let (after, _) = update(&new, &stored, &namespace, &Settings::default());
    assert_eq!(after["spec"], stored["spec"]);
}

#[test]
fn a_shell_that_the_users_own_hooks_prove_stays_proved_once_they_are_chained() {
    let mut plain = deployment();
    let own = json!({"exec": {"command": ["/bin/sh", "-c", "echo bye"]}});
    plain["spec"]["template"]["spec"]["containers"][0]["lifecycle"] =
        json!({"preStop": own.clone(), "postStart": own});
    let mut namespace = nacos();
    namespace.extend(support::pairs(&[("existing-pre-stop-seconds", "1")]));
    let (stored, created) = create(&plain, &namespace, &Settings::default());
    let mut image = stored.clone();
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    let (_, updated) = update(&image, &stored, &namespace, &Settings::default());
    assert_eq!(created.warnings, Vec::<String>::new());
    assert_eq!(updated.warnings, Vec::<String>::new());
}

#[test]
fn the_patch_is_the_same_whoever_wrote_the_json() {
    let mut object = deployment();
    let spec = &mut object["spec"]["template"]["spec"];
    spec["containers"][0]["lifecycle"] = json!({
        "preStop": {"exec": {"command": ["/bin/sh", "-c", "a && b < \"c\""]}},
        "postStart": {"exec": {"command": ["/bin/sh", "-c", "a && b"]}},
    });
    spec["containers"][0]["args"] = json!(["a&b"]);
    spec["volumes"] = json!([{"name": "a", "hostPath": {"path": "/a&b"}}]);
    let ours = support::review("CREATE", &object, &Value::Null);
    let text = String::from_utf8(ours.clone()).unwrap();
    // As Go's encoding/json writes it.
    let theirs = text.replace('&', "\\u0026").replace('<', "\\u003c");
    let decide = |body: &[u8]| support::decide(body, &nacos(), &Settings::default());
    assert_eq!(decide(theirs.as_bytes()).patch, decide(&ours).patch);
}

#[test]
fn a_manifest_injected_at_hand_rolls_nothing_out_when_the_webhook_takes_over() {
    // As people write it, before the API server fills anything in.
    let mut manifest = deployment();
    let spec = manifest["spec"]["template"]["spec"]
        .as_object_mut()
        .unwrap();
    spec.shift_remove("terminationGracePeriodSeconds");
    spec["containers"][0]["lifecycle"] = json!({"preStop": {"httpGet": {"port": 8080}}});
    let mut defaulted = deployment();
    defaulted["spec"]["template"]["spec"]["containers"][0]["lifecycle"] =
        json!({"preStop": {"httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"}}});
    let (stored, _) = create(&manifest, &nacos(), &Settings::default());
    let (after, decision) = update(&defaulted, &stored, &nacos(), &upgraded());
    assert_eq!(template(&after), template(&stored));
    assert_eq!(decision.reason, Reason::Restored);
}

#[test]
fn a_strategy_alone_rolls_nothing_out_whatever_the_namespace_says_meanwhile() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    for (old, namespace) in [
        (&stored, support::pairs(&[])),
        (&stored, support::pairs(&[("inject", "disabled")])),
        (&stored, nacos()),
        (&deployment(), nacos()),
    ] {
        let mut new = old.clone();
        new["spec"]["strategy"] = json!({"type": "Recreate"});
        new["spec"]["minReadySeconds"] = 4.into();
        let (after, decision) = update(&new, old, &namespace, &upgraded());
        assert_eq!(template(&after), template(old), "{decision:?}");
    }
}

#[test]
fn a_podip_that_an_apply_merges_into_ours_ends_up_as_the_users_alone() {
    for (own, wanted) in [
        (
            json!({"value": "192.0.2.1"}),
            json!({"name": "podip", "value": "192.0.2.1"}),
        ),
        (
            json!({"configMapKeyRef": {"name": "a", "key": "b"}}),
            json!({"name": "podip", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}),
        ),
    ] {
        let (stored, _) = create(&deployment(), &opted_in(&[]), &Settings::default());
        let mut new = stored.clone();
        let entry = &mut new["spec"]["template"]["spec"]["containers"][0]["env"][0];
        match own.get("value") {
            Some(value) => entry["value"] = value.clone(),
            None => entry["valueFrom"]["configMapKeyRef"] = own["configMapKeyRef"].clone(),
        }
        let (after, _) = update(&new, &stored, &opted_in(&[]), &Settings::default());
        let env = &template(&after)["spec"]["containers"][0]["env"];
        assert_eq!(env, &json!([wanted]));
        let (again, decision) = update(&after, &new, &opted_in(&[]), &Settings::default());
        assert_eq!(again, after, "{decision:?}");
    }
}

#[test]
fn a_users_volume_that_is_named_like_ours_is_left_alone() {
    for method in [opted_in(&[]), nacos()] {
        let mut plain = deployment();
        let spec = &mut plain["spec"]["template"]["spec"];
        spec["volumes"] = json!([{"name": "silkroll", "configMap": {"name": "silkroll-settings"}}]);
        spec["containers"][0]["volumeMounts"] =
            json!([{"name": "silkroll", "mountPath": "/silkroll"}]);
        let (stored, decision) = create(&plain, &method, &Settings::default());
        let after = &template(&stored)["spec"];
        assert_eq!(
            after["volumes"],
            template(&plain)["spec"]["volumes"],
            "{decision:?}"
        );
        assert_eq!(
            after["containers"][0]["volumeMounts"],
            template(&plain)["spec"]["containers"][0]["volumeMounts"]
        );
    }
}

/// Records that this version cannot read: of another format, mangled, or with what none can say.
fn unreadable_records() -> Vec<String> {
    let mut all: Vec<String> = [
        json!({"slots": {"grace": -9}}),
        json!({"slots": {"minReady": "5"}}),
        json!({"slots": {"maxSurge": {}}}),
        json!({"slots": {"web/preStop": 5}}),
        json!({"slots": {"web/image": "EVIL"}}),
        json!({"slots": {"web/env": {}}}),
        json!({"slots": {"preStop": {}}}),
        json!({"slots": {"web/grace": 5}}),
        json!({"was": {"grace": 5}}),
        json!({"empty": {"annotations": "EVIL"}}),
        json!({"containers": {}}),
        json!({"future": 1}),
        json!({"format": 1}),
        json!({"format": 3}),
        json!({"format": "2"}),
    ]
    .iter()
    .map(|part| {
        let mut record =
            json!({"format": 2, "version": "0.1.0", "user": "", "containers": [], "slots": {}});
        let record = record.as_object_mut().unwrap();
        record.extend(part.as_object().unwrap().clone());
        serde_json::to_string(record).unwrap()
    })
    .collect();
    all.extend(["", "x", "{", "[]", "null", r#"{"format":1}"#, "{}"].map(str::to_owned));
    all
}

#[test]
fn an_object_whose_record_cannot_be_read_is_left_alone_whatever_is_asked() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    for record in unreadable_records() {
        for inject in ["enabled", "disabled"] {
            for (mut object, old) in [
                (deployment(), None),
                (stored.clone(), None),
                (stored.clone(), Some(&stored)),
            ] {
                annotate(&mut object, "inject", inject);
                object["spec"]["template"]["metadata"]["annotations"] =
                    json!({"silkroll.dev/status": record});
                let settings = Settings::default();
                let (after, decision) = match old {
                    None => create(&object, &nacos(), &settings),
                    Some(old) => update(&object, old, &nacos(), &settings),
                };
                assert_eq!(after, object, "{record}");
                assert_eq!(decision.reason, Reason::BadRecord, "{record}");
                assert_eq!(decision.warnings.len(), 1, "{record}");
                let (again, _) = update(&after, &after, &nacos(), &settings);
                assert_eq!(again, after, "{record}");
            }
        }
    }
}

#[test]
fn seconds_for_an_own_hook_count_only_where_there_is_one() {
    let said = [("existing-pre-stop-seconds", "40")];
    let replaced = [
        ("existing-pre-stop-seconds", "40"),
        ("existing-pre-stop", "replace"),
    ];
    let mut hooked = deployment();
    hooked["spec"]["template"]["spec"]["containers"][0]["lifecycle"] =
        json!({"preStop": {"exec": {"command": ["/bin/sh", "-c", "bye"]}}});
    for (object, annotations, grace) in [
        (&deployment(), &said[..], 50),
        (&hooked, &said[..], 90),
        (&hooked, &replaced[..], 50),
    ] {
        let (stored, _) = create(object, &opted_in(annotations), &Settings::default());
        assert_eq!(
            template(&stored)["spec"]["terminationGracePeriodSeconds"],
            grace
        );
    }
}

#[test]
fn surge_is_for_daemonsets_too_unless_they_hold_ports_of_the_node() {
    let settings = Settings {
        kinds: silkroll::engine::Kind::ALL.to_vec(),
        ..Settings::default()
    };
    for (host_network, surges) in [(false, true), (true, false)] {
        let mut object = deployment();
        object["kind"] = "DaemonSet".into();
        let spec = object["spec"].as_object_mut().unwrap();
        spec.shift_remove("strategy");
        spec.insert(
            "updateStrategy".to_owned(),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
        );
        object["spec"]["template"]["spec"]["hostNetwork"] = host_network.into();
        let (stored, decision) = create(&object, &opted_in(&[("rollout", "surge")]), &settings);
        let rolling = &stored["spec"]["updateStrategy"]["rollingUpdate"];
        assert_eq!(rolling["maxSurge"], i32::from(surges), "{decision:?}");
        assert_eq!(decision.warnings.is_empty(), surges);
    }
}

#[test]
fn what_a_manifest_leaves_out_counts_as_what_the_api_fills_in() {
    let settings = Settings {
        kinds: silkroll::engine::Kind::ALL.to_vec(),
        ..Settings::default()
    };
    let namespace = opted_in(&[("rollout", "surge"), ("min-ready-seconds", "7")]);
    let filled = |unavailable: Value, surge: Value| {
        json!({"type": "RollingUpdate",
               "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}})
    };
    // What stands in the manifest, what the API server makes of it, and what has to be stored.
    for (kind, member, written, sent, surge) in [
        (
            "Deployment",
            "strategy",
            Value::Null,
            filled(json!("25%"), json!("25%")),
            json!("25%"),
        ),
        (
            "Deployment",
            "strategy",
            json!({}),
            filled(json!("25%"), json!("25%")),
            json!("25%"),
        ),
        (
            "Deployment",
            "strategy",
            json!({"rollingUpdate": {"maxUnavailable": 1}}),
            filled(json!(1), json!("25%")),
            json!("25%"),
        ),
        (
            "Deployment",
            "strategy",
            json!({"rollingUpdate": {"maxUnavailable": 0}}),
            filled(json!(0), json!("25%")),
            json!("25%"),
        ),
        (
            "Deployment",
            "strategy",
            json!({"rollingUpdate": {"maxSurge": 2, "maxUnavailable": null}}),
            filled(json!("25%"), json!(2)),
            json!(2),
        ),
        (
            "Deployment",
            "strategy",
            json!({"rollingUpdate": {"maxSurge": 0}}),
            filled(json!("25%"), json!(0)),
            json!(1),
        ),
        (
            "DaemonSet",
            "updateStrategy",
            Value::Null,
            filled(json!(1), json!(0)),
            json!(1),
        ),
    ] {
        let mut by_api = deployment();
        by_api["kind"] = kind.into();
        let spec = by_api["spec"].as_object_mut().unwrap();
        spec.shift_remove("strategy");
        let mut by_hand = by_api.clone();
        by_api["spec"][member] = sent;
        let spec = by_hand["spec"].as_object_mut().unwrap();
        spec.shift_remove("progressDeadlineSeconds");
        if !written.is_null() {
            spec.insert(member.to_owned(), written.clone());
        }
        let pod = by_hand["spec"]["template"]["spec"].as_object_mut().unwrap();
        pod.shift_remove("terminationGracePeriodSeconds");
        let (stored, _) = create(&by_api, &namespace, &settings);
        let (injected, _) = create(&by_hand, &namespace, &settings);
        assert_eq!(
            stored["spec"][member]["rollingUpdate"]["maxSurge"], surge,
            "{written}"
        );
        // The API's defaulting over what was injected at hand.
        let mut rolling = injected["spec"][member]["rollingUpdate"].clone();
        if rolling["maxSurge"].is_null() {
            rolling["maxSurge"] = "25%".into();
        }
        assert_eq!(
            rolling, stored["spec"][member]["rollingUpdate"],
            "{written}"
        );
        assert_eq!(
            injected["spec"]["minReadySeconds"],
            stored["spec"]["minReadySeconds"]
        );
        let (by_hand, by_api) = (&template(&injected)["spec"], &template(&stored)["spec"]);
        assert_eq!(by_hand["containers"], by_api["containers"]);
        let grace = "terminationGracePeriodSeconds";
        assert_eq!(by_hand[grace], by_api[grace]);
    }
}

#[test]
fn a_left_out_min_ready_comes_back_once_the_deadline_allows_it() {
    let mut plain = deployment();
    plain["spec"]["progressDeadlineSeconds"] = 60.into();
    let namespace = opted_in(&[("min-ready-seconds", "60")]);
    let (stored, decision) = create(&plain, &namespace, &Settings::default());
    assert_eq!(stored["spec"]["minReadySeconds"], Value::Null);
    assert!(
        decision
            .warnings
            .concat()
            .contains("minReadySeconds 60 was left out")
    );
    let mut raised = stored.clone();
    raised["spec"]["progressDeadlineSeconds"] = 600.into();
    let (after, _) = update(&raised, &stored, &namespace, &Settings::default());
    assert_eq!(after["spec"]["minReadySeconds"], 60);
    assert_eq!(template(&after), template(&stored));
    // And goes again, with what was there before.
    let (out, _) = update(&after, &after, &namespace, &Settings::default());
    assert_eq!(out, after);
    let mut off = after.clone();
    annotate(&mut off, "inject", "disabled");
    let (off, _) = update(&off, &after, &namespace, &Settings::default());
    assert_eq!(off["spec"]["minReadySeconds"], Value::Null);
}

#[test]
fn a_users_sleep_of_any_length_becomes_one_native_sleep() {
    for (own, seconds) in [(0, 15), (4, 19)] {
        let mut plain = deployment();
        plain["spec"]["template"]["spec"]["containers"][0]["lifecycle"] =
            json!({"preStop": {"sleep": {"seconds": own}}});
        let (stored, decision) = create(&plain, &opted_in(&[]), &Settings::default());
        let spec = &template(&stored)["spec"];
        assert_eq!(
            spec["containers"][0]["lifecycle"]["preStop"],
            json!({"sleep": {"seconds": seconds}})
        );
        assert_eq!(spec["volumes"], Value::Null);
        assert_eq!(decision.timeline.unwrap().hook, Some(own));
        assert_eq!(decision.warnings, Vec::<String>::new());
    }
}

#[test]
fn a_value_that_cannot_be_used_is_told_with_what_becomes_of_the_injection() {
    let settings = Settings {
        deny_invalid: false,
        ..Settings::default()
    };
    let stays = "the injection stays as it was: silkroll.dev/drain-seconds";
    let (stored, _) = create(&deployment(), &opted_in(&[]), &settings);
    let mut bad = stored.clone();
    annotate(&mut bad, "drain-seconds", "1m");
    let (after, decision) = update(&bad, &stored, &opted_in(&[]), &settings);
    assert_eq!(template(&after), template(&stored));
    assert!(decision.warnings.concat().contains(stays), "{decision:?}");
    let mut image = bad.clone();
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    let (after, decision) = update(&image, &bad, &opted_in(&[]), &settings);
    assert_eq!(template(&after), template(&image));
    assert!(decision.warnings.concat().contains(stays), "{decision:?}");
    let (_, decision) = create(&image, &opted_in(&[]), &settings);
    assert!(decision.warnings.concat().contains(stays), "{decision:?}");
    // Where nothing stands.
    let mut plain = deployment();
    annotate(&mut plain, "drain-seconds", "1m");
    let (_, decision) = create(&plain, &opted_in(&[]), &settings);
    let nothing = "nothing was injected: silkroll.dev/drain-seconds";
    assert!(decision.warnings.concat().contains(nothing), "{decision:?}");
}
