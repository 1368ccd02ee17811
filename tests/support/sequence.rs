//! The life of one workload: created, sent again, changed by its user, changed by another webhook,
//! rolled back, opted out, removed; and what Silkroll makes of it at each step.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use silkroll::deregister::Arch;
use silkroll::engine::{Decision, Kind, Outcome, Settings};

use xxhash_rust::xxh3::xxh3_64;

use super::changes::{Change, Way, users, way, webhooks};
use super::generate::{self, namespace};
use super::{Pairs, create, edges, pairs, remove, update};

/// The kinds that the generators make: all that have a pod template. Pods are made in tests/pods.rs.
fn kinds() -> Vec<&'static str> {
    let all = Kind::ALL.into_iter();
    all.filter(|kind| !kind.template().is_empty())
        .map(Kind::name)
        .collect()
}

/// One workload, its namespace, and what happens to it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The user's manifest.
    pub(crate) plain: Value,
    /// The namespace's annotations, and what they are later.
    pub(crate) namespace: Pairs,
    pub(crate) later: Pairs,
    /// How the user sends things.
    pub(crate) way: Way,
    /// The user's changes, each of which is an UPDATE.
    pub(crate) first: Vec<Change>,
    pub(crate) second: Vec<Change>,
    /// What another webhook makes of each object, and whether it does so before Silkroll.
    pub(crate) webhook: Vec<Change>,
    pub(crate) before: bool,
    pub(crate) native_sleep: bool,
}

/// What one request came to.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// What is stored then.
    pub(crate) object: Value,
    pub(crate) decision: Decision,
}

/// Whatever an object can hold, and what the API takes or just does not take, of every kind.
pub(crate) fn workload() -> BoxedStrategy<Value> {
    prop_oneof![
        2 => (generate::workload(), prop::sample::select(kinds())).prop_map(|(object, kind)| of_kind(object, kind)),
        1 => (edges::workload(kinds()), prop::bool::weighted(0.05)).prop_map(mostly_small),
    ]
    .boxed()
}

fn of_kind(mut object: Value, kind: &str) -> Value {
    object["apiVersion"] = super::kind(kind).api_version().into();
    object["kind"] = kind.into();
    if let (true, Value::Object(spec)) = (kind != "Deployment", &mut object["spec"])
        && let Some(mut strategy) = spec.shift_remove("strategy")
    {
        let (name, strategy) = match kind {
            "Rollout" => match strategy["rollingUpdate"].take() {
                Value::Null => ("strategy", json!({"blueGreen": {"activeService": "web"}})),
                canary => ("strategy", json!({"canary": canary})),
            },
            _ => ("updateStrategy", strategy),
        };
        spec.insert(name.to_owned(), strategy);
    }
    object
}

/// Most objects are such that something is injected: what comes before that is small beside what follows.
fn injectable(mut object: Value) -> Value {
    let Some(Value::Object(pod)) = object.pointer_mut("/spec/template/spec") else {
        return object;
    };
    let grace = pod.get("terminationGracePeriodSeconds");
    let usual = |grace: &Value| {
        grace
            .as_i64()
            .is_some_and(|grace| (0..5_000).contains(&grace))
    };
    if !grace.is_none_or(usual) {
        pod.shift_remove("terminationGracePeriodSeconds");
    }
    for (list, key, taken, free) in [
        ("volumes", "name", "silkroll", "silk"),
        ("containers", "mountPath", "silkroll", "/elsewhere"),
    ] {
        for item in pod
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            rename(item, key, taken, free);
        }
    }
    object
}

fn rename(item: &mut Value, key: &str, taken: &str, free: &str) {
    let mounts = item.get_mut("volumeMounts").and_then(Value::as_array_mut);
    for mount in mounts.into_iter().flatten() {
        rename(mount, key, taken, free);
    }
    if let Some(Value::String(name)) = item.get_mut(key)
        && name.trim_matches('/') == taken
    {
        free.clone_into(name);
    }
}

