//! Where the pods go: the real scheduler, on nodes that nobody runs. What a kubelet says of pods is said here.

use serde_json::{Value, json};
use testkit::wait::eventually;

use super::cluster::{ControlPlane, Options};
use super::helm::{Helm, NAMESPACE, RELEASE, chart};

fn node(plane: &ControlPlane, name: &str) {
    let labels = json!({"kubernetes.io/hostname": name});
    let node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
    plane.ok(&["create", "-f", "-"], &node.to_string());
    let room = json!({"cpu": "8", "memory": "16Gi", "pods": "100"});
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let status = json!({"status": {"capacity": room, "allocatable": room, "conditions": ready}});
    let patch = ["patch", "node", name, "--subresource=status", "-p"];
    plane.ok(&[&patch[..], &[&status.to_string()]].concat(), "");
    // That it is not ready yet, the API server has noted by itself.
    let free = ["patch", "node", name, "-p", r#"{"spec": {"taints": null}}"#];
    plane.ok(&free, "");
}

fn pods(plane: &ControlPlane) -> Vec<Value> {
    let list = plane.get(&["pods", "-n", NAMESPACE]).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// Starts and ends pods as a kubelet does, until the Deployment has rolled out; the nodes of its pods.
fn rolled_out(plane: &ControlPlane) -> Vec<String> {
    eventually("a Deployment that has rolled out", || {
        for pod in pods(plane) {
            let name = pod["metadata"]["name"].as_str().unwrap();
            if pod["metadata"]["deletionTimestamp"].is_string() {
                let gone = [
                    "delete",
                    "pod",
                    "-n",
                    NAMESPACE,
                    name,
                    "--force",
                    "--ignore-not-found",
                ];
                plane.ok(&[&gone[..], &["--grace-period=0"]].concat(), "");
            } else if pod["spec"]["nodeName"].is_string() && pod["status"]["phase"] == "Pending" {
                let ready = json!([{"type": "Ready", "status": "True"}]);
                let status = json!({"status": {"phase": "Running", "conditions": ready}});
                let patch = [
                    "patch",
                    "pod",
                    "-n",
                    NAMESPACE,
                    name,
                    "--subresource=status",
                    "-p",
                ];
                // It may have gone meanwhile.
                plane.kubectl(&[&patch[..], &[&status.to_string()]].concat(), "");
            }
        }
        let there = plane
            .get(&["deployment", "-n", NAMESPACE, RELEASE])
            .unwrap();
        let (wanted, status) = (&there["spec"]["replicas"], &there["status"]);
        let all = ["replicas", "updatedReplicas", "availableReplicas"];
        let done = status["observedGeneration"] == there["metadata"]["generation"]
            && all.iter().all(|count| status[count] == *wanted);
        let pods = pods(plane);
        (done && wanted.as_u64() == u64::try_from(pods.len()).ok()).then(|| {
            let nodes = pods
                .iter()
                .map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned());
            nodes.collect()
        })
    })
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn the_replicas_are_on_different_nodes_with_and_without_zones_and_in_their_network() {
    let plane = ControlPlane::start(Options { controllers: true });
    for name in ["n1", "n2"] {
        node(&plane, name);
    }
    let _scheduler = plane.schedule();
    let helm = Helm::on(&plane, 4);
    let chart = chart();
    let upgrade = |round: &str, more: &str| {
        let values =
            format!("{{wait: {{enabled: false}}, podAnnotations: {{round: '{round}'}}{more}}}");
        let args = [
            "upgrade",
            "--install",
            RELEASE,
            &chart,
            "-n",
            NAMESPACE,
            "--create-namespace",
        ];
        helm.ok(&[&args[..], &["-f", "-"]].concat(), &values);
        let mut nodes = rolled_out(&plane);
        nodes.sort();
        nodes
    };
    // Nodes of many clusters have no zone: of two constraints that are preferred neither would count there.
    for round in ["a", "b", "c", "d"] {
        assert_eq!(upgrade(round, ""), ["n1", "n2"], "round {round}");
    }
    // A node has each port once, and there are no more nodes than replicas.
    for round in ["e", "f"] {
        assert_eq!(
            upgrade(round, ", hostNetwork: true"),
            ["n1", "n2"],
            "round {round}"
        );
    }
    // Where there are zones, they are not in one.
    node(&plane, "n3");
    for (node, zone) in [("n1", "z1"), ("n2", "z1"), ("n3", "z2")] {
        let zone = format!("topology.kubernetes.io/zone={zone}");
        plane.ok(&["label", "node", node, &zone], "");
    }
    for round in ["g", "h", "i"] {
        let nodes = upgrade(round, "");
        assert!(
            nodes.contains(&"n3".to_owned()) && nodes[0] != nodes[1],
            "{round}: {nodes:?}"
        );
    }
    // A node with the only replica can be drained.
    let left = upgrade("j", ", replicas: 1");
    assert_eq!(left.len(), 1);
    assert_eq!(
        plane.get(&["poddisruptionbudget", "-n", NAMESPACE, RELEASE]),
        None
    );
}
