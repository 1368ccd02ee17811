//! The namespace of an arm, with its service in it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use testkit::kubectl::Kubectl;

use super::list::LEVEL_POD;
use super::{Place, Settings, replace};
use crate::node::services::HERE;

/// Bounds the wait for a ConfigMap that Silkroll writes within milliseconds, on a machine that is not
/// overloaded.
const CONFIG_MAP: Duration = Duration::from_secs(10);

/// What stands in a manifest for the uid of the ConfigMap `operator`, which the API server gives.
const OPERATOR_UID: &str = "OPERATOR_UID";

/// The namespace with the service in it, as it should be. Without annotations it has not opted in.
pub(super) fn set_up(
    kubectl: &Kubectl,
    settings: &Settings,
    namespace: &str,
    manifests: &[impl AsRef<str>],
    annotations: Option<&[(&str, &str)]>,
) -> Result<()> {
    let object = manifest(namespace, annotations);
    settings.namespaces.create(kubectl, namespace, &object)?;
    // At once, as where both are in one file: Silkroll has to know of a namespace in time by itself.
    let mut warnings = String::new();
    for manifest in manifests {
        let manifest = manifest.as_ref();
        // An Ingress needs a host of its own; no other manifest names its namespace.
        let mut manifest = manifest.replace("NAMESPACE", namespace);
        if manifest.contains(OPERATOR_UID) {
            let path = "jsonpath={.metadata.uid}";
            let operator = ["get", "configmap", "operator", "-n", namespace, "-o", path];
            manifest = manifest.replace(OPERATOR_UID, &kubectl.run(&operator, "")?);
        }
        if let Place::Cluster { images } = &settings.place {
            manifest = manifest.replace(&format!("image: {HERE}/"), &format!("image: {images}/"));
        }
        let apply = ["apply", "-n", namespace, "-f", "-"];
        warnings += &kubectl.run_with_warnings(&apply, &manifest)?.1;
    }
    let opted_in = annotations.is_some();
    let of_pods = annotations.is_some_and(|all| all.contains(&LEVEL_POD));
    check_injection(kubectl, namespace, opted_in, of_pods)
        .with_context(|| format!("kubectl apply warned: {warnings:?}"))?;
    replace::settled(kubectl, namespace)?;
    if of_pods {
        check_pods(kubectl, namespace)?;
    }
    Ok(())
}

/// The namespace: here, and nowhere else, the arms differ.
fn manifest(namespace: &str, annotations: Option<&[(&str, &str)]>) -> String {
    let mut all = serde_json::Map::new();
    if let Some(annotations) = annotations {
        all.insert("silkroll.dev/inject".to_owned(), "enabled".into());
        for (name, value) in annotations {
            all.insert(format!("silkroll.dev/{name}"), (*value).into());
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace, "annotations": all},
    })
    .to_string()
}

/// An arm with Silkroll in which nothing was injected, because the webhook was away, would be a
/// second control arm; and the other way round.
fn check_injection(
    kubectl: &Kubectl,
    namespace: &str,
    opted_in: bool,
    of_pods: bool,
) -> Result<()> {
    let path = r"jsonpath={.spec.template.metadata.annotations.silkroll\.dev/status}";
    let deployment = ["get", "deployment", "web", "-n", namespace, "-o", path];
    let injected = !kubectl.run(&deployment, "")?.is_empty();
    match (opted_in, injected) {
        (_, true) if of_pods => bail!("Silkroll injected into the Deployment, and not its Pods"),
        (_, false) if of_pods => Ok(()),
        (true, false) => bail!("Silkroll injected nothing"),
        (false, true) => bail!("Silkroll injected into a namespace that did not opt in"),
        (false, false) => Ok(()),
        (true, true) => check_script(kubectl, namespace),
    }
}

/// The same of Pods: all of them are there.
fn check_pods(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let pods = kubectl.get(&["pods", "--selector=app=web", "-n", namespace])?;
    let pods = pods["items"].as_array().map_or(&[][..], Vec::as_slice);
    let status = |pod: &Value| pod["metadata"]["annotations"]["silkroll.dev/status"].is_string();
    let injected = pods.iter().filter(|pod| status(pod)).count();
    if pods.is_empty() || injected != pods.len() {
        bail!("Silkroll injected into {injected} of {} Pods", pods.len());
    }
    Ok(())
}

/// Without the ConfigMap that a hook runs from pods start all the same, and it only waits. Silkroll may
/// not write one where manifests and image are of different versions.
fn check_script(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let path = "jsonpath={.spec.template.spec.volumes[*].configMap.name}";
    let deployment = ["get", "deployment", "web", "-n", namespace, "-o", path];
    let names = kubectl.run(&deployment, "")?;
    for name in names.split_whitespace() {
        let begun = Instant::now();
        while let Err(error) = kubectl.run(&["get", "configmap", name, "-n", namespace], "") {
            if begun.elapsed() > CONFIG_MAP {
                return Err(error).with_context(|| {
                    format!("{name} is not in {namespace}: are manifests/install.yaml and the image of one version?")
                });
            }
        }
    }
    Ok(())
}

/// All that is asked of Silkroll, for whoever wants to try the same.
pub(super) fn annotations_of(what: &str, annotations: &[(&str, &str)]) -> String {
    let all: Vec<String> = [&("inject", "enabled")]
        .into_iter()
        .chain(annotations)
        .map(|(name, value)| format!("`silkroll.dev/{name}: {value}`"))
        .collect();
    format!("{what} says {}.", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;
    use crate::record::Arm;

    #[test]
    fn the_arms_differ_by_annotations_alone() {
        for scenario in all() {
            let read = |arm| -> serde_json::Value {
                serde_json::from_str(&manifest("a", scenario.asks(arm))).unwrap()
            };
            let (mut control, mut silkroll) = (read(Arm::Control), read(Arm::Silkroll));
            let annotations =
                [&mut control, &mut silkroll].map(|it| it["metadata"]["annotations"].take());
            assert_eq!(annotations[1]["silkroll.dev/inject"], "enabled");
            assert_eq!(control, silkroll);
            if scenario.control.is_empty() {
                assert_eq!(annotations[0], json!({}));
                continue;
            }
            // By one setting, and what tells their instances apart.
            let key = |all: &Value| -> std::collections::BTreeSet<String> {
                let all = all.as_object().unwrap().iter();
                let all = all.filter(|(name, _)| *name != "silkroll.dev/nacos-group");
                all.map(|(name, value)| format!("{name}={value}")).collect()
            };
            let differ = key(&annotations[0])
                .symmetric_difference(&key(&annotations[1]))
                .count();
            assert!((1..=2).contains(&differ), "{annotations:?}");
        }
    }
}
