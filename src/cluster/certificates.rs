//! Keeps Silkroll's own certificates: the CA in a Secret, its certificate in the webhook configuration, a leaf in memory.
//!
//! ```text
//! Secret, configuration --read--> tls::plan (one step) --write--> Secret, configuration, or the served leaf
//! ```
//!
//! There is no leader: each replica does the same. Writes carry the version that was read, so of two that write at once
//! one is told that it read something old, and reads again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::client::WATCH_SECONDS;
use super::configmaps::LABELS;
use super::{Cluster, Error, told};
use crate::text::shown;
use crate::tls::check::{self, Files};
use crate::tls::own::{Ca, Cert, Lifetimes, Store};
use crate::tls::plan::{self, Serving, Step, View};
use crate::tls::{Pair, Slot, date};

/// The field manager of what is written, `caBundle` above all.
const MANAGER: &str = "silkroll";
/// How often everything is looked at though nothing says that it changed: by the wall clock, which goes on while a machine
/// is suspended.
const LOOK: Duration = Duration::from_secs(60);
/// The longest that one look may take; the client's own limits are made for watches.
const ROUND: Duration = Duration::from_secs(10);
/// The wait after the first failure; it doubles up to [`LATEST`].
const AGAIN: Duration = Duration::from_millis(500);
/// What went is back within 5 s of the API server's return.
const LATEST: Duration = Duration::from_secs(4);
/// How soon a watch that ended is begun again, and everything looked at where there is none.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// What one look can lead to: a CA, its publication and a leaf, and other replicas in between.
const STEPS: usize = 10;

/// What is kept where.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Silkroll's own namespace.
    pub home: String,
    /// The CA's Secret in it.
    pub secret: String,
    /// The mutating webhook configuration.
    pub configuration: String,
    /// The names that callers use; one at least.
    pub names: Vec<String>,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// The longest from one look to the next.
    pub look: Duration,
}

impl Certificates {
    /// With the usual times.
    #[must_use]
    pub fn new(home: String, secret: String, configuration: String, names: Vec<String>) -> Self {
        Self {
            home,
            secret,
            configuration,
            names,
            lifetimes: Lifetimes::default(),
            look: LOOK,
        }
    }
}

/// What becomes of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// A new leaf is served.
    Served {
        /// When it expires, in Unix seconds.
        not_after: i64,
    },
    /// Callers that go by the configuration trust what is served.
    Trusted,
    /// They do not, and why.
    Untrusted(String),
}

impl Cluster {
    /// Keeps the CA, its publication and the served leaf, and reports. Ends only by an error; an API server that is away
    /// is none. Dropping the future stops everything.
    ///
    /// # Errors
    /// [`Error::Stopped`] when one of the tasks ended or panicked.
    pub async fn keep_certificates(
        &self,
        certificates: Certificates,
        slot: Arc<Slot>,
        report: impl Fn(Certificate) + Send + Sync + 'static,
    ) -> Error {
        let client = || self.client.clone();
        let secrets = Api::<Secret>::namespaced(client(), &certificates.home);
        let configurations = Api::<MutatingWebhookConfiguration>::all(client());
        let changed = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(
            secrets.clone(),
            certificates.secret.clone(),
            Arc::clone(&changed),
        ));
        tasks.spawn(watch(
            configurations.clone(),
            certificates.configuration.clone(),
            Arc::clone(&changed),
        ));
        let keeper = Keeper {
            secrets,
            configurations,
            slot,
            of: certificates,
            memory: None,
            serving: None,
            since: None,
            unpublished: false,
            called: false,
            refused: None,
        };
        tasks.spawn(keeper.run(changed, report));
        match tasks.join_next().await {
            Some(Err(failure)) => Error::Stopped(told(&failure)),
            _ => Error::Stopped("the certificates are no longer looked at".to_owned()),
        }
    }
}

