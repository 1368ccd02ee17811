//! Keeps Silkroll's own certificates: the CA in a Secret, its certificate in the webhook configuration, a leaf in memory.
//!
//! ```text
//! Secret, configuration --read--> tls::plan (one step) --write--> Secret, configuration, or the served leaf
//! ```
//!
//! There is no leader: each replica does the same. Writes carry the version that was read, so of two that write at once
//! one is told that it read something old, and reads again.

mod objects;
mod pace;
mod said;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::WATCH_SECONDS;
use super::clock::Clock;
use super::{Cluster, Error, told};
use crate::text::shown;
use crate::tls::check::{self, Files};
use crate::tls::own::{Ca, Cert, Lifetimes, Store};
use crate::tls::plan::{self, Serving, Step, Stuck, View};
use crate::tls::{CertificateSlot, Pair};
use objects::{Failure, Objects, Part, Trouble};
use pace::Pace;
use said::Said;

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
const STEPS: usize = 12;
/// After so many times that others were faster, what they wrote is gone on with.
const OVERTAKEN: u32 = 3;

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
    /// What is kept could not be written. What was trusted may be so all the same.
    Unwritten,
    /// `caBundle` was put back, for others had changed it.
    Restored,
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
        slot: Arc<CertificateSlot>,
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
            objects: Objects {
                secrets,
                configurations,
                secret: certificates.secret.clone(),
                configuration: certificates.configuration.clone(),
            },
            clock: Arc::clone(&self.clock),
            slot,
            of: certificates,
            memory: None,
            serving: None,
            since: None,
            unpublished: false,
            called: false,
            seen: None,
            restored: Pace::default(),
            remade: Pace::default(),
            said: Said::default(),
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

/// How a look ended.
struct Looked {
    state: Certificate,
    /// When to look again at the latest.
    wake: Option<Duration>,
    /// What could not be written.
    unwritten: Option<Failure>,
}

struct Keeper {
    objects: Objects,
    clock: Arc<Clock>,
    slot: Arc<CertificateSlot>,
    of: Certificates,
    /// The CA that was held last and that callers take.
    memory: Option<Ca>,
    serving: Option<(Serving, Pair)>,
    /// The present CA, and when it was first seen in all bundles.
    since: Option<(Cert, i64)>,
    /// Whether a CA was once missing in a bundle here: what is published later has not been so for ever.
    unpublished: bool,
    /// Whether it was ready once, so that callers may have come.
    called: bool,
    /// The bundles when they were as they should be.
    seen: Option<Vec<Vec<u8>>>,
    /// How fast bundles that others change are put back,
    restored: Pace,
    /// and a CA that is held is replaced: two whose clocks differ could do it to each other.
    remade: Pace,
    said: Said,
}

impl Keeper {
    async fn run(mut self, changed: Arc<Notify>, report: impl Fn(Certificate) + Send + Sync) {
        let mut pause = AGAIN;
        let mut last = None;
        loop {
            let looked = tokio::time::timeout(ROUND, self.look(&report)).await;
            let looked = looked.unwrap_or_else(|_| {
                let why = format!("no answer within {} s", ROUND.as_secs());
                Err(Failure::of("read the API", &why))
            });
            let (now, wake, failure) = match looked {
                Ok(Looked {
                    state,
                    wake,
                    unwritten,
                }) => {
                    if unwritten.is_some() {
                        report(Certificate::Unwritten);
                    }
                    (Some(state), wake, unwritten)
                }
                // What was trusted stays so: an API server that is away cannot tell otherwise.
                Err(failure) => {
                    let trusted = last == Some(Certificate::Trusted);
                    let good = self.serving.as_ref();
                    let good = good.is_some_and(|(leaf, _)| leaf.not_after > self.clock.now());
                    let gone = (!(trusted && good)).then(|| Certificate::Untrusted(String::new()));
                    (gone, None, Some(failure))
                }
            };
            let now = match (now, &failure) {
                (Some(Certificate::Untrusted(_)), Some(Failure { what, error })) => {
                    Some(Certificate::Untrusted(format!("cannot {what}: {error}")))
                }
                (now, _) => now,
            };
            let trusted = now == Some(Certificate::Trusted);
            if let Some(now) = now.filter(|now| last.as_ref() != Some(now)) {
                report(now.clone());
                last = Some(now);
            }
            if let Some(failure) = &failure {
                self.said.failed(failure);
                // The watches end too where the API server is away, and would say so each second.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LATEST);
                if !trusted {
                    continue;
                }
            } else {
                self.said.went();
                pause = AGAIN;
            }
            let wait = wake.map_or(self.of.look, |wake| wake.min(self.of.look));
            let _ = tokio::time::timeout(wait, changed.notified()).await;
        }
    }

