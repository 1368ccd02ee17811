//! Replaces a service's pods, as users and clusters do.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Replace;
use crate::node::ground::NODE_NAME;
use crate::node::kubectl::Kubectl;
use crate::record::{Rollout, now_ms};

/// Bounds one replacement: ten times what it takes on a busy machine.
const PATIENCE: &str = "300s";

/// The service's Deployment, and its only container.
const DEPLOYMENT: &str = "deployment/web";

/// Does it `times` times in a row, each time when the one before is through.
///
/// # Errors
///
/// Where one does not come to its end.
pub(super) fn run(
    kubectl: &Kubectl,
    namespace: &str,
    replace: Replace,
    times: u32,
) -> Result<Vec<Rollout>> {
    let mut done = Vec::new();
    for n in 0..times {
        let at_ms = now_ms();
        let how = match (replace, n.is_multiple_of(2)) {
            (Replace::Rollouts, true) => restart(kubectl, namespace)?,
            (Replace::Rollouts, false) => set_image(kubectl, namespace)?,
            (Replace::DrainAndScale, true) => drain(kubectl, namespace)?,
            (Replace::DrainAndScale, false) => scale(kubectl, namespace)?,
            (Replace::LivenessFailures, _) => bail!("a liveness failure replaces no pod"),
        };
        done.push(Rollout { at_ms, how });
    }
    Ok(done)
}

/// The Deployment has what it wants.
pub(super) fn settled(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let timeout = format!("--timeout={PATIENCE}");
    kubectl
        .run(
            &["rollout", "status", DEPLOYMENT, "-n", namespace, &timeout],
            "",
        )
        .map(drop)
}

fn restart(kubectl: &Kubectl, namespace: &str) -> Result<String> {
    kubectl.run(&["rollout", "restart", DEPLOYMENT, "-n", namespace], "")?;
    settled(kubectl, namespace)?;
    Ok("kubectl rollout restart".to_owned())
}

/// To the other version of the image, whichever it has.
fn set_image(kubectl: &Kubectl, namespace: &str) -> Result<String> {
    let path = "jsonpath={.spec.template.spec.containers[0].image}";
    let image = kubectl.run(&["get", DEPLOYMENT, "-n", namespace, "-o", path], "")?;
    let other = match image.rsplit_once(':') {
        Some((name, "1")) => format!("{name}:2"),
        Some((name, _)) => format!("{name}:1"),
        None => bail!("{image} has no version"),
    };
    let change = format!("web={other}");
    kubectl.run(&["set", "image", DEPLOYMENT, &change, "-n", namespace], "")?;
    settled(kubectl, namespace)?;
    Ok("kubectl set image".to_owned())
}

/// The node is drained of this service's pods. It is the only one, so it takes new pods again at once;
/// else a drain would be an outage, whatever the pods do.
fn drain(kubectl: &Kubectl, namespace: &str) -> Result<String> {
    // The label tells the arms apart without a difference in their manifests.
    let label = format!("prove/drain={namespace}");
    let pods = [
        "label",
        "pods",
        "--all",
        &label,
        "-n",
        namespace,
        "--overwrite",
    ];
    kubectl.run(&pods, "")?;
    let selector = format!("--pod-selector={label}");
    let timeout = format!("--timeout={PATIENCE}");
    let drained = thread::scope(|scope| {
        let draining = scope.spawn(|| {
            kubectl.run(
                &[
                    "drain",
                    NODE_NAME,
                    &selector,
                    "--ignore-daemonsets",
                    "--delete-emptydir-data",
                    &timeout,
                ],
                "",
            )
        });
        let opened = uncordon(kubectl, || draining.is_finished());
        let drained = draining.join();
        opened.map(|()| drained)
    })?;
    match drained {
        Ok(said) => said?,
        Err(_) => bail!("the thread that drains panicked"),
    };
    // Whatever happened in between: the next pods need a node.
    kubectl.run(&["uncordon", NODE_NAME], "")?;
    settled(kubectl, namespace)?;
    Ok("kubectl drain".to_owned())
}

fn uncordon(kubectl: &Kubectl, over: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    let path = "jsonpath={.spec.unschedulable}";
    while kubectl.run(&["get", "node", NODE_NAME, "-o", path], "")? != "true" {
        if over() || begun.elapsed() > Duration::from_secs(30) {
            return Ok(());
        }
    }
    kubectl.run(&["uncordon", NODE_NAME], "").map(drop)
}

/// Down to one, and up again to what it was.
fn scale(kubectl: &Kubectl, namespace: &str) -> Result<String> {
    let path = "jsonpath={.spec.replicas}";
    let all = kubectl.run(&["get", DEPLOYMENT, "-n", namespace, "-o", path], "")?;
    for replicas in ["1", all.as_str()] {
        let replicas = format!("--replicas={replicas}");
        kubectl.run(&["scale", DEPLOYMENT, &replicas, "-n", namespace], "")?;
        settled(kubectl, namespace)?;
        // Time enough for requests to meet the pods that go.
        thread::sleep(Duration::from_secs(2));
    }
    Ok("kubectl scale".to_owned())
}