/// Annotations near the API's limit take as long as a hundred other objects: few have them.
fn mostly_small((mut object, large): (Value, bool)) -> Value {
    if let (false, Some(Value::String(text))) = (
        large,
        object.pointer_mut("/spec/template/metadata/annotations/example.com~1a"),
    ) {
        let mut ends = (0..=text.len().min(100)).rev();
        let end = ends.find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
    }
    object
}

/// Annotations of the workload itself, usable or not.
fn own_annotations() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    prop::sample::subsequence(
        vec![
            ("inject", "true"),
            ("drain-seconds", "25"),
            ("shutdown-seconds", "x"),
            ("readiness", "grpc://:8080/health"),
            ("existing-pre-stop-seconds", "5"),
            ("rollout", "surge"),
            ("drain-until-idle-seconds", "30"),
            ("hook", "script"),
        ],
        0..3,
    )
}

/// Cases of every kind.
pub(crate) fn case() -> BoxedStrategy<Case> {
    let later = prop_oneof![
        4 => namespace().boxed(),
        1 => Just(pairs(&[("inject", "on-request")])).boxed(),
        1 => Just(Pairs::new()).boxed(),
    ];
    let own = prop_oneof![3 => Just(vec![]).boxed(), 1 => own_annotations().boxed()];
    let changes = || prop::collection::vec(users(), 1..3);
    (
        (workload(), prop::bool::weighted(0.75), own),
        (namespace(), later),
        way(),
        (changes(), changes()),
        prop::collection::vec(webhooks(), 1..3),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(
                (mut plain, usual, own),
                (mut namespace, later),
                way,
                (first, second),
                webhook,
                before,
                native_sleep,
            )| {
                if usual {
                    plain = injectable(plain);
                    namespace.extend(pairs(&[("container", "a")]));
                }
                for (key, value) in own {
                    plain["metadata"]["annotations"][format!("silkroll.dev/{key}")] = value.into();
                }
                Case {
                    plain,
                    namespace,
                    later,
                    way,
                    first,
                    second,
                    webhook,
                    before,
                    native_sleep,
                }
            },
        )
        .boxed()
}

/// The value of a strategy that these bytes lead to: the same bytes give the same value.
pub(crate) fn of_bytes<S: Strategy>(
    strategy: &S,
    algorithm: RngAlgorithm,
    bytes: &[u8],
) -> S::Value {
    tree(strategy, TestRng::from_seed(algorithm, bytes)).current()
}

fn tree<S: Strategy>(strategy: &S, rng: TestRng) -> S::Tree {
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).unwrap()
}

/// A case by its number, so that each can be had alone.
pub(crate) fn numbered<S: Strategy>(strategy: &S, seed: u64, number: u64) -> S::Tree {
    // Neighbours must not look alike: the generator takes its state as it is given.
    let half = |numbers: [u64; 2]| xxh3_64(&numbers.map(u64::to_le_bytes).concat()).to_le_bytes();
    let bytes = [half([seed, number]), half([number, seed])].concat();
    tree(strategy, TestRng::from_seed(RngAlgorithm::XorShift, &bytes))
}

/// A Rollout as its controller writes it back: without what Go takes for nothing, and with each container's resources.
fn as_go_writes(object: &Value) -> Value {
    // Written though they are 0: pointers, and the seconds of a sleep.
    let pointers = [
        "seconds",
        "terminationGracePeriodSeconds",
        "replicas",
        "maxSurge",
        "maxUnavailable",
    ];
    match object {
        Value::Object(map) => {
            let says = |key: &str, value: &Value| {
                let nothing = [json!(null), json!(""), json!(0), json!(false), json!([])];
                !value.is_null() && (pointers.contains(&key) || !nothing.contains(value))
            };
            let members = map.iter().filter(|(key, value)| says(key, value));
            let members = members.map(|(key, value)| (key.clone(), as_go_writes(value)));
            let mut members: serde_json::Map<_, _> = members.collect();
            if members.contains_key("image") {
                members.entry("resources").or_insert_with(|| json!({}));
            }
            Value::Object(members)
        }
        Value::Array(items) => items.iter().map(as_go_writes).collect(),
        _ => object.clone(),
    }
}

