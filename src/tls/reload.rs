//! Keeps the served certificate as its files are.
//!
//! The files' content is polled: the kubelet swaps a mounted Secret by a symlink, which a watch on
//! the file does not see. A pair is checked before it is served; one that fails leaves the last good
//! one in place.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::check::{self, Files, Pair};
use super::date;
use super::file::read;

/// How often files are read. The kubelet brings a changed Secret after 30 to 100 s; ten more do not matter.
pub const POLL: Duration = Duration::from_secs(10);
/// How soon a pair that fails while another is served is looked at again: whoever writes the two files one after the other
/// is done by then.
const AGAIN: Duration = Duration::from_secs(1);
const DAY: i64 = 24 * 60 * 60;
/// When every day brings a warning: two weeks before the end, or within the last tenth of a
/// certificate that lives shorter. What renews certificates does it earlier (cert-manager: after
/// two thirds).
const WARN_BEFORE: i64 = 14 * DAY;
const WARN_TENTH: i64 = 10;

/// The certificate served right now. Handshakes read it without a lock and without parsing.
#[derive(Default)]
pub struct CertificateSlot(ArcSwapOption<Serving>);

struct Serving {
    key: Arc<CertifiedKey>,
    not_after: i64,
    warn_from: i64,
}

impl CertificateSlot {
    /// Without a certificate: handshakes fail until one is set.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        Arc::default()
    }

    /// Serves this pair from the next handshake on.
    pub fn set(&self, pair: &Pair) {
        self.0.store(Some(Arc::new(Serving {
            key: pair.certified(),
            not_after: pair.not_after(),
            warn_from: pair.not_after() - WARN_BEFORE.min(pair.lifetime() / WARN_TENTH),
        })));
    }

    /// Whether there is a certificate.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load().is_some()
    }

    /// When the served certificate expires, in Unix seconds.
    #[must_use]
    pub fn not_after(&self) -> Option<i64> {
        self.expiry().map(|(not_after, _)| not_after)
    }

    /// When the served certificate expires, and from when on that is worth a warning.
    fn expiry(&self) -> Option<(i64, i64)> {
        let serving = self.0.load();
        serving
            .as_ref()
            .map(|serving| (serving.not_after, serving.warn_from))
    }
}

impl fmt::Debug for CertificateSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateSlot")
            .field("not_after", &self.not_after())
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CertificateSlot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .load()
            .as_ref()
            .map(|serving| Arc::clone(&serving.key))
    }
}

/// What a [`Reloader`] has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A pair is served from now on.
    Loaded {
        /// When it expires, in Unix seconds.
        not_after: i64,
        /// What it is for.
        names: Vec<String>,
    },
    /// The files are of no use.
    Refused {
        /// Whether one that was loaded before is served on; else none is.
        serving: bool,
        /// Which file, what is wrong, what to do.
        reason: String,
    },
    /// The served certificate expires soon, or has. Once a day.
    Expiring {
        /// When, in Unix seconds.
        not_after: i64,
        /// Whole days left; negative once it has expired.
        days: i64,
    },
}

#[derive(Clone, PartialEq, Eq)]
enum Content {
    /// A hash, so that the private key is not kept a second time.
    Read([u8; 32]),
    Unreadable(String),
}

/// What was seen last, and what became of it.
struct Seen {
    content: Content,
    refused: Option<Refused>,
}

struct Refused {
    reason: String,
    told: bool,
    /// When the same content is worth another look, in Unix seconds.
    again_at: Option<i64>,
}

/// Polls two files and puts what they hold into a [`CertificateSlot`].
pub struct Reloader {
    cert: PathBuf,
    key: PathBuf,
    expected: Vec<String>,
    slot: Arc<CertificateSlot>,
    report: Box<dyn Fn(Event) + Send + Sync>,
    seen: Option<Seen>,
    warned_days: Option<i64>,
}

impl Reloader {
    /// For these files, which must cover the `expected` names (see [`check::check`]). What happens
    /// is told to `report`, for the log, the metrics and readiness.
    pub fn new(
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        expected: Vec<String>,
        slot: Arc<CertificateSlot>,
        report: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        Self {
            cert: cert.into(),
            key: key.into(),
            expected,
            slot,
            report: Box::new(report),
            seen: None,
            warned_days: None,
        }
    }

