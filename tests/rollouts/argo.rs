//! Argo Rollouts beside Silkroll, and Rollouts looked at.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use testkit::ports;
use testkit::process::{Output, Process, Spec, run};
use testkit::wait::eventually;

use super::manifests;
use super::space::Space;
use super::world::World;

/// A Rollout, and the `ReplicaSet`s that there are of it: each is a template that was rolled out.
pub(crate) struct Seen {
    pub(crate) object: Value,
    pub(crate) sets: Vec<Value>,
}

impl Seen {
    pub(crate) fn template(&self) -> &Value {
        &self.object["spec"]["template"]
    }

    pub(crate) fn record(&self) -> &Value {
        record(self.template())
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.sets.iter().map(name).collect()
    }

    /// The `ReplicaSet` of the template that it has now.
    pub(crate) fn current(&self) -> &Value {
        let hash = &self.object["status"]["currentPodHash"];
        let of_hash =
            |set: &&Value| set["metadata"]["labels"]["rollouts-pod-template-hash"] == *hash;
        self.sets.iter().find(of_hash).unwrap()
    }
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

pub(crate) fn record(template: &Value) -> &Value {
    &template["metadata"]["annotations"]["silkroll.dev/status"]
}

/// Where the programs and CRDs are.
fn folder() -> PathBuf {
    match std::env::var_os("SILKROLL_ROLLOUTS") {
        Some(path) if !path.is_empty() => path.into(),
        _ => panic!(
            "these tests need Argo Rollouts: run `make test-rollouts`, or: export SILKROLL_ROLLOUTS=$(tests/rollouts/build.sh)"
        ),
    }
}

/// The one that all tests share, with the controller running.
pub(crate) fn world() -> &'static World {
    static CONTROLLER: OnceLock<Process> = OnceLock::new();
    let world = World::shared();
    CONTROLLER.get_or_init(|| {
        let plane = &world.plane;
        let crds = folder().join("crds").display().to_string();
        plane.ok(&["apply", "--server-side", "-k", &crds], "");
        let established = [
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ];
        plane.ok(&[&["wait"], &established[..]].concat(), "");
        plane.ok(&["create", "namespace", "argo-rollouts"], "");
        let [metrics, health] = ports::free().unwrap();
        let controller = plane.run(&Spec {
            name: "rollouts-controller".to_owned(),
            program: folder().join("rollouts-controller"),
            args: vec![
                format!("--kubeconfig={}", plane.kubeconfig().display()),
                "--namespace=argo-rollouts".to_owned(),
                "--leader-elect=false".to_owned(),
                format!("--metricsPort={metrics}"),
                format!("--healthzPort={health}"),
            ],
            env: Vec::new(),
        });
        world.webhook_in_force(&canary("probe"));
        controller.unwrap()
    });
    world
}

/// The plugin of Argo Rollouts for kubectl, as the administrator: `undo`, `promote`, …
pub(crate) fn plugin(space: &Space<'_>, args: &[&str]) -> Output {
    let mut command = Command::new(folder().join("kubectl-argo-rollouts"));
    let kubeconfig = space.world.plane.kubeconfig();
    command.arg("--kubeconfig").arg(kubeconfig);
    let output = run(command.args(["-n", &space.name]).args(args), b"").unwrap();
    assert!(output.success, "{args:?}: {output:?}");
    output
}

/// Says of each pod that it runs and is ready, as a kubelet would.
fn run_pods(space: &Space<'_>, pods: &[&Value]) {
    let ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition["type"] == "Ready")
    };
    let status = json!({"status": {"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    ]}});
    for pod in pods.iter().filter(|pod| !ready(pod)) {
        let patch = [
            "patch",
            "pod",
            name(pod),
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        // It may have been deleted since.
        space.kubectl(&[&patch[..], &[&status.to_string()]].concat(), "");
    }
}

/// The Rollout once its controller has seen its last change and is in this phase.
pub(crate) fn seen(space: &Space<'_>, rollout: &str, phase: &str) -> Seen {
    eventually(&format!("{rollout} in {} {phase}", space.name), || {
        let list = space
            .world
            .plane
            .get(&["-n", &space.name, "rollouts,replicasets,pods"])?;
        let items = list["items"].as_array().unwrap();
        let of = |kind: &'static str| items.iter().filter(move |item| item["kind"] == *kind);
        run_pods(space, &of("Pod").collect::<Vec<_>>());
        let object = of("Rollout").find(|object| name(object) == rollout)?;
        let status = &object["status"];
        let generation = object["metadata"]["generation"].to_string();
        if status["observedGeneration"] != *generation || status["phase"] != *phase {
            return None;
        }
        let owned = |set: &&Value| {
            set["metadata"]["ownerReferences"][0]["uid"] == object["metadata"]["uid"]
        };
        let mut sets: Vec<_> = of("ReplicaSet").filter(owned).cloned().collect();
        sets.sort_by_key(|set| name(set).to_owned());
        Some(Seen {
            object: object.clone(),
            sets,
        })
    })
}

/// A canary that has all that Silkroll touches, and values that Go writes otherwise than their author.
pub(crate) fn canary(name: &str) -> Value {
    let mut object = rollout(name);
    object["spec"]["strategy"] = json!({"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}});
    object
}

pub(crate) fn blue_green(name: &str) -> Value {
    let mut object = rollout(name);
    object["spec"]["strategy"] = json!({"blueGreen": {
        "activeService": "active", "previewService": "preview", "autoPromotionEnabled": false,
    }});
    object
}

fn rollout(name: &str) -> Value {
    let mut object = manifests::rich(name);
    object["apiVersion"] = "argoproj.io/v1alpha1".into();
    object["kind"] = "Rollout".into();
    let web = manifests::container(&mut object);
    web["resources"] =
        json!({"limits": {"cpu": 1, "memory": "1024Mi"}, "requests": {"cpu": "0.1"}});
    web["tty"] = false.into();
    web["livenessProbe"] = json!({"httpGet": {"port": "http"}, "initialDelaySeconds": 0});
    web["env"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "EMPTY", "value": ""}));
    object
}

/// The Services that a blue-green Rollout switches.
pub(crate) fn services(space: &Space<'_>) {
    for name in ["active", "preview"] {
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
        });
        space.apply(&service);
    }
}
