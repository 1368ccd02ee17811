//! What the log says of certificates once, and not at each look.

use std::time::Duration;

use tokio::time::Instant;

use super::objects::{Failure, MANAGER};
use crate::text::shown;
use crate::tls::date::utc;
use crate::tls::own::{Cert, Store};

/// What lasts is said again after this long: logs are kept for a while only.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The most certificates of others that were named.
const MOST: usize = 64;
/// How many seconds clocks may differ without a word.
const CLOCK: i64 = 60;

#[derive(Debug, Default)]
pub(super) struct Said {
    foreign: Option<String>,
    early: Option<Cert>,
    others: Vec<Cert>,
    fight: Option<(String, Instant)>,
    failing: Option<Instant>,
    clock: bool,
}

impl Said {
    /// How far the API server's clock is ahead.
    pub(super) fn clock(&mut self, ahead: i64, now: i64) {
        let differs = ahead.abs() > CLOCK;
        if differs && !self.clock {
            tracing::warn!(
                seconds = ahead,
                "this machine's clock says {}, the API server's {}: certificates go by the API server's, mend this one",
                utc(now - ahead),
                utc(now)
            );
        }
        self.clock = differs;
    }

    /// What was read of the Secret.
    pub(super) fn secret(&mut self, namespace: &str, name: &str, store: &Store, now: i64) {
        let why = match store {
            Store::Foreign(why) => Some(why.clone()),
            _ => None,
        };
        if self.foreign != why {
            if let Some(why) = &why {
                tracing::error!(
                    namespace,
                    name,
                    "the CA's Secret is not Silkroll's own and is left as it is: {why}; delete it, or give another \
                     name by --ca-secret"
                );
            }
            self.foreign = why;
        }
        let early = match store {
            Store::Held(ca) if ca.cert.early(now) => Some(&ca.cert),
            _ => None,
        };
        if let Some(cert) = early.filter(|cert| self.early.as_ref() != Some(cert)) {
            tracing::warn!(
                namespace,
                name,
                "the CA in the Secret is not valid before {}, and it is {}: API servers refuse what it signs, so \
                 another one takes its place",
                utc(cert.not_before()),
                utc(now)
            );
        }
        self.early = early.cloned();
    }

    /// What others put into `caBundle`, and stays there.
    pub(super) fn others(&mut self, others: Vec<Cert>) {
        for cert in others {
            if self.others.contains(&cert) {
                continue;
            }
            tracing::warn!(
                subject = %shown(cert.subject(), 200),
                not_after = cert.not_after,
                "caBundle holds a CA that is not Silkroll's and stays until {}: whoever has its key can answer in \
                 Silkroll's place. Take it out when nothing serves by it any more",
                utc(cert.not_after)
            );
            if self.others.len() >= MOST {
                self.others.remove(0);
            }
            self.others.push(cert);
        }
    }

    /// `caBundle` was put back.
    pub(super) fn restored(&mut self, certificates: usize, by: Option<&str>, fight: bool) {
        let by = match by {
            Some(MANAGER) => {
                "silkroll, the name of its own (another Silkroll with the same --webhook-configuration?)"
            }
            Some(name) => &shown(name, 200),
            None => "one that the API server has no name of, for the field was taken away",
        };
        if !fight {
            tracing::info!(certificates, by, "caBundle written, others had changed it");
            return;
        }
        let again = self.fight.as_ref();
        if again.is_none_or(|(name, at)| name != by || at.elapsed() >= DAY) {
            tracing::warn!(
                by,
                "caBundle is changed by others again and again and put back each time, ever more slowly: workloads are \
                 admitted without Silkroll's answer meanwhile. Let the field manager {by} leave the field alone"
            );
            self.fight = Some((by.to_owned(), Instant::now()));
        }
    }

    /// A look, or a write of it, failed.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let Failure { what, error } = failure;
        if self.failing.is_some_and(|at| at.elapsed() < DAY) {
            tracing::debug!(error, "certificates: still cannot {what}");
        } else {
            tracing::warn!(error, "certificates: cannot {what}, trying again");
            self.failing = Some(Instant::now());
        }
    }

    /// None did.
    pub(super) fn went(&mut self) {
        self.failing = None;
    }
}
