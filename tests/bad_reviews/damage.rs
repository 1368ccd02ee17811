//! Reviews broken at random.

use proptest::prelude::*;
use serde_json::{Value, json};
use silkroll::admission::{Review, answer};
use silkroll::engine::Settings;

use crate::ask::deceives;
use crate::support::{self, decide, deployment, opted_in, review};

/// One way of breaking a review.
#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Drop(prop::sample::Index),
    Put(prop::sample::Index, Value),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    let value = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("\u{202e}\u{0}\n"),
        json!([]),
        json!([null]),
        json!(["silkroll", "/silkroll"]),
        json!({}),
        json!({"name": "silkroll"}),
        json!({"exec": {"command": ["/bin/sh", "-c", "/silkroll/hook.sh", "silkroll", "http"]}}),
        json!({"sleep": {"seconds": 15}}),
        json!({"preStop": null, "postStart": {}}),
        json!({"silkroll.dev/status": "{}"}),
        json!([[[[[[[[]]]]]]]]),
    ]);
    prop_oneof![
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        1 => place().prop_map(Damage::Cut),
        3 => place().prop_map(Damage::Drop),
        6 => (place(), value).prop_map(|(at, value)| Damage::Put(at, value)),
        3 => (place(), place()).prop_map(|(from, to)| Damage::Swap(from, to)),
    ]
}

/// Every place in a value, as a pointer; the whole is not among them.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut into = |name: &str, value: &Value| {
        let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(path.clone());
        places(value, &path, found);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| into(key, value)),
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                into(&at.to_string(), value);
            }
        }
        _ => {}
    }
}

fn damaged(body: Vec<u8>, damage: &Damage) -> Vec<u8> {
    let of_value = |change: &dyn Fn(&mut Value, &[String])| {
        let Ok(mut value) = serde_json::from_slice::<Value>(&body) else {
            return body.clone();
        };
        let mut found = Vec::new();
        places(&value, "", &mut found);
        if !found.is_empty() {
            change(&mut value, &found);
        }
        serde_json::to_vec(&value).unwrap()
    };
    match damage {
        _ if body.is_empty() => body,
        Damage::Flip(at, byte) => {
            let mut body = body;
            let at = at.index(body.len());
            body[at] = *byte;
            body
        }
        Damage::Cut(at) => body[..at.index(body.len())].to_vec(),
        Damage::Drop(at) => of_value(&|value, found| {
            let path = at.get(found);
            let (parent, name) = path.rsplit_once('/').unwrap();
            let name = name.replace("~1", "/").replace("~0", "~");
            match value.pointer_mut(parent) {
                Some(Value::Object(map)) => drop(map.shift_remove(&name)),
                Some(Value::Array(list)) => drop(list.remove(name.parse().unwrap())),
                _ => unreachable!(),
            }
        }),
        Damage::Put(at, new) => of_value(&|value, found| {
            *value.pointer_mut(at.get(found).as_str()).unwrap() = new.clone();
        }),
        Damage::Swap(from, to) => of_value(&|value, found| {
            let taken = value.pointer(from.get(found).as_str()).unwrap().clone();
            *value.pointer_mut(to.get(found).as_str()).unwrap() = taken;
        }),
    }
}

/// Reviews that have everything in them that is read.
fn whole_reviews() -> Vec<Vec<u8>> {
    let rich = {
        let mut object = deployment();
        let pod = &mut object["spec"]["template"]["spec"];
        pod["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
        pod["containers"][0]["env"] = json!([{"name": "A", "value": "$(podip)"}]);
        pod["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
        pod["containers"][0]["lifecycle"] = json!({
            "postStart": {"exec": {"command": ["/bin/sh", "-c", "true"]}},
            "preStop": {"httpGet": {"path": "/stop", "port": "http"}}
        });
        object["spec"]["minReadySeconds"] = 0.into();
        object
    };
    let mut all = Vec::new();
    for object in [deployment(), rich] {
        let (stored, _) = support::create(&object, &leaving(), &Settings::default());
        let mut changed = object.clone();
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
        all.push(review("CREATE", &object, &Value::Null));
        all.push(review("CREATE", &stored, &Value::Null));
        all.push(review("UPDATE", &changed, &stored));
        all.push(review("UPDATE", &object, &stored));
    }
    all
}

fn leaving() -> support::Pairs {
    opted_in(&[
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
        ("rollout", "surge"),
        ("min-ready-seconds", "5"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_damage_makes_it_panic_or_answer_with_a_patch_that_does_not_apply(
        body in prop::sample::select(whole_reviews()),
        damage in prop::collection::vec(damage(), 1..5),
        covered in any::<bool>(),
    ) {
        let body = damage.iter().fold(body, damaged);
        if let Err(refusal) = Review::read(&body) {
            prop_assert_eq!(refusal.status, 400);
            prop_assert!(!refusal.message.is_empty());
            return Ok(());
        }
        let namespace = if covered { leaving() } else { support::pairs(&[]) };
        let decision = decide(&body, &namespace, &Settings::default());
        let answer: Value = serde_json::from_slice(&answer("u", &decision)).unwrap();
        prop_assert!(answer["response"]["allowed"].is_boolean());
        for warning in &decision.warnings {
            prop_assert!(warning.chars().count() < 250 && !deceives(warning), "{warning:?}");
        }
        let Some(patch) = &decision.patch else { return Ok(()) };
        let patch: Value = serde_json::from_str(patch).unwrap();
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        // What only a lenient reader takes as JSON has no value to apply it to.
        if let Ok(mut review) = serde_json::from_slice::<Value>(&body) {
            let applied = json_patch::patch(&mut review["request"]["object"], &patch);
            prop_assert!(applied.is_ok(), "{applied:?} {patch}");
        }
    }
}
