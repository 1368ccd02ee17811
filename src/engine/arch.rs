//! Which architecture the nodes of a pod have, as far as its manifest says.

use serde_json::Value;

use super::view::{Template, member};

/// The label of every node, set by the kubelet.
const LABEL: &str = "kubernetes.io/arch";

/// What the manifest says about the nodes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nodes {
    /// Only nodes of this architecture.
    One(String),
    /// Nothing, or several.
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
    if let Some(arch) = selector[LABEL].as_str() {
        return Nodes::One(arch.to_owned());
    }
    let required = &affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    // Terms are alternatives: each has to say it.
    let Some(terms) = required["nodeSelectorTerms"].as_array() else {
        return Nodes::Any;
    };
    let mut all = terms.iter().map(of_term);
    match all.next().flatten() {
        Some(first) if all.all(|arch| arch.as_deref() == Some(&first)) => Nodes::One(first),
        _ => Nodes::Any,
    }
}

fn of_term(term: &Value) -> Option<String> {
    term["matchExpressions"]
        .as_array()?
        .iter()
        .filter(|expression| expression["key"] == LABEL && expression["operator"] == "In")
        .find_map(
            |expression| match expression["values"].as_array()?.as_slice() {
                [only] => only.as_str().map(str::to_owned),
                _ => None,
            },
        )
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
            (json!({"zone": "a"}), none.clone(), None),
            (
                none.clone(),
                required(&[term("In", &["arm64"])]),
                Some("arm64"),
            ),
            (
                none.clone(),
                required(&[term("In", &["arm64", "amd64"])]),
                None,
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
                None,
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
            let expected = expected.map_or(Nodes::Any, |arch| Nodes::One(arch.to_owned()));
            assert_eq!(
                chosen(&selector, &affinity),
                expected,
                "{selector} {affinity}"
            );
        }
    }
}