    /// Reads, does what is to be done, and reads again until that is nothing. What cannot be written keeps nothing else
    /// from being done.
    async fn look(
        &mut self,
        report: &(impl Fn(Certificate) + Send + Sync),
    ) -> Result<Looked, Failure> {
        let mut stuck = Stuck::default();
        let mut unwritten = None;
        let mut overtaken = 0;
        let faster = |part: Part| Failure::of(part.what(), &"others write at the same time");
        for _ in 0..STEPS {
            let (part, failure) = match self.once(stuck, report).await {
                Ok(Some((state, wake))) => {
                    return Ok(Looked {
                        state,
                        wake,
                        unwritten,
                    });
                }
                Ok(None) => continue,
                Err(Trouble::Failed(failure)) => return Err(failure),
                Err(Trouble::Overtaken(part)) => {
                    overtaken += 1;
                    if overtaken < OVERTAKEN {
                        continue;
                    }
                    overtaken = 0;
                    (part, faster(part))
                }
                Err(Trouble::Unwritten(part, failure)) => (part, failure),
            };
            match part {
                Part::Secret => stuck.secret = true,
                Part::Bundles => stuck.bundles = true,
            }
            unwritten.get_or_insert(failure);
        }
        Err(unwritten.unwrap_or_else(|| faster(Part::Bundles)))
    }