/// Says when the object changes; where it cannot be watched, every now and then.
async fn watch<K>(api: Api<K>, name: String, changed: Arc<Notify>)
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    PartialObjectMeta<K>: Clone,
{
    let params = WatchParams::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS);
    loop {
        // From version 0: what is there comes first, so that nothing is missed between two watches.
        if let Ok(events) = api.watch_metadata(&params, "0").await {
            let mut events = std::pin::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                match event {
                    WatchEvent::Bookmark(_) => {}
                    WatchEvent::Error(_) => break,
                    _ => changed.notify_one(),
                }
            }
        }
        tokio::time::sleep(WATCH_AGAIN).await;
        changed.notify_one();
    }
}

/// Why a look did not come to its end.
enum Trouble {
    /// Something else wrote in between.
    Overtaken,
    /// What was tried, and what came of it.
    Failed(&'static str, String),
}

fn trouble(what: &'static str) -> impl Fn(kube::Error) -> Trouble {
    move |error| match &error {
        kube::Error::Api(status) if status.code == 409 => Trouble::Overtaken,
        _ => Trouble::Failed(what, told(&error)),
    }
}

struct Keeper {
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    slot: Arc<Slot>,
    of: Certificates,
    /// The CA that was held last.
    memory: Option<Ca>,
    serving: Option<(Serving, Pair)>,
    /// The present CA, and when it was first seen in all bundles.
    since: Option<(Cert, i64)>,
    /// Whether a CA was once missing in a bundle here: what is published later has not been so for ever.
    unpublished: bool,
    /// Whether it was ready once, so that callers may have come.
    called: bool,
    /// What the log last said against the Secret.
    refused: Option<String>,
}

impl Keeper {
    async fn run(mut self, changed: Arc<Notify>, report: impl Fn(Certificate) + Send + Sync) {
        let mut pause = AGAIN;
        let mut failing = false;
        let mut state = None;
        loop {
            let looked = tokio::time::timeout(ROUND, self.look(&report)).await;
            let looked = looked.unwrap_or_else(|_| {
                let why = format!("no answer within {} s", ROUND.as_secs());
                Err(Trouble::Failed("read the API", why))
            });
            let wait = match looked {
                Ok((now, wake)) => {
                    failing = false;
                    pause = AGAIN;
                    if state.as_ref() != Some(&now) {
                        report(now.clone());
                        state = Some(now);
                    }
                    wake.map_or(self.of.look, |wake| wake.min(self.of.look))
                }
                Err(trouble) => {
                    let (what, error) = match trouble {
                        Trouble::Overtaken => ("write", "others write at the same time".to_owned()),
                        Trouble::Failed(what, error) => (what, error),
                    };
                    if std::mem::replace(&mut failing, true) {
                        tracing::debug!(error, "certificates: still cannot {what}");
                    } else {
                        tracing::warn!(error, "certificates: cannot {what}, trying again");
                    }
                    // What was trusted stays so: an API server that is away cannot tell otherwise.
                    let trusted = matches!(state, Some(Certificate::Trusted));
                    let good = self.serving.as_ref();
                    let good = good.is_some_and(|(leaf, _)| leaf.not_after > date::now());
                    let now = Certificate::Untrusted(format!("cannot {what}: {error}"));
                    if !(trusted && good) && state.as_ref() != Some(&now) {
                        report(now.clone());
                        state = Some(now);
                    }
                    let wait = pause;
                    pause = (pause * 2).min(LATEST);
                    wait
                }
            };
            if failing {
                // The watches end too where the API server is away, and would say so each second.
                tokio::time::sleep(wait).await;
            } else {
                let _ = tokio::time::timeout(wait, changed.notified()).await;
            }
        }
    }

    /// Reads, does what is to be done, and reads again until that is nothing.
    async fn look(
        &mut self,
        report: &(impl Fn(Certificate) + Send + Sync),
    ) -> Result<(Certificate, Option<Duration>), Trouble> {
        for _ in 0..STEPS {
            match self.once(report).await {
                Ok(Some(end)) => return Ok(end),
                Ok(None) | Err(Trouble::Overtaken) => {}
                Err(failed) => return Err(failed),
            }
        }
        Err(Trouble::Overtaken)
    }

