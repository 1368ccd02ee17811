//! Text that YAML could take for something else, as each of the chart's values: what is rendered has the structure that it has with a
//! plain word, or the chart refuses the value by its name.

use serde_json::{Map, Value, json};

use super::helm::{Helm, NAMESPACE, RELEASE, chart, documents, file};

const PLAIN: &str = "plain";

/// Some of it are names that objects and namespaces can have.
const NAMES: &[&str] = &["123", "true", "null", "1e3", "0x1f", "on"];
const HOSTILE: &[&str] = &[
    "x\n      hostPID: true",
    "x\n---\napiVersion: v1\nkind: Pod",
    "x\"\n  injected: \"yes",
    "a: b",
    "a #b",
    "*a",
    "' || true || '",
    "{{ .Values }}",
];

/// What takes more than a plain word to be rendered, or to be seen.
const WITH: &[(&str, &str)] = &[
    (
        "certificates.secretName",
        "{certificates: {source: secret}}",
    ),
    ("certificates.caBundle", "{certificates: {source: secret}}"),
    (
        "certificates.files.cert",
        "{certificates: {source: files, caBundle: '-----BEGIN CERTIFICATE-----', files: {key: a}}}",
    ),
    (
        "certificates.files.key",
        "{certificates: {source: files, caBundle: '-----BEGIN CERTIFICATE-----', files: {cert: a}}}",
    ),
    (
        "webhook.namespaceSelector.matchLabels",
        "{wait: {namespace: default}}",
    ),
];

/// A value's path, and that value with a text in it.
type Text = (String, fn(&str) -> Value);

/// The paths of all values that are text.
fn texts(schema: &Value, path: &str, found: &mut Vec<Text>) {
    for (name, inner) in schema["properties"].as_object().unwrap() {
        let path = format!("{path}{name}");
        let one_of_few = inner["enum"].is_array() || inner["items"]["enum"].is_array();
        if inner["properties"].is_object() {
            texts(inner, &format!("{path}."), found);
        } else if inner["type"] == "string" && !one_of_few {
            found.push((path, |text| json!(text)));
        } else if inner["items"]["type"] == "string" && !one_of_few {
            found.push((path, |text| json!([text])));
        } else if inner["additionalProperties"]["type"] == "string" {
            found.push((path, |text| json!({ "key": text })));
        }
    }
}

/// Everything that can be switched on, and this.
fn values(path: &str, value: Value) -> Value {
    let on = json!({"enabled": true});
    let mut values = json!({
        "namespace": {"create": true}, "networkPolicy": on,
        "metrics": {"serviceMonitor": on, "podMonitor": on, "prometheusRule": on, "dashboard": on},
    });
    if let Some((_, with)) = WITH.iter().find(|(of, _)| *of == path) {
        for (key, with) in documents(with)[0].as_object().unwrap() {
            values[key] = with.clone();
        }
    }
    let mut place = &mut values;
    for key in path.split('.') {
        if place.is_null() {
            *place = Map::new().into();
        }
        place = &mut place[key];
    }
    *place = value;
    values
}

/// All but what texts and numbers say; of what kind each document is, is part of it.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let shapes = members.iter().map(|(key, value)| match key.as_str() {
                "kind" | "apiVersion" => (key.clone(), value.clone()),
                _ => (key.clone(), shape(value)),
            });
            shapes.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => "".into(),
        Value::Number(_) => 0.into(),
        Value::Bool(_) => false.into(),
        Value::Null => Value::Null,
    }
}

fn shapes(
    helm: &Helm,
    release: &str,
    namespace: &str,
    values: &Value,
) -> Result<Vec<Value>, String> {
    let args = ["template", release, &chart(), "-n", namespace, "-f", "-"];
    let rendered = helm.run(&args, &values.to_string());
    if !rendered.success {
        return Err(rendered.stderr);
    }
    Ok(documents(&rendered.stdout).iter().map(shape).collect())
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn no_text_in_a_value_changes_the_structure_of_what_is_rendered() {
    let [_, helm] = Helm::both();
    let schema = std::fs::read_to_string(file("manifests/chart/values.schema.json")).unwrap();
    let mut all = vec![];
    texts(&serde_json::from_str(&schema).unwrap(), "", &mut all);
    assert!(all.len() > 30, "{}", all.len());
    for (path, value) in all {
        let of = |text: &str| shapes(&helm, RELEASE, NAMESPACE, &values(&path, value(text)));
        // Durations, digests and the like take no such word at all.
        let Ok(plain) = of(PLAIN) else {
            for text in HOSTILE {
                assert!(of(text).is_err(), "{path}: {text:?}");
            }
            continue;
        };
        for text in NAMES.iter().chain(HOSTILE) {
            match of(text) {
                Ok(shape) => assert!(shape == plain, "{path}: {text:?}"),
                Err(why) => {
                    let name = path.rsplit('.').next().unwrap();
                    assert!(why.contains(name), "{path}: {text:?}: {why}");
                    // A Service's name begins with a letter.
                    let name =
                        NAMES.contains(text) && path != "fullnameOverride" && path != "log.level";
                    assert!(!name, "{path}: {text:?}: {why}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn releases_and_namespaces_may_be_called_as_yaml_calls_numbers() {
    let values = values("log.level", "debug".into());
    for helm in Helm::both() {
        // Its ConfigMaps and Lease are then called by it, which is an argument.
        let plain = shapes(&helm, "named", "plain", &values).unwrap();
        for name in NAMES {
            assert!(
                shapes(&helm, name, "plain", &values).unwrap() == plain,
                "{name}"
            );
            assert!(
                shapes(&helm, "named", name, &values).unwrap() == plain,
                "{name}"
            );
        }
        assert!(shapes(&helm, "a.b", "plain", &values).unwrap() == plain);
    }
}
