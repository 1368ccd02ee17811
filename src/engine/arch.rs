//! Which architecture the nodes of a pod have, as far as its manifest says.

use serde_json::Value;

use super::view::{Template, member};

/// The label of every node, set by the kubelet.
const LABEL: &str = "kubernetes.io/arch";
/// Its name before Kubernetes 1.14, which kubelets still set.
const OLD_LABEL: &str = "beta.kubernetes.io/arch";

/// What the manifest says about the nodes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nodes {
    /// Only nodes of this architecture.
    One(String),
    /// Several, by name.
    Several,
    /// It says nothing.
    Any,
}

/// Reads `nodeSelector` and the required node affinity.
pub(super) fn of_nodes(template: &Template<'_>) -> Nodes {
    let rest = &template.spec.rest;
    let read = |key| {
        member(rest, key)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or(Value::Null)
    };
    chosen(&read("nodeSelector"), &read("affinity"))
}

fn chosen(selector: &Value, affinity: &Value) -> Nodes {
    if let Some(arch) = selector[LABEL].as_str().or(selector[OLD_LABEL].as_str()) {
        return Nodes::One(arch.to_owned());
    }
    let required = &affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    // Terms are alternatives: each has to say it.
    let Some(terms) = required["nodeSelectorTerms"].as_array() else {
        return Nodes::Any;
    };
    let named: Vec<Vec<&str>> = terms.iter().map(of_term).collect();
    let mut all: Vec<&str> = named.concat();
    all.sort_unstable();
    all.dedup();
    match all.as_slice() {
        [only] if named.iter().all(|names| !names.is_empty()) => Nodes::One((*only).to_owned()),
        [] | [_] => Nodes::Any,
        _ => Nodes::Several,
    }
}

/// The architectures that a term names.
fn of_term(term: &Value) -> Vec<&str> {
    let expressions = term["matchExpressions"].as_array().into_iter().flatten();
    expressions
        .filter(|expression| expression["key"] == LABEL || expression["key"] == OLD_LABEL)
        .filter(|expression| expression["operator"] == "In")
        .flat_map(|expression| expression["values"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_architecture_is_found_where_every_way_to_a_node_says_it() {
        let term = |operator: &str, values: &[&str]| {
            json!({"matchExpressions": [
                {"key": "zone", "operator": "Exists"},
                {"key": LABEL, "operator": operator, "values": values},
            ]})
        };
        let required = |terms: &[Value]| json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        let none = Value::Null;
        for (selector, affinity, expected) in [
            (json!({LABEL: "arm64"}), none.clone(), Some("arm64")),
            (json!({OLD_LABEL: "arm64"}), none.clone(), Some("arm64")),
            (json!({"zone": "a"}), none.clone(), None),
            (
                none.clone(),
                required(&[term("In", &["arm64"])]),
                Some("arm64"),
            ),
            (
                none.clone(),
                required(&[term("In", &["arm64", "amd64"])]),
                Some("several"),
            ),
            (none.clone(), required(&[term("NotIn", &["arm64"])]), None),
            (
                none.clone(),
                required(&[term("In", &["arm64"]), term("In", &["arm64"])]),
                Some("arm64"),
            ),
            (
                none.clone(),
                required(&[term("In", &["arm64"]), term("In", &["amd64"])]),
                Some("several"),
            ),
            (
                none.clone(),
                required(&[term("In", &["arm64"]), json!({})]),
                None,
            ),
            (json!([1]), json!("x"), None),
            (
                json!({LABEL: "amd64"}),
                required(&[term("In", &["arm64"])]),
                Some("amd64"),
            ),
        ] {
            let expected = match expected {
                None => Nodes::Any,
                Some("several") => Nodes::Several,
                Some(arch) => Nodes::One(arch.to_owned()),
            };
            assert_eq!(
                chosen(&selector, &affinity),
                expected,
                "{selector} {affinity}"
            );
        }
    }
}
