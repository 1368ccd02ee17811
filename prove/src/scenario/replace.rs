//! Replaces a service's pods, as users and clusters do.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;
use testkit::kubectl::Kubectl;

use super::{Replace, Scenario};
use crate::node::ground::NODE_NAME;
use crate::record::{Arm, Rollout, now_ms};

/// Bounds one replacement: ten times what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A rollout that takes longer than most is looked at this often: it may never come to its end.
const LOOK: Duration = Duration::from_secs(10);

/// The service's Deployment, and its only container.
const DEPLOYMENT: &str = "deployment/web";

/// How long it is watched that a rollout stands still; each of its pods is there within seconds.
const STILL: Duration = Duration::from_secs(40);

/// How long an arm without the setting is watched: Nacos' default drain is 40 s, and the service is away for the rest.
const AWAY: Duration = Duration::from_secs(50);

/// How many pods it has in most manifests.
pub(super) const REPLICAS: usize = 3;

/// Where its pods listen, in every manifest.
pub(super) const PORT: u16 = 8080;

/// What was done, as one would type it, and how many pods that replaces.
type Done = (&'static str, usize);

/// Does it `times` times in a row, each time when the one before is through and `ready` says so for its number.
///
/// # Errors
///
/// Where one does not come to its end.
pub(super) fn run(
    kubectl: &Kubectl,
    namespace: &str,
    scenario: &Scenario,
    arm: Arm,
    times: u32,
    ready: impl Fn(u32) -> Result<()>,
) -> Result<Vec<Rollout>> {
    let mut done = Vec::new();
    for n in 0..times {
        ready(n)?;
        let at_ms = now_ms();
        let all = scenario.replicas;
        let (how, pods) = match (scenario.replace, n.is_multiple_of(2)) {
            (Replace::Rollouts, true) => (restart(kubectl, namespace)?, all),
            (Replace::Rollouts, false) => (set_image(kubectl, namespace)?, all),
            (Replace::NeverRegisters, _) => never_registers(kubectl, namespace, arm, all)?,
            (Replace::DrainAndScale, true) => drain(kubectl, namespace)?,
            (Replace::DrainAndScale, false) | (Replace::Scaling, _) => scale(kubectl, namespace)?,
            (Replace::LivenessFailures, _) => bail!("a liveness failure replaces no pod"),
        };
        done.push(Rollout {
            at_ms,
            how: how.to_owned(),
            pods,
        });
    }
    Ok(done)
}

/// The Deployment has what it wants.
pub(super) fn settled(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let timeout = format!("--timeout={}s", LOOK.as_secs());
    let status = ["rollout", "status", DEPLOYMENT, "-n", namespace, &timeout];
    let begun = Instant::now();
    while let Err(error) = kubectl.run(&status, "") {
        let pods = kubectl.get(&["pods", "-n", namespace])?;
        if let Some(why) = pods["items"].as_array().and_then(|pods| stuck(pods)) {
            bail!(why);
        }
        if let Some(why) = refused(&kubectl.get(&[DEPLOYMENT, "-n", namespace])?) {
            bail!(why);
        }
        if begun.elapsed() > PATIENCE || !error.to_string().contains("timed out") {
            return Err(error);
        }
    }
    Ok(())
}

/// Why one of these pods will not start, if that is certain: its image is not to be had.
pub(super) fn stuck(pods: &[Value]) -> Option<String> {
    const CERTAIN: [&str; 3] = ["ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName"];
    pods.iter().find_map(|pod| {
        let container = &pod["status"]["containerStatuses"][0];
        let waiting = &container["state"]["waiting"];
        let reason = waiting["reason"].as_str()?;
        CERTAIN.contains(&reason).then(|| {
            format!(
                "{}: the image {} is not to be had ({reason}: {}). `make prove-image` writes it to \
                 target/prove/image.tar, which `kind load image-archive`, `k3d image import` or `ctr -n k8s.io \
                 images import` bring to the nodes; IMAGES=registry.example/folder names a place from which \
                 they can pull it",
                pod["metadata"]["name"].as_str().unwrap_or_default(),
                container["image"].as_str().unwrap_or_default(),
                waiting["message"].as_str().unwrap_or_default(),
            )
        })
    })
}

/// Why the Deployment gets no pods, such as for a quota or a pod security standard.
fn refused(deployment: &Value) -> Option<String> {
    let conditions = deployment["status"]["conditions"].as_array()?;
    let failure = conditions
        .iter()
        .find(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True")?;
    let message = failure["message"].as_str().unwrap_or_default();
    Some(format!("the cluster refuses the pods: {message}"))
}

fn restart(kubectl: &Kubectl, namespace: &str) -> Result<&'static str> {
    kubectl.run(&["rollout", "restart", DEPLOYMENT, "-n", namespace], "")?;
    settled(kubectl, namespace)?;
    Ok("kubectl rollout restart")
}

/// A version that listens and never registers. With Silkroll's setting the rollout waits for its first pod, in the control arm it
/// comes to its end; then it is taken back.
fn never_registers(kubectl: &Kubectl, namespace: &str, arm: Arm, all: usize) -> Result<Done> {
    let set = [
        "set",
        "env",
        DEPLOYMENT,
        "REGISTER_AFTER=never",
        "-n",
        namespace,
    ];
    kubectl.run(&set, "")?;
    let pods = match arm {
        Arm::Control => {
            settled(kubectl, namespace)?;
            // The old pods drain and go, and then no pod is there.
            thread::sleep(AWAY);
            2 * all
        }
        Arm::Silkroll => {
            let timeout = format!("--timeout={}s", STILL.as_secs());
            let status = ["rollout", "status", DEPLOYMENT, "-n", namespace, &timeout];
            match kubectl.run(&status, "") {
                Ok(_) => bail!("the rollout of a version that never registers came to its end"),
                Err(error) if error.to_string().contains("timed out") => {}
                Err(error) => return Err(error),
            }
            waits_for_its_callers(kubectl, namespace)?;
            // The one that surged.
            1
        }
    };
    kubectl.run(&["rollout", "undo", DEPLOYMENT, "-n", namespace], "")?;
    settled(kubectl, namespace)?;
    Ok(("kubectl set env, kubectl rollout undo", pods))
}

/// That the rollout stands still for the one reason: a new container runs, has never ended, and its startup probe says that it is not
/// in the list.
fn waits_for_its_callers(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let pods = kubectl.get(&["pods", "-n", namespace])?;
    let waiting = |pod: &&Value| {
        let container = &pod["status"]["containerStatuses"][0];
        container["started"] == false
            && container["restartCount"] == 0
            && container["state"]["running"].is_object()
    };
    let pods = pods["items"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(pod) = pods.iter().find(waiting) else {
        bail!(
            "the rollout of a version that never registers stands still, and no container of it runs and waits"
        );
    };
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let selector = format!("--field-selector=reason=Unhealthy,involvedObject.name={name}");
    let events = kubectl.get(&["events", "-n", namespace, &selector])?;
    let says = |event: &Value| {
        let message = event["message"].as_str().unwrap_or_default();
        message.contains("this pod is not in the list that callers go by")
    };
    let events = events["items"].as_array().map_or(&[][..], Vec::as_slice);
    if !events.iter().any(says) {
        bail!(
            "{name} never registers and has not started, and its startup probe does not say that it is not in the list"
        );
    }
    Ok(())
}

/// To the other version of the image, whichever it has.
fn set_image(kubectl: &Kubectl, namespace: &str) -> Result<&'static str> {
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
    Ok("kubectl set image")
}

/// The node is drained of this service's pods. It is the only one, so it takes new pods again at once;
/// else a drain would be an outage, whatever the pods do.
fn drain(kubectl: &Kubectl, namespace: &str) -> Result<Done> {
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
    let timeout = format!("--timeout={}s", PATIENCE.as_secs());
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
        while !draining.is_finished() {
            // Each drain cordons the node: that of another arm, perhaps, and then this one's.
            uncordon(kubectl)?;
            // Asking costs a busy machine a kubectl.
            thread::sleep(Duration::from_secs(2));
        }
        Ok::<_, anyhow::Error>(draining.join())
    });
    // Whatever happened in between: the next pods need a node.
    kubectl.run(&["uncordon", NODE_NAME], "")?;
    match drained? {
        Ok(said) => said?,
        Err(_) => bail!("the thread that drains panicked"),
    };
    settled(kubectl, namespace)?;
    Ok(("kubectl drain", REPLICAS))
}

