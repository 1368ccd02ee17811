//! Whether Silkroll has rolled out, and whether an API server gets its answer.

use http_body_util::BodyExt as _;
use hyper::header::WARNING;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube::client::Body;
use kube::core::Request;
use serde_json::{Value, json};

use super::{Cluster, told};
use crate::engine::Kind;

/// What every warning of Silkroll's begins with, as API servers pass it on (RFC 9111: code, agent, text).
const OURS: &[u8] = b"299 - \"silkroll: ";
/// What a template has that Silkroll injected into.
const RECORD: &str = "silkroll.dev/status";

impl Cluster {
    /// Whether a Deployment has rolled out, as `kubectl rollout status` sees it: all its pods are of the newest template and
    /// available. And none of before is left: API servers keep connections to one that is about to end.
    ///
    /// # Errors
    /// With what there is to wait for.
    pub async fn rolled_out(&self, namespace: &str, name: &str) -> Result<(), String> {
        let api = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let deployment = match api.get(name).await {
            Ok(deployment) => deployment,
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Err(format!(
                    "there is no Deployment {namespace}/{name}: install Silkroll first, or name it with --deployment and --namespace"
                ));
            }
            Err(error) => return Err(self.failure(&error)),
        };
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let status = deployment.status.unwrap_or_default();
        let observed = status.observed_generation >= deployment.metadata.generation;
        let updated = status.updated_replicas.unwrap_or(0);
        let available = status.available_replicas.unwrap_or(0);
        let all = status.replicas.unwrap_or(0);
        if !observed || wanted == 0 || updated < wanted || all > updated || available < updated {
            return Err(format!(
                "of the pods of Deployment {namespace}/{name}, {updated} of {wanted} are of its newest template and \
                 {available} available: kubectl get pods -n {namespace}"
            ));
        }
        let labels = deployment.spec.selector.match_labels.unwrap_or_default();
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let pods = pods
            .list_metadata(&ListParams::default().labels(&labels.join(",")))
            .await
            .map_err(|error| self.failure(&error))?;
        let mut pods = pods.items.iter();
        if pods.any(|pod| pod.metadata.deletion_timestamp.is_some()) {
            return Err(format!(
                "pods of before are still there: kubectl get pods -n {namespace}"
            ));
        }
        Ok(())
    }

    /// Tries a workload that asks for an injection, by a dry run: nothing is made, and where the webhook is asked there is
    /// an answer, an injection or a warning that the namespace has not opted in.
    ///
    /// # Errors
    /// With what was said in its place.
    pub async fn answered(&self, probe: &Probe) -> Result<(), String> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let Probe {
            namespace, kind, ..
        } = probe;
        let (version, plural) = (kind.api_version(), kind.plural());
        let url = format!("/apis/{version}/namespaces/{namespace}/{plural}");
        let request = Request::new(url)
            .create(&params, probe.object().to_string().into_bytes())
            .map_err(|error| told(&error))?;
        let response = self.client.send(request.map(Body::from)).await;
        let response = response.map_err(|error| self.failure(&error))?;
        // Of a refusal, too: it comes after the webhook.
        let mut warnings = response.headers().get_all(WARNING).iter();
        if warnings.any(|warning| warning.as_bytes().starts_with(OURS)) {
            return Ok(());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| told(&error))?.to_bytes();
        let object: Value = serde_json::from_slice(&body).unwrap_or_default();
        if object["spec"]["template"]["metadata"]["annotations"][RECORD].is_string() {
            return Ok(());
        }
        Err(match object["message"].as_str() {
            Some(refusal) => told(&refusal),
            None => format!(
                "the API server admits a workload in {namespace} without Silkroll's answer. Why is in its log; often it is the \
                 CA bundle, or a firewall between it and the pods; or it is not asked about that namespace, kind or labels"
            ),
        })
    }
}

/// A workload that is tried: one that API servers ask about.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Where.
    pub namespace: String,
    /// Of which kind, one with a pod template.
    pub kind: Kind,
    /// Its labels.
    pub labels: Vec<(String, String)>,
}

impl Probe {
    /// No namespace has to have opted in for an answer to it.
    fn object(&self) -> Value {
        let mut object = json!({
            "apiVersion": self.kind.api_version(), "kind": self.kind.name(),
            "metadata": {"name": "silkroll-try", "annotations": {"silkroll.dev/inject": "enabled"}},
            "spec": {
                "selector": {"matchLabels": {"app": "silkroll-try"}},
                "template": {
                    "metadata": {"labels": {"app": "silkroll-try"}},
                    "spec": {"containers": [{"name": "try", "image": "try"}]},
                },
            },
        });
        // A DaemonSet has no number of pods.
        if self.kind != Kind::DaemonSet {
            object["spec"]["replicas"] = 0.into();
        }
        for (key, value) in &self.labels {
            object["metadata"]["labels"][key] = value.as_str().into();
        }
        object
    }
}
