//! The audit: what is stored and not injected, or injected with something outdated, never goes unseen.
//!
//! A webhook that fails open misses what is admitted while it is away. So every now and then one replica, the one that has
//! the Lease, lists what is covered, page by page, and asks `audit` about each object of a namespace that has opted in.
//! Nothing that happens here stops an answer: a failure is said, counted and tried again at the next turn.

mod kinds;
mod lease;
mod page;
mod tell;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};

use self::lease::{Lease, Turn};
use self::tell::Teller;
use super::{Cluster, Observer, told};
use crate::audit::reasons;
use crate::engine::{Kind, Settings};
use crate::snapshot::{Asked, Namespaces};

/// After the start: what is injected depends on the API server's version and the nodes, which are known by then, and a
/// replica that starts is busy with its ConfigMaps.
const FIRST: Duration = Duration::from_secs(60);
/// How long the end waits for the Lease to be given back. Where it is not, it expires.
const RELEASE: Duration = Duration::from_secs(1);
/// One call of the API, what the client tries again by itself included.
const CALL: Duration = Duration::from_secs(30);

/// What an audit goes by.
pub struct Audit {
    /// From one run's end to the next one's begin.
    pub every: Duration,
    /// Silkroll's own namespace, where the Lease is.
    pub home: String,
    /// The Lease's name; the install manifests' Role names it, too.
    pub lease: String,
    /// Who this replica is: no other one, nor this one after a restart, has the same name.
    pub identity: String,
    /// The engine's settings at this moment; none while something in them is not known yet.
    pub settings: Arc<dyn Fn() -> Option<Arc<Settings>> + Send + Sync>,
    /// What is known of namespaces.
    pub namespaces: Arc<Namespaces>,
    /// Where the helper's ConfigMap stands.
    pub asked: Arc<Asked>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("every", &self.every)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// All kinds were listed to their end.
    pub whole: bool,
    /// How long it took.
    pub took: Duration,
    /// How many objects of namespaces that have opted in were looked at.
    pub looked_at: u64,
    /// How many were found, by the reason's code, those with none, too; of a kind that could not be listed, as many as at
    /// the last time.
    pub found: BTreeMap<&'static str, u64>,
}

/// Why something of a run did not come about.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer within {} s, or none but to ask later", CALL.as_secs())]
    Silent,
    #[error("{}", told(.0))]
    Api(#[from] kube::Error),
    #[error("{0}")]
    Other(String),
    /// Another replica has the Lease now.
    #[error("another replica audits")]
    Lost,
}

impl Trouble {
    /// The API server's status, where it gave one.
    fn status(&self) -> Option<u16> {
        match self {
            Self::Api(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }
}

/// A call of the API, bounded.
async fn call<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    match timeout(CALL, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Silent),
    }
}

/// What was said to fail, so that it is said once and not at each turn.
#[derive(Debug, Default)]
struct Said(HashSet<String>);

impl Said {
    fn fails(&mut self, what: &str, why: &impl fmt::Display) {
        if self.0.insert(what.to_owned()) {
            tracing::warn!(
                error = told(why),
                "the audit cannot {what}; it tries again at its next turn"
            );
        } else {
            tracing::debug!(error = told(why), "the audit still cannot {what}");
        }
    }

    fn works(&mut self, what: &str) {
        if self.0.remove(what) {
            tracing::info!("the audit can {what} again");
        }
    }
}

/// What the audit does about its Lease, as it is said.
const TAKE: &str = "use its Lease";

impl Cluster {
    /// Audits every now and then, until `stop`; then the Lease is given back.
    pub async fn audit(
        self,
        audit: Audit,
        observer: Arc<dyn Observer>,
        stop: impl Future<Output = ()>,
    ) {
        let lease = Lease::new(self.client.clone(), &audit);
        let mut auditor = Auditor {
            teller: Teller::new(self.client.clone(), audit.identity.clone()),
            cluster: self,
            audit,
            observer,
            lease,
            said: Said::default(),
            found: BTreeMap::new(),
        };
        {
            let turns = pin!(auditor.turns());
            futures::future::select(pin!(stop), turns).await;
        }
        // Where that fails, it expires.
        let _ = timeout(RELEASE, auditor.lease.release()).await;
    }
}

struct Auditor {
    cluster: Cluster,
    audit: Audit,
    observer: Arc<dyn Observer>,
    lease: Lease,
    teller: Teller,
    said: Said,
    /// By kind, as of the last time that it was listed to its end.
    found: BTreeMap<Kind, BTreeMap<&'static str, u64>>,
}

impl Auditor {
    /// One turn after the other, so that no two ever overlap. Never ends.
    async fn turns(&mut self) {
        let every = self.audit.every;
        self.audit.namespaces.wait_synced().await;
        let mut pause = every.min(FIRST);
        loop {
            sleep(pause).await;
            // What goes wrong in here must not end the process, which has others to answer.
            let turn = AssertUnwindSafe(self.turn()).catch_unwind().await;
            pause = turn.unwrap_or_else(|_| {
                self.said.fails("finish", &"it panicked; please report it");
                every
            });
        }
    }

    /// One turn; says how long to pause after it.
    async fn turn(&mut self) -> Duration {
        let every = self.audit.every;
        let Some(settings) = (self.audit.settings)() else {
            tracing::debug!("no audit: the API server's version is not known yet");
            return every.min(FIRST);
        };
        match self.lease.take().await {
            Ok(Turn::Ours) => self.said.works(TAKE),
            Ok(Turn::Theirs { expires }) => {
                self.said.works(TAKE);
                self.give_up();
                return every.min(expires);
            }
            Err(trouble) => {
                self.said.fails(TAKE, &trouble);
                // While the API server is away, what was found stays.
                if matches!(trouble, Trouble::Other(_)) {
                    self.give_up();
                }
                return every;
            }
        }
        let begun = Instant::now();
        let mut audited = Audited {
            whole: true,
            found: reasons().map(|reason| (reason, 0)).collect(),
            ..Audited::default()
        };
        for kind in settings.kinds.clone() {
            let what = format!("list {}", kind.plural());
            let listed = kinds::Run {
                cluster: &self.cluster,
                audit: &self.audit,
                settings: &settings,
                lease: &mut self.lease,
                teller: &mut self.teller,
                said: &mut self.said,
            };
            match listed.kind(kind).await {
                Ok(listed) => {
                    self.said.works(&what);
                    audited.looked_at += listed.looked_at;
                    self.found.insert(kind, listed.found);
                }
                Err(Trouble::Lost) => {
                    tracing::info!("the audit ends here: another replica has its Lease");
                    self.give_up();
                    return every;
                }
                Err(trouble) => {
                    self.said.fails(&what, &trouble);
                    audited.whole = false;
                    // Where one kind is refused, the others need not be; else it is the API server's whole.
                    if trouble.status().is_none_or(|status| status != 403) {
                        break;
                    }
                }
            }
        }
        audited.took = begun.elapsed();
        for found in self.found.values() {
            for (reason, count) in found {
                *audited.found.entry(reason).or_default() += count;
            }
        }
        self.teller.end_run(&audited, &mut self.said);
        self.observer.audited(&audited);
        every
    }

    /// Another replica's figures are the ones to go by.
    fn give_up(&mut self) {
        self.found.clear();
        self.observer.audit_elsewhere();
    }
}
