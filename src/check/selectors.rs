//! Which pods a Service or a `PodDisruptionBudget` selects.

use std::collections::HashMap;

use serde_json::Value;

use super::object::Object;
use super::read::{list, text};

/// Labels with a hash that controllers add to pods: of a Deployment, of a Rollout (which writes it into the selectors of its
/// Services, too), and of `StatefulSets` and `DaemonSets`.
const HASHES: [&str; 4] = [
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
];
/// Labels that the controller of a `StatefulSet` gives to one pod each (`StatefulSetPodNameLabel`, `PodIndexLabel`).
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// How many of a workload's pods are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    None,
    /// Those of one version, or one of a `StatefulSet`.
    Some,
    All,
}

/// Which of a workload's pods labels select: those of its template, and those that its controller adds.
pub(super) fn labels_select(wanted: &Value, workload: &Object<'_>) -> Share {
    let has = workload.pod_labels();
    let (mut named, mut share) = (
        wanted.as_object().is_none_or(serde_json::Map::is_empty),
        Share::All,
    );
    for (key, value) in wanted.as_object().into_iter().flatten() {
        let value_text = value.as_str().unwrap_or_default();
        match key.as_str() {
            _ if has[key] == *value => named = true,
            key if !has[key].is_null() => return Share::None,
            key if HASHES.contains(&key) => share = Share::Some,
            POD_INDEX if workload.kind == "StatefulSet" => share = Share::Some,
            POD_NAME if workload.kind == "StatefulSet" && is_pod(value_text, workload.name) => {
                (named, share) = (true, Share::Some);
            }
            _ => return Share::None,
        }
    }
    // A hash alone is of any workload.
    if named { share } else { Share::None }
}

/// Whether labels name one pod of a `StatefulSet` by what it is called.
pub(super) fn names_a_pod(wanted: &Value) -> bool {
    [POD_NAME, POD_INDEX]
        .iter()
        .any(|key| wanted[*key].is_string())
}

