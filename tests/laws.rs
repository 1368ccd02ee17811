//! The laws of the engine over generated workloads: whatever stands in a manifest, every patch
//! applies, injecting twice changes nothing, and removing gives back the original.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::Value;
use silkroll::deregister::Arch;
use silkroll::engine::{Outcome, Settings};
use support::generate::{self, namespace};
use support::sequence::{Case, case, numbered};
use support::{create, edges, laws, remove, update};

/// Whatever an object can hold, and what the API takes or just does not take.
fn workload() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => generate::workload().boxed(),
        1 => edges::workload(&["Deployment"]).boxed(),
    ]
}

/// What the record says: a forged one that came with the manifest is not given back.
fn without_forged_record(mut object: Value) -> Value {
    if let Some(Value::Object(annotations)) =
        object.pointer_mut("/spec/template/metadata/annotations")
    {
        annotations.shift_remove("silkroll.dev/status");
    }
    object
}

/// The architecture of all nodes.
fn nodes() -> impl Strategy<Value = Option<Arch>> {
    prop::sample::select(vec![None, Some(Arch::Amd64), Some(Arch::Arm64)])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 800,
        // Some generated objects are rightly not injected into.
        max_global_rejects: 8_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn injecting_twice_changes_nothing_and_removing_gives_back_the_original(
        plain in workload(), namespace in namespace(), native_sleep in any::<bool>(), nodes in nodes()
    ) {
        let settings = Settings { native_sleep, node_arch: nodes, ..Settings::default() };
        let (once, first) = create(&plain, &namespace, &settings);
        prop_assert!(first.warnings.iter().all(|warning| warning.chars().count() < 250));
        let (twice, second) = create(&once, &namespace, &settings);
        prop_assert_eq!(&twice, &once, "{:?}", second);
        if first.outcome == Outcome::Injected {
            prop_assert_eq!(second.outcome, Outcome::Unchanged);
            let (back, decision) = remove(&once, &settings);
            if plain.to_string().contains("forged") {
                prop_assert_eq!(
                    without_forged_record(back), without_forged_record(plain)
                );
            } else {
                prop_assert_eq!(back, plain, "{:?}", decision.patch);
            }
        } else {
            prop_assert_eq!(once, plain);
        }
    }

    #[test]
    fn the_users_variables_stand_first_but_for_an_address_that_they_refer_to(
        plain in workload(), namespace in namespace()
    ) {
        let settings = Settings::default();
        let (stored, first) = create(&plain, &namespace, &settings);
        prop_assume!(first.outcome == Outcome::Injected);
        let containers = |object: &Value| {
            object["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone()
        };
        for (before, after) in containers(&plain).iter().zip(containers(&stored)) {
            let users = before["env"].as_array().cloned().unwrap_or_default();
            let entries = after["env"].as_array().cloned().unwrap_or_default();
            let refers = users.iter().any(|entry| entry["value"] == "$(podip)");
            let has = users.iter().any(|entry| entry["name"] == "podip");
            let at = usize::from(refers && !has && entries.len() > users.len());
            prop_assert_eq!(&entries[at..at + users.len()], &users[..]);
            prop_assert!(at == 0 || entries[0]["name"] == "podip");
        }
    }

    #[test]
    fn replacing_with_the_same_manifest_rolls_nothing_out(
        plain in workload(), namespace in namespace(), later in namespace(),
        before in nodes(), after in nodes()
    ) {
        let settings = Settings { node_arch: before, ..Settings::default() };
        let (stored, first) = create(&plain, &namespace, &settings);
        prop_assume!(first.outcome == Outcome::Injected);
        let mut upgraded = Settings { node_arch: after, ..Settings::default() };
        upgraded.script.config_map = "silkroll-0123456789ab".to_owned();
        let (after, decision) = update(&plain, &stored, &later, &upgraded);
        prop_assert_eq!(&after["spec"]["template"], &stored["spec"]["template"], "{:?}", decision);
    }

    #[test]
    fn a_change_by_the_user_survives_and_the_rest_is_injected_as_if_new(
        plain in workload(), namespace in namespace(), nodes in nodes()
    ) {
        let settings = Settings { node_arch: nodes, ..Settings::default() };
        let (stored, first) = create(&plain, &namespace, &settings);
        prop_assume!(first.outcome == Outcome::Injected);
        let change = |object: &Value| {
            let mut object = object.clone();
            object["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into();
            object
        };
        let (after, _) = update(&change(&stored), &stored, &namespace, &settings);
        let (fresh, _) = create(&change(&plain), &namespace, &settings);
        prop_assert_eq!(after, fresh);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(plain in workload(), namespace in namespace()) {
        let settings = Settings::default();
        let (_, first) = create(&plain, &namespace, &settings);
        let (_, second) = create(&plain, &namespace, &settings);
        prop_assert_eq!(first, second);
    }
}

/// What breaks a law, made as small as it can be.
fn smallest(mut life: impl ValueTree<Value = Case>) -> String {
    let broken = |life: &Case| laws::check(life, &life.run()).err();
    let mut found = (broken(&life.current()), life.current());
    while life.simplify() {
        let case = life.current();
        match broken(&case) {
            Some(law) => found = (Some(law), case),
            None if !life.complicate() => break,
            None => {}
        }
    }
    format!("{}\nof {:#?}", found.0.unwrap_or_default(), found.1)
}

/// `LAWS_CASES` says how many, for `make test` asks for many and a first look for few; `SEED` which. Those of
/// tests/results.rs, which shows one whole.
#[test]
fn the_laws_hold_through_three_changes_in_a_row() {
    let number =
        |name, otherwise: u64| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let (cases, seed) = (number("LAWS_CASES", 500), number("SEED", 1));
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let broken = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for thread in 0..threads {
            let broken = &broken;
            scope.spawn(move || {
                let strategy = case();
                for number in (thread..cases).step_by(usize::try_from(threads).unwrap()) {
                    let life = numbered(&strategy, seed, number).current();
                    if let Err(what) = laws::check(&life, &life.run()) {
                        let law = what.lines().next().unwrap().to_owned();
                        broken
                            .lock()
                            .unwrap()
                            .entry(law)
                            .or_insert_with(Vec::new)
                            .push(number);
                    }
                }
            });
        }
    });
    let mut failed = Vec::new();
    for (law, numbers) in broken.into_inner().unwrap() {
        let shown = smallest(numbered(&case(), seed, numbers[0]));
        println!(
            "{} of {cases} cases: {law} (SEED={seed} CASE={})\n{shown}\n",
            numbers.len(),
            numbers[0]
        );
        failed.push(law);
    }
    assert!(failed.is_empty(), "broken: {failed:?}");
}