fn changed(object: &Value, changes: &[Change]) -> Value {
    let mut object = object.clone();
    for change in changes {
        change.make(&mut object);
    }
    object
}

impl Case {
    pub(crate) fn settings(&self) -> Settings {
        // Names of ConfigMaps are hashes of what is in them: made once.
        static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings {
            kinds: Kind::ALL.to_vec(),
            ..Settings::default()
        });
        Settings {
            native_sleep: self.native_sleep,
            node_arch: self.native_sleep.then_some(Arch::Amd64),
            ..SETTINGS.clone()
        }
    }

    /// The requests of its life, in order.
    pub(crate) fn run(&self) -> Vec<Step> {
        let settings = self.settings();
        let mut upgraded = settings.clone();
        "silkroll-0123456789ab".clone_into(&mut upgraded.script.config_map);
        // And nodes have come meanwhile.
        upgraded.node_arch = Some(Arch::Arm64);
        let mut steps = Vec::new();
        // What is stored then: a request that is denied changes nothing.
        let mut note = |name, old: &Value, (object, decision): (Value, Decision)| {
            let denied = decision.outcome == Outcome::Rejected;
            let stored = if denied { old } else { &object }.clone();
            steps.push(Step {
                name,
                object,
                decision,
            });
            stored
        };
        let [namespace, later] = [&self.namespace, &self.later];

        let manifest = &self.plain;
        let sent = self.way.first(manifest);
        let created = note("create", &sent, create(&sent, namespace, &settings));
        note("again", &created, create(&created, namespace, &settings));
        note("remove", &created, remove(&created, &settings));

        let same = self.way.next(manifest, manifest, &created, &[]);
        note(
            "same",
            &created,
            self.way.send(&same, &created, later, &upgraded),
        );

        let next = changed(manifest, &self.first);
        let sent = self.way.next(manifest, &next, &created, &self.first);
        let first = note(
            "first",
            &created,
            self.way.send(&sent, &created, namespace, &settings),
        );
        note(
            "first-again",
            &created,
            self.way.send(&first, &created, namespace, &settings),
        );

        if manifest["kind"] == "Rollout" {
            let written = as_go_writes(&created);
            note(
                "controller",
                &created,
                update(&written, &created, later, &upgraded),
            );
        }

        let by_the_other =
            |object: &Value| changed(object, if self.before { &self.webhook } else { &[] });
        // The other webhook, asked in the same request: before Silkroll, or after it, which is asked once more.
        let sent = if self.before { &sent } else { &first };
        let sent = changed(sent, &self.webhook);
        let third = note(
            "webhook",
            &created,
            self.way.send(&sent, &created, namespace, &settings),
        );
        note(
            "webhook-again",
            &created,
            self.way.send(&third, &created, namespace, &settings),
        );

        let mut labelled = third.clone();
        labelled["metadata"]["labels"]["rev"] = "3".into();
        let labelled = by_the_other(&labelled);
        note("label", &third, update(&labelled, &third, later, &upgraded));

        let last = changed(&next, &self.second);
        let sent = self.way.next(&next, &last, &third, &self.second);
        let sent = by_the_other(&sent);
        let fourth = note(
            "second",
            &third,
            self.way.send(&sent, &third, later, &upgraded),
        );

        let mut back = fourth.clone();
        back["spec"]["template"] = created["spec"]["template"].clone();
        note(
            "rollback",
            &fourth,
            update(&back, &fourth, later, &upgraded),
        );

        let mut out = fourth.clone();
        out["metadata"]["annotations"]["silkroll.dev/inject"] = "disabled".into();
        note("opt-out", &fourth, update(&out, &fourth, later, &upgraded));
        note("remove-last", &fourth, remove(&fourth, &upgraded));
        steps
    }
}

/// Without what the record says, whose format is Silkroll's own.
pub(crate) fn without_record(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(record) =
        object.pointer_mut("/spec/template/metadata/annotations/silkroll.dev~1status")
    {
        *record = json!("…");
    }
    object
}