    async fn once(
        &mut self,
        stuck: Stuck,
        report: &(impl Fn(Certificate) + Send + Sync),
    ) -> Result<Option<(Certificate, Option<Duration>)>, Trouble> {
        let (configuration, secret) = self.objects.read().await?;
        let now = self.clock.now();
        self.said.clock(self.clock.ahead(), now);
        let store = objects::store(secret.as_ref());
        self.said
            .secret(&self.of.home, &self.of.secret, &store, now);
        let bundles = configuration.as_ref().map(objects::bundles);
        let written = configuration.as_ref().and_then(objects::last_written);
        let held = match &store {
            Store::Held(ca) => Some(ca),
            _ => None,
        };
        if let Some(ca) = held.filter(|ca| ca.cert.counts(now)) {
            self.memory = Some(ca.clone());
        }
        let mut view = View {
            store: &store,
            bundles: bundles.as_deref(),
            memory: self.memory.as_ref(),
            serving: self.serving.as_ref().map(|(serving, _)| serving),
            since: None,
            written,
            stuck,
            now,
            lifetimes: &self.of.lifetimes,
        };
        // Since when the present CA is published, as far as this replica saw it. One that starts finds it published, by
        // others and since the bundles were last written.
        let published = view.ca().filter(|ca| view.published(&ca.cert));
        self.unpublished |= view.ca().is_some() && published.is_none();
        let found = self.serving.is_none() && !self.unpublished;
        self.since = published.map(|ca| {
            let known = self.since.take().filter(|(cert, _)| *cert == ca.cert);
            let there = written.unwrap_or(ca.cert.made).min(now);
            known.unwrap_or_else(|| (ca.cert.clone(), if found { there } else { now }))
        });
        view.since = self.since.as_ref().map(|(_, since)| *since);
        let changed = self.seen.is_some() && self.seen != bundles;
        // What is undone as soon as it is done waits for its turn, and nothing else does.
        let mut turn: Option<Duration> = None;
        let step = loop {
            let step = view.step();
            let (pace, part) = match &step {
                Step::Publish(_) if changed => (&self.restored, &mut view.stuck.bundles),
                Step::Make(_) if held.is_some() => (&self.remade, &mut view.stuck.secret),
                _ => break step,
            };
            let Some(wait) = pace.wait(Instant::now()) else {
                break step;
            };
            *part = true;
            turn = Some(turn.map_or(wait, |turn| turn.min(wait)));
        };
        let whole = !view.stuck.bundles;
        let ca = view.ca().cloned();
        let (wake, settling, others) = (view.wake(), view.settling(), view.others());
        match step {
            Step::Make(previous) => self.make(secret, previous, held.is_some(), now).await?,
            Step::Restore => {
                if let Some(ca) = &self.memory {
                    self.objects.keep(secret, ca).await?;
                    tracing::warn!("the CA's Secret was not whole: the CA is back in it");
                }
            }
            Step::Publish(certs) => {
                if let Some(configuration) = &configuration {
                    self.seen = Some(self.objects.publish(configuration, &certs).await?);
                    if changed {
                        self.restored.done(Instant::now());
                        let by = objects::last_writer(configuration);
                        self.said.restored(certs.len(), by, self.restored.fights());
                        report(Certificate::Restored);
                    } else {
                        tracing::info!(certificates = certs.len(), "caBundle written");
                    }
                }
            }
            Step::Sign => {
                if let Some(ca) = &ca {
                    let not_after = self.serve(ca, now)?;
                    report(Certificate::Served { not_after });
                }
            }
            Step::Rest => {
                self.said.others(others);
                let state = self.state(&store, bundles.as_deref(), now);
                let state = self.first(state, settling);
                if whole {
                    self.seen = bundles;
                }
                let wake =
                    wake.map(|seconds| Duration::from_secs(seconds.try_into().unwrap_or_default()));
                let wake = [wake, turn].into_iter().flatten().min();
                return Ok(Some((state, wake)));
            }
        }
        Ok(None)
    }

    /// Makes a CA after these and puts it into the Secret, in place of one that is held there or of none.
    async fn make(
        &mut self,
        read: Option<Secret>,
        previous: Vec<Cert>,
        held: bool,
        now: i64,
    ) -> Result<(), Trouble> {
        let ca = Ca::new(now, &self.of.lifetimes, previous)
            .map_err(|error| Trouble::Failed(Failure::of("make a CA", &error)))?;
        self.objects.keep(read, &ca).await?;
        if held {
            self.remade.done(Instant::now());
        }
        tracing::info!(
            not_after = ca.cert.not_after,
            previous = ca.previous.len(),
            "a new CA"
        );
        self.memory = Some(ca);
        Ok(())
    }

    /// Signs a certificate and serves it; when it expires.
    fn serve(&mut self, ca: &Ca, now: i64) -> Result<i64, Trouble> {
        let signed = self.sign(ca, now);
        let (serving, pair) =
            signed.map_err(|error| Trouble::Failed(Failure::of("sign a certificate", &error)))?;
        self.slot.set(&pair);
        let not_after = serving.not_after;
        self.serving = Some((serving, pair));
        Ok(not_after)
    }

    /// This state, or that the CA is too new for the first call.
    fn first(&mut self, state: Certificate, settling: Option<i64>) -> Certificate {
        if state == Certificate::Trusted && !self.called && settling.is_some() {
            return Certificate::Untrusted(format!(
                "the CA is new: API servers have {} s to hear of it, and who they trusted before answers until then",
                self.of.lifetimes.settle
            ));
        }
        self.called |= state == Certificate::Trusted;
        state
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
}
