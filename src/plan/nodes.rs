//! Which nodes a pod can land on, as far as its manifest says: their architecture and their
//! operating system, by one reader of `nodeSelector` and of the required node affinity.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::slots::json;
use crate::slots::tree::Node;

/// A label of nodes, under each name that kubelets set it by: today's, then the one from before
/// Kubernetes 1.14.
type Label = [&'static str; 2];

const ARCH: Label = ["kubernetes.io/arch", "beta.kubernetes.io/arch"];
const OS: Label = ["kubernetes.io/os", "beta.kubernetes.io/os"];
/// Only Windows nodes have it (well-known labels of Kubernetes).
const WINDOWS_BUILD: &str = "node.kubernetes.io/windows-build";
const WINDOWS: &str = "windows";

/// What the manifest says about the architecture of the pod's nodes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PinnedArch {
    /// Only nodes of this one.
    One(String),
    /// Several, by name.
    Several,
    /// It says nothing.
    Any,
}

/// What the manifest says about Windows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Windows {
    /// The pod can run nowhere else.
    Only,
    /// It names Windows among others.
    Too,
    /// It does not name it, as nearly every pod for Linux.
    Unnamed,
}

/// The architecture.
pub(crate) fn arch(pod: &Node<'_>) -> PinnedArch {
    match Places::read(pod).values(&ARCH) {
        Values::Only(names) if names.len() > 1 => PinnedArch::Several,
        Values::Only(names) => names
            .into_iter()
            .next()
            .map_or(PinnedArch::Any, PinnedArch::One),
        Values::Not(_) => PinnedArch::Any,
    }
}

/// The operating system: by `os.name`, which the kubelet holds nodes to; else by the nodes that
/// the pod may be scheduled to; else by what only Windows has.
pub(crate) fn windows(pod: &Node<'_>) -> Windows {
    let read = |key| pod.json(key).map(json::value).unwrap_or_default();
    if let Some(name) = read("os")["name"].as_str() {
        return if name == WINDOWS {
            Windows::Only
        } else {
            Windows::Unnamed
        };
    }
    let places = Places::read(pod);
    let possible = places.values(&OS);
    if possible.only(WINDOWS) || places.has_label(WINDOWS_BUILD) {
        return Windows::Only;
    }
    match possible {
        Values::Only(names) if names.contains(WINDOWS) => return Windows::Too,
        // It names what it runs on, and that is not Windows.
        Values::Only(_) => return Windows::Unnamed,
        // With Linux ruled out, Windows is what is left.
        Values::Not(names) if names.contains("linux") && !names.contains(WINDOWS) => {
            return Windows::Only;
        }
        Values::Not(_) => {}
    }
    let containers: &[Node<'_>] = match pod.get("containers") {
        Some(Node::List(containers)) => containers,
        _ => &[],
    };
    let contexts = containers
        .iter()
        .filter_map(|container| container.json("securityContext"));
    let options: Vec<Value> = contexts
        .map(json::value)
        .chain([read("securityContext")])
        .map(|context| context["windowsOptions"].clone())
        .collect();
    // The API holds all containers of a pod to the same (validateWindowsHostProcessPod).
    if options.iter().any(|options| options["hostProcess"] == true) {
        return Windows::Only;
    }
    // Linux takes no notice of a user's name or a credential spec for Windows. A `RuntimeClass` may lead there unseen.
    let named = |options: &Value| {
        options
            .as_object()
            .is_some_and(|options| !options.is_empty())
    };
    if options.iter().any(named) {
        return Windows::Too;
    }
    Windows::Unnamed
}

/// The values that a label of the pod's nodes can have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    /// One of these.
    Only(Names),
    /// Any but these.
    Not(Names),
}

impl Values {
    fn any() -> Self {
        Self::Not(BTreeSet::new())
    }

    fn only(&self, value: &str) -> bool {
        matches!(self, Self::Only(names) if names.len() == 1 && names.contains(value))
    }

    /// Both hold.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(both(a, b)),
            (Self::Only(a), Self::Not(b)) | (Self::Not(b), Self::Only(a)) => {
                Self::Only(without(a, b))
            }
            (Self::Not(a), Self::Not(b)) => Self::Not(either(a, b)),
        }
    }

    /// One of the two holds.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(either(a, b)),
            (Self::Only(a), Self::Not(b)) | (Self::Not(b), Self::Only(a)) => {
                Self::Not(without(b, a))
            }
            (Self::Not(a), Self::Not(b)) => Self::Not(both(a, b)),
        }
    }
}

type Names = BTreeSet<String>;

// An affinity may have thousands of terms: each of these goes through the smaller set only.

fn either(a: Names, b: Names) -> Names {
    let (mut large, small) = if a.len() < b.len() { (b, a) } else { (a, b) };
    large.extend(small);
    large
}