    /// Looks at the files now and then every `period`. Ends only when dropped, or where a look panicked.
    pub async fn run(mut self, period: Duration) {
        loop {
            // Reading may block on a slow disk: not on a thread that answers requests.
            let polled = tokio::task::spawn_blocking(move || {
                self.poll(date::now());
                self
            });
            match polled.await {
                Ok(reloader) => self = reloader,
                Err(error) => {
                    tracing::error!(%error, "certificates are no longer reloaded: restart silkroll");
                    return;
                }
            }
            let untold = self.seen.as_ref().and_then(|seen| seen.refused.as_ref());
            let soon = untold.is_some_and(|refused| !refused.told);
            let pause = if soon { period.min(AGAIN) } else { period };
            // Never none: that would be a loop that does nothing else.
            sleep(pause.max(Duration::from_millis(1))).await;
        }
    }

    /// Looks at the files once. `now` is in Unix seconds. Blocks while it reads them.
    pub fn poll(&mut self, now: i64) {
        match (read(&self.cert), read(&self.key)) {
            (Ok(cert), Ok(key)) => {
                let content = Content::Read(hash(&cert, &key));
                if self.is_news(&content, now) {
                    let files = Files {
                        cert: self.cert.display().to_string(),
                        key: self.key.display().to_string(),
                    };
                    let checked = check::check(&files, &cert, &key, &self.expected, now);
                    self.checked(content, checked);
                } else {
                    self.still_refused();
                }
            }
            (Err(reason), _) | (_, Err(reason)) => {
                let content = Content::Unreadable(reason.clone());
                if self.is_news(&content, now) {
                    self.refused(content, reason, None);
                } else {
                    self.still_refused();
                }
            }
        }
        self.warn_of_expiry(now);
    }

    fn is_news(&self, content: &Content, now: i64) -> bool {
        self.seen.as_ref().is_none_or(|seen| {
            let again_at = seen.refused.as_ref().and_then(|refused| refused.again_at);
            seen.content != *content || again_at.is_some_and(|at| now >= at)
        })
    }

    fn checked(&mut self, content: Content, checked: Result<Pair, check::Error>) {
        match checked {
            Ok(pair) => {
                self.slot.set(&pair);
                self.seen = Some(Seen {
                    content,
                    refused: None,
                });
                self.warned_days = None;
                (self.report)(Event::Loaded {
                    not_after: pair.not_after(),
                    names: pair.names().to_vec(),
                });
            }
            Err(error) => {
                let again_at = match &error {
                    check::Error::NotYetValid { not_before, .. } => Some(*not_before),
                    _ => None,
                };
                self.refused(content, error.to_string(), again_at);
            }
        }
    }

    /// A pair that fails while another is served may be half-written: it is told at the next poll, which comes soon, if
    /// it is still the same then.
    fn refused(&mut self, content: Content, reason: String, again_at: Option<i64>) {
        let told = !self.slot.is_set();
        if told {
            (self.report)(Event::Refused {
                serving: false,
                reason: reason.clone(),
            });
        }
        self.seen = Some(Seen {
            content,
            refused: Some(Refused {
                reason,
                told,
                again_at,
            }),
        });
    }

    fn still_refused(&mut self) {
        let refused = self.seen.as_mut().and_then(|seen| seen.refused.as_mut());
        if let Some(refused) = refused.filter(|refused| !refused.told) {
            refused.told = true;
            (self.report)(Event::Refused {
                serving: self.slot.is_set(),
                reason: refused.reason.clone(),
            });
        }
    }

    fn warn_of_expiry(&mut self, now: i64) {
        let Some((not_after, warn_from)) = self.slot.expiry() else {
            return;
        };
        let days = (not_after - now).div_euclid(DAY);
        if now > warn_from && self.warned_days != Some(days) {
            self.warned_days = Some(days);
            (self.report)(Event::Expiring { not_after, days });
        }
    }
}

fn hash(cert: &[u8], key: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    // The length keeps bytes that move from one file to the other from going unseen.
    hasher.update((cert.len() as u64).to_be_bytes());
    hasher.update(cert);
    hasher.update(key);
    hasher.finalize().into()
}
