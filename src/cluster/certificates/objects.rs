//! The Secret and the webhook configuration: read, and written with the version that was read.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::super::configmaps::LABELS;
use super::super::told;
use crate::tls::own::{Ca, Cert, Store};

/// The field manager of what is written, `caBundle` above all.
pub(super) const MANAGER: &str = "silkroll";
/// The longest that one write may take: time is to be left for what goes without it.
const WRITE: Duration = Duration::from_secs(3);

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Secret,
    Bundles,
}

/// Why a look did not come to its end.
pub(super) enum Trouble {
    /// Something else wrote this in between.
    Overtaken(Part),
    /// This cannot be written: what was tried, and what came of it.
    Unwritten(Part, Failure),
    /// Nothing goes on.
    Failed(Failure),
}

/// What was tried, and what came of it.
pub(super) struct Failure {
    pub(super) what: &'static str,
    pub(super) error: String,
}

impl Failure {
    pub(super) fn of(what: &'static str, error: &impl std::fmt::Display) -> Self {
        let error = told(error);
        Self { what, error }
    }
}

impl Part {
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Secret => "write the CA's Secret",
            Self::Bundles => "write caBundle",
        }
    }
}

pub(super) struct Objects {
    pub(super) secrets: Api<Secret>,
    pub(super) configurations: Api<MutatingWebhookConfiguration>,
    /// The Secret's name.
    pub(super) secret: String,
    /// The configuration's.
    pub(super) configuration: String,
}

impl Objects {
    /// The configuration first: a CA is in the Secret before it is in a bundle, so no bundle is taken for that of a CA
    /// to come.
    pub(super) async fn read(
        &self,
    ) -> Result<(Option<MutatingWebhookConfiguration>, Option<Secret>), Trouble> {
        let failed = |what| move |error: kube::Error| Trouble::Failed(failure(what, &error));
        let configuration = self.configurations.get_opt(&self.configuration).await;
        let configuration = configuration.map_err(failed("read the webhook configuration"))?;
        let secret = self.secrets.get_opt(&self.secret).await;
        let secret = secret.map_err(failed("read the CA's Secret"))?;
        Ok((configuration, secret))
    }

    /// Puts the CA into the Secret as it was read; creates it where there was none.
    pub(super) async fn keep(&self, read: Option<Secret>, ca: &Ca) -> Result<(), Trouble> {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let data = ca.data().into_iter();
        let data = data.map(|(key, value)| (key, ByteString(value))).collect();
        if let Some(mut secret) = read {
            // With the version that was read, its labels and its type.
            secret.data = Some(data);
            let replace = self.secrets.replace(&self.secret, &params, &secret);
            return written(Part::Secret, replace).await.map(drop);
        }
        let labels = LABELS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.secret.clone()),
                labels: Some(BTreeMap::from(labels)),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        let create = self.secrets.create(&params, &secret);
        written(Part::Secret, create).await.map(drop)
    }

    /// Writes `caBundle` of every entry and nothing else; what it is then.
    pub(super) async fn publish(
        &self,
        read: &MutatingWebhookConfiguration,
        certs: &[Cert],
    ) -> Result<Vec<Vec<u8>>, Trouble> {
        let bundle = ByteString(Cert::join(certs).into_bytes());
        let bundle = serde_json::to_value(bundle).unwrap_or(Value::Null);
        // A version that is not the present one is a conflict.
        let mut operations = vec![json!({
            "op": "replace", "path": "/metadata/resourceVersion", "value": read.metadata.resource_version,
        })];
        let entries = read.webhooks.as_ref().map_or(0, Vec::len);
        operations.extend((0..entries).map(|entry| {
            let path = format!("/webhooks/{entry}/clientConfig/caBundle");
            json!({"op": "add", "path": path, "value": bundle})
        }));
        let patch = serde_json::from_value(Value::Array(operations));
        let patch = patch.map_err(|error| {
            Trouble::Unwritten(Part::Bundles, Failure::of("make a patch", &error))
        })?;
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Json::<()>(patch);
        let patch = self
            .configurations
            .patch(&self.configuration, &params, &patch);
        let now = written(Part::Bundles, patch).await?;
        Ok(bundles(&now))
    }
}

async fn written<T>(
    part: Part,
    write: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(WRITE, write).await {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Trouble::Overtaken(part)),
        Ok(Err(error)) => Err(Trouble::Unwritten(part, failure(part.what(), &error))),
        Err(_) => {
            let why = format!("no answer within {} s", WRITE.as_secs());
            Err(Trouble::Unwritten(part, Failure::of(part.what(), &why)))
        }
    }
}

fn failure(what: &'static str, error: &kube::Error) -> Failure {
    match error {
        // The client's own words have the message twice, the second time as a dump.
        kube::Error::Api(status) if !status.message.is_empty() => {
            let (message, code) = (&status.message, status.code);
            Failure::of(what, &format_args!("{message} ({code})"))
        }
        error => Failure::of(what, error),
    }
}

/// What a Secret holds, or that there is none.
pub(super) fn store(secret: Option<&Secret>) -> Store {
    secret.map_or(Store::Absent, |secret| {
        let data = secret.data.clone().unwrap_or_default();
        let data = data.into_iter().map(|(key, value)| (key, value.0));
        Store::read(secret.type_.as_deref(), &data.collect())
    })
}

/// `caBundle` of every entry.
pub(super) fn bundles(configuration: &MutatingWebhookConfiguration) -> Vec<Vec<u8>> {
    let entries = configuration.webhooks.iter().flatten();
    entries
        .map(|entry| {
            let bundle = entry.client_config.ca_bundle.clone();
            bundle.map(|bundle| bundle.0).unwrap_or_default()
        })
        .collect()
}

/// Who the API server says wrote `caBundle`.
fn writers(
    configuration: &MutatingWebhookConfiguration,
) -> impl Iterator<Item = &ManagedFieldsEntry> {
    let managers = configuration.metadata.managed_fields.iter().flatten();
    managers.filter(|entry| {
        let fields = entry.fields_v1.as_ref();
        fields.is_some_and(|fields| fields.0.to_string().contains("\"f:caBundle\""))
    })
}

/// When `caBundle` was last written, in Unix seconds.
pub(super) fn last_written(configuration: &MutatingWebhookConfiguration) -> Option<i64> {
    let times = writers(configuration).filter_map(|entry| entry.time.as_ref());
    times.map(|time| time.0.as_second()).max()
}

/// The field manager that wrote `caBundle` last, another one than ours if there is one. Whoever takes it away leaves no name.
pub(super) fn last_writer(configuration: &MutatingWebhookConfiguration) -> Option<&str> {
    let by_others = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() != Some(MANAGER);
    let of = |entry: &ManagedFieldsEntry| (by_others(&entry), entry.time.clone());
    let last = writers(configuration).max_by(|one, other| of(one).cmp(&of(other)))?;
    last.manager.as_deref()
}