fn both(a: Names, b: Names) -> Names {
    let (large, mut small) = if a.len() < b.len() { (b, a) } else { (a, b) };
    small.retain(|name| large.contains(name));
    small
}

fn without(mut from: Names, names: Names) -> Names {
    if names.len() < from.len() {
        for name in names {
            from.remove(&name);
        }
    } else {
        from.retain(|name| !names.contains(name));
    }
    from
}

/// What the manifest asks of nodes.
struct Places {
    selector: Value,
    /// Alternatives: a node has to meet one of them. None where there is no such demand.
    terms: Vec<Value>,
}

impl Places {
    fn read(pod: &Node<'_>) -> Self {
        let read = |key| pod.json(key).map(json::value).unwrap_or_default();
        Self::new(read("nodeSelector"), &read("affinity"))
    }

    fn new(selector: Value, affinity: &Value) -> Self {
        let required = &affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = required["nodeSelectorTerms"].as_array();
        // "A null or empty node selector term matches no objects" (API reference, NodeSelectorTerm).
        let empty = |term: &&Value| {
            let none = |key: &str| term[key].as_array().is_none_or(Vec::is_empty);
            none("matchExpressions") && none("matchFields")
        };
        let terms = terms.into_iter().flatten().filter(|term| !empty(term));
        Self {
            selector,
            terms: terms.cloned().collect(),
        }
    }

    /// What a label can be. A selector that names it settles it: where the affinity contradicts,
    /// the pod lands nowhere.
    fn values(&self, label: &Label) -> Values {
        if let Some(value) = label.iter().find_map(|name| self.selector[name].as_str()) {
            return Values::Only(BTreeSet::from([value.to_owned()]));
        }
        let terms = self.terms.iter().map(|term| of_term(term, label));
        terms.reduce(Values::or).unwrap_or_else(Values::any)
    }

    /// Whether every way to a node needs this label.
    fn has_label(&self, name: &str) -> bool {
        let asks = |expression: &Value| {
            expression["key"] == name
                && (expression["operator"] == "In" || expression["operator"] == "Exists")
        };
        let every = |term: &Value| expressions(term).any(asks);
        self.selector[name].is_string() || (!self.terms.is_empty() && self.terms.iter().all(every))
    }
}

fn expressions(term: &Value) -> impl Iterator<Item = &Value> {
    term["matchExpressions"].as_array().into_iter().flatten()
}

