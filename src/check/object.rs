//! One object of a world: who it is, and what it says of itself.

use serde_json::Value;

use super::read::{list, text};

/// One object of the world.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// The object as it stands there.
    pub value: &'a Value,
    /// `apiVersion`, empty where it has none.
    pub api_version: &'a str,
    /// `kind`, empty where it has none.
    pub kind: &'a str,
    /// Its namespace, or the one that it goes to.
    pub namespace: &'a str,
    /// Its name, empty where it has none.
    pub name: &'a str,
    /// The input that it stands in; empty for a cluster's.
    pub file: &'a str,
    /// Why Silkroll does not inject it; empty where nobody asked, or it does.
    pub refused: &'a str,
    /// Why Silkroll denies it, where it does.
    pub denied: &'a str,
}

/// What tells one object from all others of a cluster.
pub(super) type Identity<'a> = (&'a str, &'a str, &'a str);

impl<'a> Object<'a> {
    /// Reads an object; `namespace` is the one of those that name none.
    #[must_use]
    pub fn new(value: &'a Value, api_version: &'a str, kind: &'a str, namespace: &'a str) -> Self {
        let metadata = &value["metadata"];
        let named = |name: &str| metadata[name].as_str().filter(|text| !text.is_empty());
        Self {
            value,
            api_version,
            kind,
            namespace: named("namespace").unwrap_or(namespace),
            name: named("name").or(named("generateName")).unwrap_or_default(),
            file: "",
            refused: "",
            denied: "",
        }
    }

    /// The same, in an input.
    #[must_use]
    pub fn in_file(self, file: &'a str) -> Self {
        Self { file, ..self }
    }

    /// The same, with what Silkroll says of why it does not inject it.
    #[must_use]
    pub fn refused(self, refused: &'a str) -> Self {
        Self { refused, ..self }
    }

    /// The same, with what Silkroll says of why it denies it.
    #[must_use]
    pub fn denied(self, denied: &'a str) -> Self {
        Self { denied, ..self }
    }

    /// Whether it was read from a cluster and not from its author's file.
    pub(super) fn is_live(&self) -> bool {
        self.value["metadata"]["uid"].is_string()
    }

    /// Whether it is a Namespace.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.group().is_empty() && self.kind == "Namespace"
    }

    /// Whether it is for tools at its author's side and never applied, as kustomize and kpt have it.
    pub(super) fn is_local(&self) -> bool {
        self.annotation("config.kubernetes.io/local-config") == "true"
    }

    pub(super) fn annotation(&self, name: &str) -> &'a str {
        text(&self.value["metadata"]["annotations"], name)
    }

    fn is_owned(&self) -> bool {
        let owners = list(&self.value["metadata"], "ownerReferences");
        owners.iter().any(|owner| owner["controller"] == true)
    }

    pub(super) fn spec(&self) -> &'a Value {
        &self.value["spec"]
    }

    /// The labels of its pods, as its template has them.
    pub(super) fn pod_labels(&self) -> &'a Value {
        &self.spec()["template"]["metadata"]["labels"]
    }

    pub(super) fn group(&self) -> &'a str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// Who it is, where it is named and of a kind of which the rules look at each one.
    pub(super) fn identity(&self) -> Option<Identity<'a>> {
        let named = self.value["metadata"]["name"].as_str();
        let name = named.filter(|name| !name.is_empty())?;
        let related = matches!(
            (self.group(), self.kind),
            ("", "Service")
                | ("policy", "PodDisruptionBudget")
                | ("autoscaling", "HorizontalPodAutoscaler")
                | ("keda.sh", "ScaledObject")
                | ("networking.k8s.io" | "extensions", "Ingress")
        );
        (related || self.template().is_some()).then_some((self.kind, self.namespace, name))
    }

    /// Where its pod template is, as a JSON pointer, where it keeps pods that serve running: a Job's end by themselves, and
    /// a Knative Service brings its own drain.
    pub(super) fn template(&self) -> Option<&'static str> {
        let judged = match self.group() {
            "apps" | "extensions" => {
                matches!(
                    self.kind,
                    "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
                )
            }
            "argoproj.io" => self.kind == "Rollout",
            "apps.kruise.io" => matches!(self.kind, "CloneSet" | "StatefulSet" | "DaemonSet"),
            "" => self.kind == "ReplicationController",
            _ => false,
        };
        // The workload that it belongs to is judged in its place.
        let part = matches!(self.kind, "ReplicaSet" | "ReplicationController") && self.is_owned();
        let has_template = self.spec()["template"]["spec"]["containers"].is_array();
        (judged && !part && !self.is_local() && has_template).then_some("/spec/template")
    }

    /// Whether it keeps pods running and no rule looks at it: a `DeploymentConfig`, a Knative Service, a Pod of its own.
    /// Jobs end by themselves, and what has an owner is its owner's.
    pub(super) fn is_passed_over(&self) -> bool {
        let of_a_kind = !self.kind.is_empty();
        if !of_a_kind || self.is_owned() || self.is_local() || self.template().is_some() {
            return false;
        }
        let spec = self.spec();
        match (self.group(), self.kind) {
            ("", "Pod") => {
                let restarts = spec["restartPolicy"].as_str().unwrap_or("Always");
                let hook = self.annotation("helm.sh/hook");
                spec["containers"].is_array() && restarts == "Always" && hook.is_empty()
            }
            ("batch", _) => false,
            _ => spec["template"]["spec"]["containers"].is_array(),
        }
    }
}