    async fn once(
        &mut self,
        report: &(impl Fn(Certificate) + Send + Sync),
    ) -> Result<Option<(Certificate, Option<Duration>)>, Trouble> {
        let secret = self.secrets.get_opt(&self.of.secret).await;
        let secret = secret.map_err(trouble("read the CA's Secret"))?;
        let configuration = self.configurations.get_opt(&self.of.configuration).await;
        let configuration = configuration.map_err(trouble("read the webhook configuration"))?;
        let now = date::now();
        let store = secret.as_ref().map_or(Store::Absent, |secret| {
            let data = secret.data.clone().unwrap_or_default();
            let data = data.into_iter().map(|(key, value)| (key, value.0));
            Store::read(secret.type_.as_deref(), &data.collect())
        });
        self.say(&store);
        let bundles = configuration.as_ref().map(bundles);
        if let Store::Held(ca) = &store {
            self.memory = Some(ca.clone());
        }
        let mut view = View {
            store: &store,
            bundles: bundles.as_deref(),
            memory: self.memory.as_ref(),
            serving: self.serving.as_ref().map(|(serving, _)| serving),
            since: None,
            now,
            lifetimes: &self.of.lifetimes,
        };
        // Since when the present CA is published, as far as this replica saw it. One that starts finds it published, by
        // others and since the CA was made; the clock of what made it may be ahead.
        let published = view.ca().filter(|ca| view.published(&ca.cert));
        self.unpublished |= view.ca().is_some() && published.is_none();
        let found = self.serving.is_none() && !self.unpublished;
        self.since = published.map(|ca| {
            let known = self.since.take().filter(|(cert, _)| *cert == ca.cert);
            let first = if found { ca.cert.made.min(now) } else { now };
            known.unwrap_or_else(|| (ca.cert.clone(), first))
        });
        view.since = self.since.as_ref().map(|(_, since)| *since);
        let ca = view.ca().cloned();
        let (wake, settling) = (view.wake(), view.settling());
        match view.step() {
            Step::Make(previous) => {
                let ca = Ca::new(now, &self.of.lifetimes, previous)
                    .map_err(|error| Trouble::Failed("make a CA", told(&error)))?;
                self.write(secret, &ca).await?;
                tracing::info!(
                    not_after = ca.cert.not_after,
                    previous = ca.previous.len(),
                    "a new CA"
                );
                self.memory = Some(ca);
            }
            Step::Restore => {
                if let Some(ca) = self.memory.clone() {
                    self.write(secret, &ca).await?;
                    tracing::warn!("the CA's Secret was empty: the CA is back in it");
                }
            }
            Step::Publish(certs) => {
                if let Some(configuration) = &configuration {
                    self.publish(configuration, &certs).await?;
                    tracing::info!(certificates = certs.len(), "caBundle written");
                }
            }
            Step::Sign => {
                if let Some(ca) = &ca {
                    let (serving, pair) = self
                        .sign(ca, now)
                        .map_err(|error| Trouble::Failed("sign a certificate", error))?;
                    self.slot.set(&pair);
                    let not_after = serving.not_after;
                    self.serving = Some((serving, pair));
                    report(Certificate::Served { not_after });
                }
            }
            Step::Rest => {
                let wake =
                    wake.map(|seconds| Duration::from_secs(seconds.try_into().unwrap_or_default()));
                let mut state = self.state(&store, bundles.as_deref(), now);
                if state == Certificate::Trusted && !self.called && settling.is_some() {
                    state = Certificate::Untrusted(format!(
                        "the CA is new: API servers have {} s to hear of it, and who they trusted before answers until then",
                        self.of.lifetimes.settle
                    ));
                }
                self.called |= state == Certificate::Trusted;
                return Ok(Some((state, wake)));
            }
        }
        Ok(None)
    }

