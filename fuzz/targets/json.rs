//! Changes of JSON that leave it JSON: bytes alone seldom do.

use serde_json::{Map, Value, json};

/// A small generator of numbers: libFuzzer gives a seed for each change.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // Steele and Vigna's SplitMix64: one addition and two multiplications mix a counter.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % most.max(1) as u64).unwrap_or_default()
    }
}

/// Members that mean something to Silkroll, or to what it must live with.
const NAMES: &[&str] = &[
    "metadata",
    "annotations",
    "labels",
    "name",
    "generateName",
    "namespace",
    "spec",
    "template",
    "containers",
    "initContainers",
    "env",
    "envFrom",
    "value",
    "valueFrom",
    "fieldRef",
    "fieldPath",
    "volumes",
    "volumeMounts",
    "mountPath",
    "subPath",
    "volumeDevices",
    "devicePath",
    "configMap",
    "optional",
    "lifecycle",
    "preStop",
    "postStart",
    "exec",
    "command",
    "httpGet",
    "tcpSocket",
    "sleep",
    "seconds",
    "readinessProbe",
    "startupProbe",
    "livenessProbe",
    "ports",
    "containerPort",
    "protocol",
    "terminationGracePeriodSeconds",
    "strategy",
    "updateStrategy",
    "rollingUpdate",
    "maxSurge",
    "maxUnavailable",
    "type",
    "minReadySeconds",
    "progressDeadlineSeconds",
    "nodeSelector",
    "affinity",
    "os",
    "ownerReferences",
    "controller",
    "managedFields",
    "silkroll.dev/status",
    "silkroll.dev/inject",
    "silkroll.dev/container",
    "silkroll.dev/drain-seconds",
    "silkroll.dev/deregister",
    "silkroll.dev/readiness",
    "silkroll.dev/existing-pre-stop",
    "silkroll.dev/rollout",
    "kubernetes.io/arch",
    "kubectl.kubernetes.io/default-container",
    "kubectl.kubernetes.io/last-applied-configuration",
    "object",
    "oldObject",
    "operation",
    "future",
];

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        true.into(),
        false.into(),
        0.into(),
        1.into(),
        (-1).into(),
        30.into(),
        8080.into(),
        70_000.into(),
        i64::MAX.into(),
        u64::MAX.into(),
        1.5.into(),
        1e300.into(),
        "".into(),
        "0".into(),
        "30".into(),
        "25%".into(),
        "web".into(),
        "a".into(),
        "podip".into(),
        "$(podip)".into(),
        "status.podIP".into(),
        "silkroll".into(),
        "/silkroll".into(),
        "/silkroll/hook.sh".into(),
        "/bin/sh".into(),
        "enabled".into(),
        "disabled".into(),
        "true".into(),
        "{".into(),
        "{\"format\":1}".into(),
        "{\"format\":2}".into(),
        "é\"\\\u{2028}\n".into(),
        "Recreate".into(),
        "OnDelete".into(),
        "UPDATE".into(),
        "CREATE".into(),
        "none".into(),
        "consul".into(),
        json!([]),
        json!({}),
        json!([{}]),
        json!([null]),
        json!({"name": "web"}),
        json!({"name": "podip", "value": "x"}),
        json!({"sleep": {"seconds": 15}}),
        json!({"exec": {"command": ["/bin/sh", "-c", "x"]}}),
        json!({"httpGet": {"port": "http", "path": "/x"}}),
        json!({"name": "silkroll", "mountPath": "/silkroll", "readOnly": true}),
    ]
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// The node with this number, in the order of the text.
fn node<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    let children: Box<dyn Iterator<Item = &'a mut Value>> = match value {
        Value::Object(map) => Box::new(map.values_mut()),
        Value::Array(items) => Box::new(items.iter_mut()),
        _ => return None,
    };
    for child in children {
        let size = count(child);
        if *at < size {
            return node(child, at);
        }
        *at -= size;
    }
    None
}

/// One to three changes of a text that is JSON; nothing where it is none, or where bytes are to be tried.
pub(crate) fn mutated(text: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut dice = Dice(u64::from(seed));
    if dice.below(16) == 0 {
        return None;
    }
    let mut value: Value = serde_json::from_slice(text).ok()?;
    for _ in 0..=dice.below(3) {
        change(&mut value, &mut dice);
    }
    Some(value.to_string().into_bytes())
}

fn change(root: &mut Value, dice: &mut Dice) {
    let size = count(root);
    let other = node(root, &mut dice.below(size)).cloned();
    let Some(target) = node(root, &mut dice.below(size)) else {
        return;
    };
    let values = values();
    let value = match dice.below(3) {
        0 => other.unwrap_or_default(),
        _ => values[dice.below(values.len())].clone(),
    };
    match (dice.below(4), target) {
        (0, target) => *target = value,
        (what, Value::Object(map)) => in_object(map, what, value, dice),
        (what, Value::Array(items)) => in_list(items, what, value, dice),
        (1, Value::String(text)) => text.push_str(NAMES[dice.below(NAMES.len())]),
        (2, Value::String(text)) => {
            let half = text.chars().count() / 2;
            *text = text.chars().take(half).collect();
        }
        (_, target) => *target = value,
    }
}

fn in_object(map: &mut Map<String, Value>, what: usize, value: Value, dice: &mut Dice) {
    let own = map.keys().nth(dice.below(map.len())).cloned();
    let name = NAMES[dice.below(NAMES.len())].to_owned();
    match (what, own) {
        (1, Some(own)) => {
            map.shift_remove(&own);
        }
        (2, Some(own)) => {
            let moved = map.shift_remove(&own).unwrap_or_default();
            map.insert(name, moved);
        }
        _ => {
            map.insert(name, value);
        }
    }
}

fn in_list(items: &mut Vec<Value>, what: usize, value: Value, dice: &mut Dice) {
    let at = dice.below(items.len());
    match what {
        1 if !items.is_empty() => {
            items.remove(at);
        }
        2 if !items.is_empty() => items.insert(at, items[at].clone()),
        3 if items.len() > 1 => items.swap(0, at),
        _ => items.insert(at.min(items.len()), value),
    }
}
