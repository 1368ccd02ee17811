//! Which namespaces asked for the helper binary, written down in Silkroll's own namespace: a restart must not forget
//! where a ConfigMap has to be put back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client};

use super::Error;
use super::configmaps::LABELS;
use crate::snapshot::Asked;

/// The ConfigMap; a namespace is a key of its data. The install file's Role names it.
const NAME: &str = "helper-namespaces";
/// After a read or write that failed.
const AGAIN: Duration = Duration::from_secs(15);

/// Reads the notes into `asked`, then writes down who asks. Returns only if nobody can ask any more.
pub(super) async fn keep(client: Client, home: String, asked: Arc<Asked>) -> Error {
    let api = Api::<ConfigMap>::namespaced(client, &home);
    let mut changes = asked.changes();
    let mut written = loop {
        match api.get_opt(NAME).await {
            Ok(found) => break found.and_then(|map| map.data).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, namespace = home, name = NAME, "cannot read who asked for the helper, trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    for namespace in written.keys() {
        asked.add(namespace);
    }
    loop {
        let mut new = BTreeMap::new();
        for namespace in asked.names() {
            if !written.contains_key(&*namespace) {
                new.insert(namespace.into_string(), String::new());
            }
        }
        if !new.is_empty() {
            if let Err(error) = write(&api, &new).await {
                tracing::warn!(%error, namespace = home, name = NAME, "cannot write down who asked for the helper, trying again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            written.append(&mut new);
        }
        if changes.changed().await.is_err() {
            return Error::Stopped("nobody can ask for the helper any more".to_owned());
        }
    }
}

/// A merge: what another replica wrote stays.
async fn write(api: &Api<ConfigMap>, new: &BTreeMap<String, String>) -> kube::Result<()> {
    let patch = Patch::Merge(serde_json::json!({"data": new}));
    match api.patch(NAME, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        other => return other.map(drop),
    }
    let labels = LABELS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(BTreeMap::from(labels)),
            ..ObjectMeta::default()
        },
        data: Some(new.clone()),
        ..ConfigMap::default()
    };
    api.create(&PostParams::default(), &map).await.map(drop)
}