    fn say(&mut self, store: &Store) {
        let why = match store {
            Store::Foreign(why) => Some(why.clone()),
            _ => None,
        };
        if self.refused != why {
            if let Some(why) = &why {
                let (namespace, name) = (&self.of.home, &self.of.secret);
                tracing::error!(
                    namespace,
                    name,
                    "the CA's Secret is not Silkroll's own and is left as it is: {why}; delete it, or give another \
                     name by --ca-secret"
                );
            }
            self.refused = why;
        }
    }

    /// Whether callers trust what is served, by what was read.
    fn state(&self, store: &Store, bundles: Option<&[Vec<u8>]>, now: i64) -> Certificate {
        let configuration = || shown(&self.of.configuration, 253);
        let why = match (bundles, &self.serving) {
            (None, _) => format!(
                "there is no MutatingWebhookConfiguration {} yet",
                configuration()
            ),
            (Some([]), _) => format!(
                "MutatingWebhookConfiguration {} has no webhooks",
                configuration()
            ),
            (Some(bundles), Some((_, pair))) => {
                let name = self.of.names.first().map_or("", String::as_str);
                let trusts = |bundle: &Vec<u8>| plan::verifies(pair, bundle, name, now);
                if bundles.iter().all(trusts) {
                    return Certificate::Trusted;
                }
                "the certificate served does not verify against the webhook configuration's caBundle"
                    .to_owned()
            }
            (Some(_), None) => "no certificate is served yet".to_owned(),
        };
        Certificate::Untrusted(match store {
            Store::Foreign(foreign) => format!(
                "Secret {}/{} is not Silkroll's own: {foreign}",
                self.of.home, self.of.secret
            ),
            _ => why,
        })
    }

    fn sign(&self, ca: &Ca, now: i64) -> Result<(Serving, Pair), String> {
        let files = Files {
            cert: "the certificate".to_owned(),
            key: "its key".to_owned(),
        };
        let leaf = ca
            .authority()
            .and_then(|ca| ca.leaf_for(&self.of.names, &[], now, self.of.lifetimes.leaf))
            .map_err(|error| told(&error))?;
        let (cert, key) = (leaf.cert_pem.as_bytes(), leaf.key_pem.as_bytes());
        let pair = check::check(&files, cert, key, &self.of.names, now);
        let pair = pair.map_err(|error| told(&error))?;
        let serving = Serving {
            by: ca.cert.clone(),
            made: now,
            not_after: leaf.not_after,
        };
        Ok((serving, pair))
    }

    /// Puts the CA into the Secret as it was read; creates it where there was none.
    async fn write(&self, read: Option<Secret>, ca: &Ca) -> Result<(), Trouble> {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let data = ca.data().into_iter();
        let data = data.map(|(key, value)| (key, ByteString(value))).collect();
        let failed = trouble("write the CA's Secret");
        if let Some(mut secret) = read {
            // With the version that was read, its labels and its type.
            secret.data = Some(data);
            let name = &self.of.secret;
            return self
                .secrets
                .replace(name, &params, &secret)
                .await
                .map(drop)
                .map_err(failed);
        }
        let labels = LABELS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.of.secret.clone()),
                labels: Some(BTreeMap::from(labels)),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        self.secrets
            .create(&params, &secret)
            .await
            .map(drop)
            .map_err(failed)
    }

    /// Writes `caBundle` of every entry and nothing else.
    async fn publish(
        &self,
        read: &MutatingWebhookConfiguration,
        certs: &[Cert],
    ) -> Result<(), Trouble> {
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
        let patch = patch.map_err(|error| Trouble::Failed("make a patch", told(&error)))?;
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.configurations
            .patch(&self.of.configuration, &params, &Patch::Json::<()>(patch))
            .await
            .map(drop)
            .map_err(trouble("write caBundle"))
    }
}

/// `caBundle` of every entry.
fn bundles(configuration: &MutatingWebhookConfiguration) -> Vec<Vec<u8>> {
    let entries = configuration.webhooks.iter().flatten();
    entries
        .map(|entry| {
            let bundle = entry.client_config.ca_bundle.clone();
            bundle.map(|bundle| bundle.0).unwrap_or_default()
        })
        .collect()
}