/// Whether this is the name of a pod of a `StatefulSet`: `web-0`.
fn is_pod(name: &str, set: &str) -> bool {
    let number = name
        .strip_prefix(set)
        .and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Which of a workload's pods a budget selects. As the API says of `policy/v1` (`PodDisruptionBudgetSpec`): "A null selector
/// will match no pods, while an empty ({}) selector will select all pods within the namespace." In `policy/v1beta1` an empty
/// one selects none, too.
pub(super) fn budget_selects(budget: &Object<'_>, workload: &Object<'_>) -> Share {
    let selector = &budget.spec()["selector"];
    if selects_nothing(budget) {
        return Share::None;
    }
    let labels = workload.pod_labels();
    let met = list(selector, "matchExpressions").iter().all(|one| {
        let label = &labels[text(one, "key")];
        let among = list(one, "values").contains(label);
        match text(one, "operator") {
            "In" => among,
            "NotIn" => !among,
            "Exists" => !label.is_null(),
            "DoesNotExist" => label.is_null(),
            _ => false,
        }
    });
    if met {
        labels_select(&selector["matchLabels"], workload)
    } else {
        Share::None
    }
}

/// Whether a budget has no selector that could select any pod.
pub(super) fn selects_nothing(budget: &Object<'_>) -> bool {
    let selector = budget.spec()["selector"].as_object();
    selector.is_none_or(|all| budget.api_version == "policy/v1beta1" && all.is_empty())
}

/// Whether a Service selects pods. Of one that is only another name for something outside the API says
/// (`ServiceSpec.selector`): "Ignored if type is `ExternalName`."
pub(super) fn service_selects(service: &Object<'_>) -> bool {
    let labels = service.spec()["selector"].as_object();
    labels.is_some_and(|labels| !labels.is_empty())
        && text(service.spec(), "type") != "ExternalName"
}

/// Selectors by one of their labels, so that a workload is compared with the few that have one of its own.
#[derive(Default)]
pub(super) struct Selectors<'a> {
    by_label: HashMap<(&'a str, &'a str, &'a str), Vec<usize>>,
    /// Those without a label of a template, by namespace.
    others: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Selectors<'a> {
    pub(super) fn add(&mut self, object: &Object<'a>, labels: &'a Value, at: usize) {
        let added = |key: &str| HASHES.contains(&key) || [POD_NAME, POD_INDEX].contains(&key);
        let mut labels = labels.as_object().into_iter().flatten();
        let plain = labels.find_map(|(key, value)| {
            let value = value.as_str().filter(|_| !added(key))?;
            Some((key.as_str(), value))
        });
        match plain {
            Some((key, value)) => {
                let place = (object.namespace, key, value);
                self.by_label.entry(place).or_default().push(at);
            }
            None => self.others.entry(object.namespace).or_default().push(at),
        }
    }

    pub(super) fn near(&self, namespace: &'a str, labels: &'a Value) -> Vec<usize> {
        let mut near: Vec<usize> = self.others.get(namespace).cloned().unwrap_or_default();
        for (key, value) in labels.as_object().into_iter().flatten() {
            let Some(value) = value.as_str() else {
                continue;
            };
            near.extend(
                self.by_label
                    .get(&(namespace, key.as_str(), value))
                    .into_iter()
                    .flatten(),
            );
        }
        near.sort_unstable();
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_the_templates_and_those_that_a_controller_adds() {
        for (wanted, kind, expected) in [
            (json!({"app": "web"}), "Deployment", Share::All),
            (json!({"app": "web", "x": "y"}), "Deployment", Share::None),
            (json!({}), "Deployment", Share::All),
            (
                json!({"app": "web", "rollouts-pod-template-hash": "6b"}),
                "Rollout",
                Share::Some,
            ),
            (
                json!({"rollouts-pod-template-hash": "6b"}),
                "Rollout",
                Share::None,
            ),
            (
                json!({"app": "db", "pod-template-hash": "6b"}),
                "Deployment",
                Share::None,
            ),
            (json!({POD_NAME: "web-0"}), "StatefulSet", Share::Some),
            (json!({POD_NAME: "web-0"}), "Deployment", Share::None),
            (json!({POD_NAME: "web-db-0"}), "StatefulSet", Share::None),
            (json!({POD_NAME: "web"}), "StatefulSet", Share::None),
            (
                json!({"app": "web", POD_INDEX: "0"}),
                "StatefulSet",
                Share::Some,
            ),
            (json!({POD_INDEX: "0"}), "StatefulSet", Share::None),
        ] {
            let workload = json!({"metadata": {"name": "web"}, "spec": {"template": {"metadata": {
                "labels": {"app": "web"},
            }}}});
            let workload = Object::new(&workload, "apps/v1", kind, "default");
            assert_eq!(
                labels_select(&wanted, &workload),
                expected,
                "{kind} {wanted}"
            );
        }
    }

    #[test]
    fn a_budgets_selector_is_read_as_the_api_reads_it() {
        let expression = |key: &str, operator: &str| json!({"matchExpressions": [{"key": key, "operator": operator, "values": ["web"]}]});
        for (selector, version, expected) in [
            (json!(null), "policy/v1", Share::None),
            (json!({}), "policy/v1", Share::All),
            (json!({}), "policy/v1beta1", Share::None),
            (
                json!({"matchLabels": {"app": "web"}}),
                "policy/v1",
                Share::All,
            ),
            (
                json!({"matchLabels": {"app": "db"}}),
                "policy/v1",
                Share::None,
            ),
            (expression("app", "In"), "policy/v1", Share::All),
            (expression("app", "NotIn"), "policy/v1", Share::None),
            (expression("app", "Exists"), "policy/v1", Share::All),
            (
                expression("x", "DoesNotExist"),
                "policy/v1beta1",
                Share::All,
            ),
            (expression("x", ""), "policy/v1", Share::None),
        ] {
            let workload = json!({"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}});
            let workload = Object::new(&workload, "apps/v1", "Deployment", "default");
            let budget = json!({"spec": {"selector": selector}});
            let budget = Object::new(&budget, version, "PodDisruptionBudget", "default");
            assert_eq!(
                budget_selects(&budget, &workload),
                expected,
                "{version} {selector}"
            );
        }
    }
}
