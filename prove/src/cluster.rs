//! A cluster that is there already: found in the user's kubeconfig, with Silkroll installed.

use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use testkit::kubectl::Kubectl;

/// What the names of all namespaces that are made begin with.
pub const PREFIX: &str = "silkroll-prove-";

/// kubectl, in a context that the user named: never in the one that happens to be current.
///
/// # Errors
///
/// Where there is no kubectl, or no such context: with those that there are.
pub fn kubectl(context: &str) -> Result<Kubectl> {
    let all = Command::new("kubectl")
        .args(["config", "get-contexts", "-o", "name"])
        .output();
    let all = match all {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no kubectl on the PATH; the tests' own is built by \
             `export PATH=\"$(tests/cluster/build.sh kubectl):$PATH\"`, and kubernetes.io/docs/tasks/tools has others"
        ),
        other => other.context("starting kubectl")?,
    };
    if !all.status.success() {
        bail!(
            "`kubectl config get-contexts` failed: {}",
            String::from_utf8_lossy(&all.stderr).trim()
        );
    }
    let all = String::from_utf8_lossy(&all.stdout).into_owned();
    let all: Vec<&str> = all.lines().collect();
    check_context(context, &all)?;
    Ok(Kubectl::in_context(context))
}

fn check_context(context: &str, all: &[&str]) -> Result<()> {
    if all.contains(&context) {
        return Ok(());
    }
    let all = match all {
        [] => "the kubeconfig has none".to_owned(),
        all => format!("there are {}", all.join(", ")),
    };
    if context.is_empty() {
        bail!("CONTEXT names the cluster to run in, and is empty; {all}");
    }
    bail!("CONTEXT={context}: there is no such context; {all}");
}

/// Sees to it that the scenarios can be run there, and says what it is.
///
/// # Errors
///
/// With what is missing or in the way.
pub fn check(kubectl: &Kubectl) -> Result<String> {
    let version = kubectl
        .run(&["version", "-o", "json"], "")
        .context("asking the cluster for its version")?;
    let version: Value = serde_json::from_str(&version).context("kubectl's JSON")?;
    let nodes = kubectl.get(&["nodes"])?;
    refuse(foreign(&nodes, crate::node::archive::architecture()))?;
    let webhooks = kubectl.get(&["mutatingwebhookconfigurations"])?;
    let webhook = items(&webhooks)
        .iter()
        .find(|webhook| webhook["metadata"]["name"] == "silkroll");
    let deployments = kubectl.get(&["deployments", "-A", OURS])?;
    refuse(missing(webhook, &deployments))?;
    refuse(left(&kubectl.get(&["namespaces"])?))?;
    Ok(format!(
        "Silkroll from the image {} on Kubernetes {}, nodes: {}; the load comes from a pod in the cluster.",
        items(&deployments)[0]["spec"]["template"]["spec"]["containers"][0]["image"]
            .as_str()
            .unwrap_or_default(),
        version["serverVersion"]["gitVersion"]
            .as_str()
            .unwrap_or_default(),
        items(&nodes).len(),
    ))
}

/// The label that manifests/install.yaml gives to all that it installs.
const OURS: &str = "--selector=app.kubernetes.io/name=silkroll";

fn refuse(why: Option<String>) -> Result<()> {
    why.map_or(Ok(()), |why| bail!(why))
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

/// Nodes that the image does not run on.
fn foreign(nodes: &Value, ours: &str) -> Option<String> {
    let others: Vec<String> = items(nodes)
        .iter()
        .filter_map(|node| {
            let name = node["metadata"]["name"].as_str()?;
            let theirs = node["status"]["nodeInfo"]["architecture"].as_str()?;
            (theirs != ours).then(|| format!("{name} ({theirs})"))
        })
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "the image is for {ours}, as this machine is, and pods may come to {}",
            others.join(", ")
        )
    })
}

/// What there is not of an installed Silkroll.
fn missing(webhook: Option<&Value>, deployments: &Value) -> Option<String> {
    const README: &str = "the README says how to install Silkroll";
    let Some(webhook) = webhook else {
        return Some(format!(
            "there is no MutatingWebhookConfiguration silkroll; {README}"
        ));
    };
    let bundle = &webhook["webhooks"][0]["clientConfig"]["caBundle"];
    if bundle.as_str().unwrap_or_default().is_empty() {
        return Some(
            "the MutatingWebhookConfiguration silkroll has no caBundle, so that every call fails: the log of Silkroll's \
             pods says why they do not write it"
                .to_owned(),
        );
    }
    let Some(deployment) = items(deployments).first() else {
        return Some(format!(
            "there is no Deployment with the label app.kubernetes.io/name=silkroll; {README}"
        ));
    };
    let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or(0);
    (ready == 0).then(|| {
        format!(
            "no replica of Silkroll is ready: kubectl -n {} describe pods",
            deployment["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default()
        )
    })
}

/// Namespaces of an earlier run, which are deleted by hand: whoever made them may still be at it.
fn left(namespaces: &Value) -> Option<String> {
    let names: Vec<&str> = items(namespaces)
        .iter()
        .filter_map(|namespace| namespace["metadata"]["name"].as_str())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    (!names.is_empty()).then(|| {
        let names = names.join(" ");
        format!(
            "there are namespaces of another run. If it is over: kubectl delete namespace {names}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_context_has_to_be_named_and_to_be_there() {
        let all = ["kind-kind", "production"];
        assert!(check_context("kind-kind", &all).is_ok());
        for context in ["", "kind"] {
            let error = check_context(context, &all).unwrap_err().to_string();
            assert!(error.contains("there are kind-kind, production"), "{error}");
        }
        let error = check_context("kind", &[]).unwrap_err().to_string();
        assert!(error.contains("the kubeconfig has none"), "{error}");
    }

    #[test]
    fn what_is_missing_of_silkroll_is_named() {
        let webhook = json!({"webhooks": [{"clientConfig": {"caBundle": "Zg=="}}]});
        let bare = json!({"webhooks": [{"clientConfig": {}}]});
        let list = |ready: u64| {
            json!({"items": [{"metadata": {"namespace": "silkroll-system"},
                "status": {"readyReplicas": ready}}]})
        };
        assert_eq!(missing(Some(&webhook), &list(1)), None);
        for (webhook, deployments, what) in [
            (None, list(1), "MutatingWebhookConfiguration"),
            (Some(&bare), list(1), "no caBundle"),
            (Some(&webhook), json!({"items": []}), "no Deployment"),
            (Some(&webhook), list(0), "-n silkroll-system describe pods"),
        ] {
            let why = missing(webhook, &deployments).unwrap();
            assert!(why.contains(what), "{why}");
        }
    }

    #[test]
    fn namespaces_of_another_run_and_foreign_nodes_are_refused() {
        let named = |names: &[&str]| -> Value {
            let item = |name: &&str| {
                json!({"metadata": {"name": name},
                    "status": {"nodeInfo": {"architecture": "amd64"}}})
            };
            json!({"items": names.iter().map(item).collect::<Vec<_>>()})
        };
        assert_eq!(left(&named(&["default", "silkroll-system"])), None);
        let why = left(&named(&["default", "silkroll-prove-a-control"])).unwrap();
        assert!(
            why.ends_with("kubectl delete namespace silkroll-prove-a-control"),
            "{why}"
        );
        assert_eq!(foreign(&named(&["one"]), "amd64"), None);
        let why = foreign(&named(&["one", "two"]), "arm64").unwrap();
        assert!(why.ends_with("one (amd64), two (amd64)"), "{why}");
    }
}
