//! A value of a pod template without what says no more than its absence. The API server does not know what a custom
//! resource's template leaves out: its controller writes the template back as Go has it, and a rollback brings it with all
//! that the API fills in. None of that is a change that the user made.
//!
//! It is read loosely: what looks like nothing is nothing, wherever it stands. A change of that alone stays as the user
//! wrote it (`carry.rs`), and only the injection is not looked at anew.

use serde_json::{Number, Value};

/// What the API fills in (`SetDefaults_…` of `pkg/apis/core/v1`), as JSON.
const DEFAULTS: &[(&str, &str)] = &[
    ("apiVersion", r#""v1""#),
    ("defaultMode", "420"),
    ("dnsPolicy", r#""ClusterFirst""#),
    ("expirationSeconds", "3600"),
    ("failureThreshold", "3"),
    ("path", r#""/""#),
    ("periodSeconds", "10"),
    ("procMount", r#""Default""#),
    ("protocol", r#""TCP""#),
    ("restartPolicy", r#""Always""#),
    ("schedulerName", r#""default-scheduler""#),
    ("scheme", r#""HTTP""#),
    ("successThreshold", "1"),
    ("terminationMessagePath", r#""/dev/termination-log""#),
    ("terminationMessagePolicy", r#""File""#),
    ("timeoutSeconds", "1"),
];

/// What the API fills in by what stands beside it: the image's tag, the service account's name.
const BY_OTHERS: &[&str] = &["imagePullPolicy", "serviceAccount"];

/// What is left of a member; null where it says nothing.
pub(crate) fn bare(name: &str, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let amounts = matches!(name, "limits" | "requests" | "overhead");
            let members = members.into_iter().map(|(key, value)| {
                let amount = amounts || matches!(key.as_str(), "sizeLimit" | "divisor");
                let value = if amount {
                    quantity(value)
                } else {
                    bare(&key, value)
                };
                (key, value)
            });
            let members: serde_json::Map<_, _> =
                members.filter(|(_, value)| !value.is_null()).collect();
            if members.is_empty() {
                Value::Null
            } else {
                members.into()
            }
        }
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => items.into_iter().map(|item| bare("", item)).collect(),
        value => {
            let text = value.to_string();
            let filled_in = DEFAULTS.contains(&(name, &text)) || BY_OTHERS.contains(&name);
            let zero = matches!(text.as_str(), "false" | "0" | r#""""#);
            if zero || filled_in {
                Value::Null
            } else {
                value
            }
        }
    }
}

/// A quantity as its number: `1000m` is 1, `1Gi` is `1024Mi`. What is none stays.
fn quantity(value: Value) -> Value {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let text = match &value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let plain = || text.parse::<f64>().ok();
    let with_suffix = || {
        let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
        let number: f64 = text.strip_suffix(suffix)?.parse().ok()?;
        Some(number * factor)
    };
    // In thousandths, so that sums of rounding do not show: no smaller unit is asked for in earnest.
    let rounded = plain()
        .or_else(with_suffix)
        .map(|number| (number * 1e3).round());
    match rounded {
        Some(0.0) => Value::Null,
        Some(number) => Number::from_f64(number).map_or(value, Value::Number),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_go_and_the_api_write_otherwise_is_the_same() {
        for (one, other) in [
            (json!({"resources": {}}), json!({})),
            (
                json!({"resources": {"limits": {"cpu": 1}}}),
                json!({"resources": {"limits": {"cpu": "1000m"}}}),
            ),
            (
                json!({"limits": {"memory": "1024Mi"}}),
                json!({"limits": {"memory": "1Gi"}}),
            ),
            (
                json!({"limits": {"cpu": "0.1"}}),
                json!({"limits": {"cpu": "100m"}}),
            ),
            (
                json!({"limits": {"cpu": "1.1"}}),
                json!({"limits": {"cpu": "1100m"}}),
            ),
            (
                json!({"limits": {"memory": "1e3"}}),
                json!({"limits": {"memory": "1k"}}),
            ),
            (
                json!({"emptyDir": {"sizeLimit": "1.5Gi"}}),
                json!({"emptyDir": {"sizeLimit": "1536Mi"}}),
            ),
            (
                json!({"resourceFieldRef": {"resource": "limits.cpu"}}),
                json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}),
            ),
            (json!({"name": "A", "value": ""}), json!({"name": "A"})),
            (
                json!({"stdin": false, "creationTimestamp": null, "args": []}),
                json!(null),
            ),
            (
                json!({"containerPort": 80}),
                json!({"containerPort": 80, "protocol": "TCP"}),
            ),
            (
                json!({"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}),
                json!({}),
            ),
            (
                json!({"image": "a"}),
                json!({"image": "a", "imagePullPolicy": "Always"}),
            ),
        ] {
            assert_eq!(bare("", one.clone()), bare("", other), "{one}");
        }
    }

    #[test]
    fn what_says_something_is_kept_apart() {
        for (one, other) in [
            (
                json!({"limits": {"cpu": "1"}}),
                json!({"limits": {"cpu": "1m"}}),
            ),
            (
                json!({"limits": {"memory": "1M"}}),
                json!({"limits": {"memory": "1Mi"}}),
            ),
            (json!({"limits": {"cpu": "many"}}), json!({"limits": {}})),
            (json!({"hostNetwork": true}), json!({})),
            (json!({"dnsPolicy": "Default"}), json!({})),
            (json!([{"name": "A"}, {}]), json!([{"name": "A"}])),
            (json!({"value": "1"}), json!({"value": 1})),
        ] {
            assert_ne!(bare("", one.clone()), bare("", other), "{one}");
        }
    }
}
