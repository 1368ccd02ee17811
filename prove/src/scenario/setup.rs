//! The namespace of an arm, with its service in it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use testkit::kubectl::Kubectl;

use super::{Place, Settings, replace};
use crate::node::services::HERE;
use crate::record::Arm;

/// Bounds the wait for a ConfigMap that Silkroll writes within milliseconds, on a machine that is not
/// overloaded.
const CONFIG_MAP: Duration = Duration::from_secs(10);

/// The namespace with the service in it, as it should be.
pub(super) fn set_up(
    kubectl: &Kubectl,
    settings: &Settings,
    namespace: &str,
    manifests: &[impl AsRef<str>],
    arm: Arm,
    annotations: &[(&str, &str)],
) -> Result<()> {
    let object = manifest(namespace, arm, annotations);
    settings.namespaces.create(kubectl, namespace, &object)?;
    // At once, as where both are in one file: Silkroll has to know of a namespace in time by itself.
    let mut warnings = String::new();
    for manifest in manifests {
        // An Ingress needs a host of its own; no other manifest names its namespace.
        let mut manifest = manifest.as_ref().replace("NAMESPACE", namespace);
        if let Place::Cluster { images } = &settings.place {
            manifest = manifest.replace(&format!("image: {HERE}/"), &format!("image: {images}/"));
        }
        let apply = ["apply", "-n", namespace, "-f", "-"];
        warnings += &kubectl.run_with_warnings(&apply, &manifest)?.1;
    }
    check_injection(kubectl, namespace, arm)
        .with_context(|| format!("kubectl apply warned: {warnings:?}"))?;
    replace::settled(kubectl, namespace)
}

/// The namespace: here, and nowhere else, the arms differ.
fn manifest(namespace: &str, arm: Arm, annotations: &[(&str, &str)]) -> String {
    let mut all = serde_json::Map::new();
    if arm == Arm::Silkroll {
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
fn check_injection(kubectl: &Kubectl, namespace: &str, arm: Arm) -> Result<()> {
    let path = r"jsonpath={.spec.template.metadata.annotations.silkroll\.dev/status}";
    let deployment = ["get", "deployment", "web", "-n", namespace, "-o", path];
    let injected = !kubectl.run(&deployment, "")?.is_empty();
    match (arm, injected) {
        (Arm::Silkroll, false) => bail!("Silkroll injected nothing"),
        (Arm::Control, true) => bail!("Silkroll injected into a namespace that did not opt in"),
        (Arm::Control, false) => Ok(()),
        (Arm::Silkroll, true) => check_script(kubectl, namespace),
    }
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

    #[test]
    fn the_arms_differ_by_annotations_alone() {
        for scenario in all() {
            let read = |arm| -> serde_json::Value {
                serde_json::from_str(&manifest("a", arm, scenario.annotations)).unwrap()
            };
            let (control, mut silkroll) = (read(Arm::Control), read(Arm::Silkroll));
            assert_eq!(control["metadata"]["annotations"], json!({}));
            let annotations = silkroll["metadata"]["annotations"].take();
            assert_eq!(annotations["silkroll.dev/inject"], "enabled");
            silkroll["metadata"]["annotations"] = json!({});
            assert_eq!(control, silkroll);
        }
    }
}
