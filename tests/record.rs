//! What the record says is read back and given back: whatever stood there, whatever our values look like, whatever the
//! containers are called by then.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::engine::{Kind, Outcome, Settings};
use support::{
    Pairs, annotate, create, decide, deployment, nacos, opted_in, remove, review, update,
};

fn web(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]["containers"][0]
}

fn variable<'v>(object: &'v mut Value, name: &str) -> &'v Value {
    let env = web(object)["env"].as_array().unwrap().iter();
    &env.clone().find(|entry| entry["name"] == name).unwrap()["value"]
}

#[test]
fn a_setting_that_looks_like_a_hash_is_followed_and_given_back() {
    let service = |name| {
        let mut namespace = nacos();
        namespace.extend(support::pairs(&[("nacos-service", name)]));
        namespace
    };
    let settings = Settings::default();
    for name in ["#shop", "#0123456789abcdef", "a#b"] {
        let (mut stored, _) = create(&deployment(), &service(name), &settings);
        assert_eq!(variable(&mut stored, "SILKROLL_NACOS_SERVICE"), name);
        let (again, decision) = create(&stored, &service(name), &settings);
        assert_eq!(again, stored, "{decision:?}");
        let (back, _) = remove(&stored, &settings);
        assert_eq!(back, deployment());
        let mut image = stored.clone();
        web(&mut image)["image"] = "web:2".into();
        let (mut after, _) = update(&image, &stored, &service("#other"), &settings);
        assert_eq!(variable(&mut after, "SILKROLL_NACOS_SERVICE"), "#other");
    }
}

/// Injected, asked again, and taken out.
fn is_given_back(what: &str, object: &Value, namespace: &Pairs) {
    let settings = Settings {
        kinds: Kind::ALL.to_vec(),
        ..Settings::default()
    };
    let (stored, decision) = create(object, namespace, &settings);
    assert_eq!(decision.outcome, Outcome::Injected, "{what}");
    let (again, decision) = create(&stored, namespace, &settings);
    assert_eq!(again, stored, "{what}: {decision:?}");
    assert_eq!(decision.outcome, Outcome::Unchanged, "{what}");
    let (back, decision) = remove(&stored, &settings);
    assert_eq!(&back, object, "{what}: {decision:?}");
}

#[test]
fn what_stood_there_is_given_back_whatever_it_was() {
    for (what, at, value) in [
        (
            "a text for a hook",
            "/template/spec/containers/0/lifecycle",
            json!({"preStop": "x"}),
        ),
        (
            "a list for a hook",
            "/template/spec/containers/0/lifecycle",
            json!({"preStop": [1]}),
        ),
        (
            "a hook without an action",
            "/template/spec/containers/0/lifecycle",
            json!({"preStop": {}}),
        ),
        ("a text for seconds", "/minReadySeconds", json!("y")),
        ("a text for a strategy", "/strategy", json!("x")),
        (
            "a list for a strategy's type",
            "/strategy",
            json!({"type": []}),
        ),
        (
            "true for a rolling update",
            "/strategy",
            json!({"rollingUpdate": true}),
        ),
        (
            "a text for an amount",
            "/strategy",
            json!({"rollingUpdate": {"maxUnavailable": "x"}}),
        ),
        ("no strategy at all", "/strategy", json!(null)),
    ] {
        let mut object = deployment();
        let (parent, member) = at.rsplit_once('/').unwrap();
        object["spec"].pointer_mut(parent).unwrap()[member] = value;
        let namespace = opted_in(&[("rollout", "surge"), ("min-ready-seconds", "10")]);
        is_given_back(what, &object, &namespace);
    }
}

#[test]
fn numbers_of_a_users_hook_keep_their_digits() {
    let mut object = deployment();
    web(&mut object)["lifecycle"] =
        json!({"preStop": {"exec": {"command": ["a\\b<"]}, "future": "NUMBER"}});
    let with_number = |body: &[u8]| {
        let text = std::str::from_utf8(body).unwrap();
        text.replace("\"NUMBER\"", "1.10")
            .replace("\\\"NUMBER\\\"", "1.10")
    };
    let namespace = opted_in(&[("existing-pre-stop", "replace")]);
    let body = with_number(&review("CREATE", &object, &Value::Null));
    let decision = decide(body.as_bytes(), &namespace, &Settings::default());
    let patch = decision.patch.unwrap();
    assert!(patch.contains("1.10"), "{patch}");
}

#[test]
fn a_new_container_that_takes_the_name_of_one_that_was_renamed_takes_nothing_else() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    let mut renamed = stored.clone();
    web(&mut renamed)["name"] = "app".into();
    let new = json!({"name": "web", "image": "proxy:1"});
    renamed["spec"]["template"]["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(new.clone());
    let (after, decision) = update(&renamed, &stored, &nacos(), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    assert_eq!(after["spec"]["template"]["spec"]["containers"][1], new);
    let mut out = after.clone();
    annotate(&mut out, "inject", "disabled");
    let (out, _) = update(&out, &after, &nacos(), &Settings::default());
    let mut wanted = deployment();
    web(&mut wanted)["name"] = "app".into();
    let containers = &mut wanted["spec"]["template"]["spec"]["containers"];
    containers.as_array_mut().unwrap().push(new);
    assert_eq!(out["spec"], wanted["spec"]);
}

#[test]
fn of_two_variables_of_one_name_ours_is_taken_out() {
    let (stored, _) = create(&deployment(), &nacos(), &Settings::default());
    for front in [true, false] {
        let mut edited = stored.clone();
        let own = json!({"name": "podip", "value": "192.0.2.1"});
        let env = web(&mut edited)["env"].as_array_mut().unwrap();
        env.insert(if front { 0 } else { env.len() }, own.clone());
        annotate(&mut edited, "inject", "disabled");
        let (mut after, decision) = update(&edited, &stored, &nacos(), &Settings::default());
        assert_eq!(decision.outcome, Outcome::Removed);
        assert_eq!(web(&mut after)["env"], json!([own]));
    }
}
