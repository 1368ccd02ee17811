//! What `kubectl apply` makes of a stored object: the three-way merge of a client-side apply, by the merge
//! keys of the API's lists. Written after its documentation, for the fields that the generators know.

use serde_json::{Map, Value};

/// The member that tells the items of a list apart; none where a list is replaced as a whole.
fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "ports" => Some("containerPort"),
        _ => None,
    }
}

/// Members of objects that are replaced down to the keys that the manifest has (`retainKeys`).
const RETAINED: [&str; 2] = ["strategy", "volumes"];

/// Live, with what changed from the manifest applied last to the one applied now; what other writers added
/// stays. Of a custom resource kubectl knows no keys: its lists are replaced as a whole.
pub(crate) fn three_way(last: &Value, now: &Value, live: &Value) -> Value {
    let custom = now["kind"] == "Rollout";
    merged(custom, last, now, live)
}

fn merged(custom: bool, last: &Value, now: &Value, live: &Value) -> Value {
    match (now, live) {
        (Value::Object(now), Value::Object(live)) => {
            Value::Object(members(custom, last.as_object(), now, live))
        }
        _ => now.clone(),
    }
}

fn members(
    custom: bool,
    last: Option<&Map<String, Value>>,
    now: &Map<String, Value>,
    live: &Map<String, Value>,
) -> Map<String, Value> {
    let mut all = live.clone();
    for key in last.into_iter().flat_map(Map::keys) {
        if !now.contains_key(key) {
            all.shift_remove(key);
        }
    }
    for (key, wanted) in now {
        let last = last.and_then(|last| last.get(key)).unwrap_or(&Value::Null);
        let value = match (wanted, live.get(key)) {
            // The API server drops what a merge sets to null.
            (Value::Null, _) => {
                all.shift_remove(key);
                continue;
            }
            (_, None | Some(Value::Null)) => wanted.clone(),
            (Value::Array(wanted), Some(Value::Array(live))) if !custom => {
                list(key, last, wanted, live)
            }
            (_, Some(live)) if custom => merged(custom, last, wanted, live),
            (_, Some(live)) => retained(key, wanted, merged(custom, last, wanted, live)),
        };
        all.insert(key.clone(), value);
    }
    all
}

fn retained(key: &str, wanted: &Value, mut merged: Value) -> Value {
    if let (true, Value::Object(wanted), Value::Object(merged)) =
        (RETAINED.contains(&key), wanted, &mut merged)
    {
        merged.retain(|key, _| wanted.contains_key(key));
    }
    merged
}

/// Items by their key: those of the manifest in its order, and those of others after the item that they
/// stood behind.
fn list(name: &str, last: &Value, now: &[Value], live: &[Value]) -> Value {
    let Some(key) = merge_key(name) else {
        return now.into();
    };
    let find = |all: &[Value], item: &Value| {
        let same = |other: &&Value| !item[key].is_null() && other[key] == item[key];
        all.iter().find(same).cloned()
    };
    if now.iter().chain(live).any(|item| item[key].is_null()) {
        return now.into();
    }
    let last = last.as_array().map_or(&[][..], Vec::as_slice);
    let mut merged: Vec<Value> = Vec::new();
    let mut wanted = now.iter().peekable();
    for item in live {
        if find(now, item).is_none() {
            if find(last, item).is_none() {
                merged.push(item.clone());
            }
        } else if let Some(next) = wanted.next() {
            merged.push(merged_item(name, &find, last, next, live));
        }
    }
    merged.extend(wanted.map(|next| merged_item(name, &find, last, next, live)));
    Value::Array(merged)
}

fn merged_item(
    name: &str,
    find: &impl Fn(&[Value], &Value) -> Option<Value>,
    last: &[Value],
    now: &Value,
    live: &[Value],
) -> Value {
    let before = find(last, now).unwrap_or_default();
    match find(live, now) {
        Some(stored) => retained(name, now, merged(false, &before, now, &stored)),
        None => now.clone(),
    }
}