/// All expressions of a term hold at once. `matchFields` knows only the node's name.
fn of_term(term: &Value, label: &Label) -> Values {
    expressions(term)
        .filter(|expression| label.iter().any(|name| expression["key"] == *name))
        .filter_map(|expression| {
            let values = expression["values"].as_array()?.iter();
            let values = values.filter_map(Value::as_str).map(str::to_owned);
            match expression["operator"].as_str()? {
                "In" => Some(Values::Only(values.collect())),
                "NotIn" => Some(Values::Not(values.collect())),
                // Every node has it, and its values are no numbers.
                _ => None,
            }
        })
        .fold(Values::any(), Values::and)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::kind::Kind;
    use crate::slots::tree::Tree;
    use crate::slots::view::Spec;
    use serde_json::json;

    fn required(terms: &[Value]) -> Value {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}})
    }

    fn term(label: &str, operator: &str, values: &[&str]) -> Value {
        json!({"matchExpressions": [
            {"key": "zone", "operator": "Exists"},
            {"key": label, "operator": operator, "values": values},
        ]})
    }

    /// Runs it over the pod's spec as it is read from a workload.
    fn asked<T>(spec: &Value, ask: fn(&Node<'_>) -> T) -> T {
        let text = json!({"template": {"spec": spec}}).to_string();
        let spec: Spec<'_> = serde_json::from_str(&text).unwrap();
        ask(Tree::read(Kind::Deployment, &spec).unwrap().pod())
    }

    #[test]
    fn one_architecture_is_found_where_every_way_to_a_node_says_it() {
        let arch_term = |operator, values| term(ARCH[0], operator, values);
        let none = Value::Null;
        for (selector, affinity, expected) in [
            (json!({ARCH[0]: "arm64"}), none.clone(), Some("arm64")),
            (json!({ARCH[1]: "arm64"}), none.clone(), Some("arm64")),
            (json!({"zone": "a"}), none.clone(), None),
            (
                none.clone(),
                required(&[arch_term("In", &["arm64"])]),
                Some("arm64"),
            ),
            (
                none.clone(),
                required(&[arch_term("In", &["arm64", "amd64"])]),
                Some("several"),
            ),
            (
                none.clone(),
                required(&[arch_term("NotIn", &["arm64"])]),
                None,
            ),
            (
                none.clone(),
                required(&[arch_term("In", &["arm64"]), arch_term("In", &["arm64"])]),
                Some("arm64"),
            ),
            (
                none.clone(),
                required(&[arch_term("In", &["arm64"]), arch_term("In", &["amd64"])]),
                Some("several"),
            ),
            (
                none.clone(),
                required(&[arch_term("In", &["arm64"]), term("zone", "In", &["a"])]),
                None,
            ),
            // An empty term is no way to any node.
            (
                none.clone(),
                required(&[arch_term("In", &["arm64"]), json!({})]),
                Some("arm64"),
            ),
            (none.clone(), required(&[json!({}), Value::Null]), None),
            (json!([1]), json!("x"), None),
            (
                json!({ARCH[0]: "amd64"}),
                required(&[arch_term("In", &["arm64"])]),
                Some("amd64"),
            ),
            (
                none.clone(),
                required(&[json!({"matchExpressions": [
                    {"key": ARCH[0], "operator": "In", "values": ["arm64", "amd64"]},
                    {"key": ARCH[0], "operator": "NotIn", "values": ["amd64"]},
                ]})]),
                Some("arm64"),
            ),
        ] {
            let expected = match expected {
                None => PinnedArch::Any,
                Some("several") => PinnedArch::Several,
                Some(arch) => PinnedArch::One(arch.to_owned()),
            };
            let spec = json!({"nodeSelector": selector, "affinity": affinity});
            assert_eq!(asked(&spec, arch), expected, "{spec}");
        }
    }

    #[test]
    fn a_pod_that_can_land_on_windows_alone_is_known_by_whatever_says_so() {
        let os = |operator, values| term(OS[0], operator, values);
        let placed = |terms: &[Value]| json!({"affinity": required(terms)});
        let preferred = json!({"affinity": {"nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": os("In", &["windows"])}]
        }}});
        let host_process = json!({"windowsOptions": {"hostProcess": true}});
        for (spec, expected) in [
            (json!({"os": {"name": "windows"}}), Windows::Only),
            (json!({"nodeSelector": {OS[0]: "windows"}}), Windows::Only),
            (json!({"nodeSelector": {OS[1]: "windows"}}), Windows::Only),
            (
                json!({"nodeSelector": {WINDOWS_BUILD: "10.0.20348"}}),
                Windows::Only,
            ),
            (placed(&[os("In", &["windows"])]), Windows::Only),
            (placed(&[os("NotIn", &["linux"])]), Windows::Only),
            (
                placed(&[os("In", &["windows"]), os("NotIn", &["linux"])]),
                Windows::Only,
            ),
            (placed(&[term(WINDOWS_BUILD, "Exists", &[])]), Windows::Only),
            (
                json!({"securityContext": host_process, "hostNetwork": true}),
                Windows::Only,
            ),
            (
                json!({"containers": [{"name": "a"}, {"name": "b", "securityContext": host_process}]}),
                Windows::Only,
            ),
            (
                json!({"nodeSelector": {OS[0]: "windows"}, "affinity": required(&[os("In", &["linux"])])}),
                Windows::Only,
            ),
            // Named, beside others.
            (placed(&[os("In", &["windows", "linux"])]), Windows::Too),
            (
                placed(&[os("In", &["linux"]), os("In", &["windows"])]),
                Windows::Too,
            ),
            // Not named, or ruled out.
            (json!({}), Windows::Unnamed),
            (json!({"os": {"name": "linux"}}), Windows::Unnamed),
            (
                json!({"os": {"name": "linux"}, "affinity": required(&[os("In", &["windows", "linux"])])}),
                Windows::Unnamed,
            ),
            (placed(&[os("In", &["linux"])]), Windows::Unnamed),
            (placed(&[os("NotIn", &["windows"])]), Windows::Unnamed),
            (placed(&[os("Exists", &[])]), Windows::Unnamed),
            (
                placed(&[os("In", &["windows"]), term("zone", "In", &["a"])]),
                Windows::Unnamed,
            ),
            (
                placed(&[
                    term(WINDOWS_BUILD, "Exists", &[]),
                    term("zone", "In", &["a"]),
                ]),
                Windows::Unnamed,
            ),
            (
                placed(&[json!({"matchFields": [
                    {"key": "metadata.name", "operator": "In", "values": ["windows"]}
                ]})]),
                Windows::Unnamed,
            ),
            (preferred, Windows::Unnamed),
            (
                json!({"securityContext": {"windowsOptions": {"runAsUserName": "x"}}}),
                Windows::Too,
            ),
            (
                json!({"securityContext": {"windowsOptions": {"runAsUserName": "x"}},
                    "nodeSelector": {"kubernetes.io/os": "linux"}}),
                Windows::Unnamed,
            ),
            (
                json!({"securityContext": {"windowsOptions": {}}}),
                Windows::Unnamed,
            ),
            (
                json!({"tolerations": [{"key": "os", "value": "windows"}]}),
                Windows::Unnamed,
            ),
        ] {
            assert_eq!(asked(&spec, windows), expected, "{spec}");
        }
    }
}
