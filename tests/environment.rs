//! Where variables of ours stand in a container's list: so that a user's JSON patch that names an
//! entry by its number hits the one that it means, and so that no upgrade moves what is there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::engine::{Outcome, Reason, Settings};
use support::{create, deployment, nacos, opted_in, update};

fn with(env: &Value) -> Value {
    let mut object = deployment();
    object["spec"]["template"]["spec"]["containers"][0]["env"] = env.clone();
    object
}

fn env(object: &Value) -> &Vec<Value> {
    object["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap()
}

/// The names, ours of the script as one.
fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = env(object)
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .map(|name| {
            if name.starts_with("SILKROLL_") {
                "…"
            } else {
                name
            }
        })
        .collect();
    names.dedup();
    names
}

#[test]
fn the_users_entries_keep_their_numbers_unless_one_refers_to_the_address() {
    let plain = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    let escaped = json!([{"name": "A", "value": "$$(podip)"}]);
    let refers = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "http://$(podip):80"}]);
    for (list, namespace, expected) in [
        (&plain, nacos(), &["A", "B", "podip", "…"][..]),
        (&plain, opted_in(&[]), &["A", "B", "podip"]),
        (&escaped, nacos(), &["A", "podip", "…"]),
        (&refers, nacos(), &["podip", "A", "B", "…"]),
        (&refers, opted_in(&[]), &["podip", "A", "B"]),
        (&json!([]), nacos(), &["podip", "…"]),
        (&Value::Null, nacos(), &["podip", "…"]),
    ] {
        let (stored, _) = create(&with(list), &namespace, &Settings::default());
        assert_eq!(names(&stored), expected);
        let (again, decision) = create(&stored, &namespace, &Settings::default());
        assert_eq!(again, stored, "{decision:?}");
        assert_eq!(decision.outcome, Outcome::Unchanged);
    }
}

#[test]
fn a_patch_by_number_hits_the_entry_that_is_meant() {
    let list = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    for namespace in [nacos(), opted_in(&[])] {
        let (stored, _) = create(&with(&list), &namespace, &Settings::default());
        let place = "/spec/template/spec/containers/0/env";
        for (patch, expected) in [
            (
                json!([{"op": "replace", "path": format!("{place}/0/value"), "value": "9"}]),
                json!([{"name": "A", "value": "9"}, {"name": "B", "value": "2"}]),
            ),
            (
                json!([{"op": "remove", "path": format!("{place}/0")}]),
                json!([{"name": "B", "value": "2"}]),
            ),
            (
                json!([{"op": "add", "path": format!("{place}/-"), "value": {"name": "C", "value": "3"}}]),
                json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]),
            ),
        ] {
            let mut new = stored.clone();
            let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
            json_patch::patch(&mut new, &patch).unwrap();
            let (after, _) = update(&new, &stored, &namespace, &Settings::default());
            // Byte for byte what a manifest that says so would give.
            let (fresh, _) = create(&with(&expected), &namespace, &Settings::default());
            assert_eq!(after, fresh);
            let users = expected.as_array().unwrap();
            assert_eq!(env(&after)[..users.len()], users[..]);
        }
    }
}

/// What an UPDATE does.
type Edit = fn(&mut Value);

/// As version 0.1.0 injected it: ours before the user's.
fn by_the_former_rule(stored: &Value) -> Value {
    let mut object = stored.clone();
    let ours = |entry: &Value| {
        entry["name"] == "podip" || entry["name"].as_str().unwrap().starts_with("SILKROLL_")
    };
    let (mut first, last): (Vec<_>, Vec<_>) = env(stored).iter().cloned().partition(ours);
    first.extend(last);
    object["spec"]["template"]["spec"]["containers"][0]["env"] = first.into();
    object
}

#[test]
fn what_the_former_rule_put_first_moves_with_its_users_next_change_and_not_before() {
    let list = json!([{"name": "A", "value": "1"}]);
    for namespace in [nacos(), opted_in(&[])] {
        let (now, _) = create(&with(&list), &namespace, &Settings::default());
        let former = by_the_former_rule(&now);
        assert_eq!(names(&former)[0], "podip");
        let edits: [Edit; 3] = [
            |d| d["metadata"]["labels"] = json!({"a": "b"}),
            |d| d["spec"]["strategy"] = json!({"type": "Recreate"}),
            |d| d["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 30.into(),
        ];
        for edit in edits {
            let mut new = former.clone();
            edit(&mut new);
            let (after, decision) = update(&new, &former, &namespace, &Settings::default());
            assert_eq!(
                after["spec"]["template"], former["spec"]["template"],
                "{decision:?}"
            );
        }
        // The plain manifest replaced, and one that was injected at hand by this version.
        for manifest in [with(&list), now.clone()] {
            let (after, decision) = update(&manifest, &former, &namespace, &Settings::default());
            assert_eq!(
                after["spec"]["template"], former["spec"]["template"],
                "{decision:?}"
            );
            assert_eq!(decision.reason, Reason::Restored);
        }
        let mut image = former.clone();
        image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
        let (after, _) = update(&image, &former, &namespace, &Settings::default());
        assert_eq!(names(&after), names(&now));
        // And back: a rollback brings the former list as it was.
        let mut undo = after.clone();
        undo["spec"]["template"] = former["spec"]["template"].clone();
        let (undone, decision) = update(&undo, &after, &namespace, &Settings::default());
        assert_eq!(undone["spec"]["template"], former["spec"]["template"]);
        assert_eq!(decision.reason, Reason::RollbackKept);
        // Opting out gives back the same from either.
        let mut out = former.clone();
        out["metadata"]["annotations"]["silkroll.dev/inject"] = "disabled".into();
        let (plain, _) = update(&out, &former, &namespace, &Settings::default());
        assert_eq!(plain["spec"], with(&list)["spec"]);
    }
}

#[test]
fn the_address_goes_first_when_a_reference_to_it_comes_and_back_when_it_goes() {
    let list = json!([{"name": "A", "value": "1"}]);
    let (stored, _) = create(&with(&list), &nacos(), &Settings::default());
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "$(podip)".into();
    let (refers, _) = update(&new, &stored, &nacos(), &Settings::default());
    assert_eq!(names(&refers), ["podip", "A", "…"]);
    let mut new = refers.clone();
    new["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = "1".into();
    let (after, _) = update(&new, &refers, &nacos(), &Settings::default());
    assert_eq!(names(&after), ["A", "podip", "…"]);
}

#[test]
fn a_podip_of_the_users_that_is_merged_into_ours_stays_in_its_place() {
    let list = json!([{"name": "A", "value": "1"}]);
    let (stored, _) = create(&with(&list), &nacos(), &Settings::default());
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = "192.0.2.1".into();
    let (after, _) = update(&new, &stored, &nacos(), &Settings::default());
    assert_eq!(names(&after), ["A", "podip", "…"]);
    assert_eq!(
        env(&after)[1],
        json!({"name": "podip", "value": "192.0.2.1"})
    );
    // What was recorded fits what is stored: a rollback to it is recognised.
    let mut image = after.clone();
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    let (second, _) = update(&image, &after, &nacos(), &Settings::default());
    let mut undo = second.clone();
    undo["spec"]["template"] = after["spec"]["template"].clone();
    let (undone, decision) = update(&undo, &second, &nacos(), &Settings::default());
    assert_eq!(undone["spec"]["template"], after["spec"]["template"]);
    assert_eq!(decision.reason, Reason::RollbackKept);
}