fn uncordon(kubectl: &Kubectl) -> Result<()> {
    let path = "jsonpath={.spec.unschedulable}";
    if kubectl.run(&["get", "node", NODE_NAME, "-o", path], "")? == "true" {
        kubectl.run(&["uncordon", NODE_NAME], "")?;
    }
    Ok(())
}

/// Down to one, and up again to what it was.
fn scale(kubectl: &Kubectl, namespace: &str) -> Result<Done> {
    let path = "jsonpath={.spec.replicas}";
    let all = kubectl.run(&["get", DEPLOYMENT, "-n", namespace, "-o", path], "")?;
    for replicas in ["1", all.as_str()] {
        let replicas = format!("--replicas={replicas}");
        kubectl.run(&["scale", DEPLOYMENT, &replicas, "-n", namespace], "")?;
        settled(kubectl, namespace)?;
        // Time enough for requests to meet the pods that go.
        thread::sleep(Duration::from_secs(2));
    }
    Ok(("kubectl scale", REPLICAS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn waiting(reason: &str) -> Value {
        json!({"metadata": {"name": "web-1"}, "status": {"containerStatuses": [{
            "image": "prove.local/shell:1",
            "state": {"waiting": {"reason": reason, "message": "Back-off pulling"}},
        }]}})
    }

    #[test]
    fn an_image_that_is_not_to_be_had_ends_the_wait_and_says_how_to_get_it() {
        let running = json!({"status": {"containerStatuses": [{"state": {"running": {}}}]}});
        let why = stuck(&[running.clone(), waiting("ImagePullBackOff")]).unwrap();
        for part in [
            "web-1",
            "prove.local/shell:1",
            "kind load image-archive",
            "IMAGES=",
        ] {
            assert!(why.contains(part), "{why}");
        }
        // The first of these is how every pod begins, the other one may pass.
        let passing = ["ContainerCreating", "ErrImagePull"].map(waiting);
        assert_eq!(stuck(&passing), None);
        assert_eq!(stuck(&[running, json!({})]), None);
    }

    #[test]
    fn a_deployment_without_pods_says_who_refuses_them() {
        let condition = |kind| {
            json!({"status": {"conditions": [
            {"type": kind, "status": "True", "message": "violates PodSecurity"}]}})
        };
        let why = refused(&condition("ReplicaFailure")).unwrap();
        assert!(why.ends_with("violates PodSecurity"), "{why}");
        assert_eq!(refused(&condition("Progressing")), None);
        assert_eq!(refused(&json!({})), None);
    }
}
