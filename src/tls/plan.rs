//! What is to be done next so that what is served is what callers trust: decided from what was read, by time alone.

use super::check::Pair;
use super::config::provider;
use super::own::{Ca, Cert, Lifetimes, Store, due};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::time::Duration;

/// The most certificates of CAs before the present one, and of others', that are kept: each is some 700 bytes twice, in a
/// Secret and in a configuration that etcd takes up to 1.5 MiB of. Deleting the Secret adds one each time.
const MOST: usize = 64;
/// The most bytes of each of these two: others' certificates may be of any size.
const ROOM: usize = 256 * 1024;
/// How much longer than a leaf's life the CA before stays: a replica may sign by it until it hears of the next.
const LATE: i64 = 60 * 60;

/// The leaf that is served.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What signed it.
    pub by: Cert,
    /// When it was made, in Unix seconds.
    pub made: i64,
    /// Its last second, in Unix seconds.
    pub not_after: i64,
}

/// All that is known at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The Secret.
    pub store: &'a Store,
    /// `caBundle` of every entry of the webhook configuration; none where there is no configuration.
    pub bundles: Option<&'a [Vec<u8>]>,
    /// The CA that was held last.
    pub memory: Option<&'a Ca>,
    /// What is served.
    pub serving: Option<&'a Serving>,
    /// Since when the present CA has been seen in all bundles, in Unix seconds.
    pub since: Option<i64>,
    /// When the bundles were last written, in Unix seconds; none where the API does not say.
    pub written: Option<i64>,
    /// What cannot be written for now.
    pub stuck: Stuck,
    /// Unix seconds.
    pub now: i64,
    /// How long things last.
    pub lifetimes: &'a Lifetimes,
}

/// What cannot be written for now: all else is done without it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stuck {
    /// The Secret.
    pub secret: bool,
    /// The bundles.
    pub bundles: bool,
}

/// One thing to do; then everything is read again.
#[derive(Debug)]
pub enum Step {
    /// Make a CA after these, and put it into the Secret.
    Make(Vec<Cert>),
    /// Put the CA that was held last back into the Secret.
    Restore,
    /// Let every bundle hold these.
    Publish(Vec<Cert>),
    /// Sign a leaf, and serve it.
    Sign,
    /// Nothing for now.
    Rest,
}

impl View<'_> {
    /// The CA to go by: the Secret's, or the last one that was while the Secret holds none that callers take.
    #[must_use]
    pub fn ca(&self) -> Option<&Ca> {
        let held = match self.store {
            Store::Held(ca) => Some(ca),
            Store::Foreign(_) | Store::Absent | Store::Empty => None,
        };
        let mut all = held.into_iter().chain(self.memory);
        all.find(|ca| ca.cert.counts(self.now))
    }

    /// What others put into the bundles and may be trusted there.
    #[must_use]
    pub fn others(&self) -> Vec<Cert> {
        let there = self.there().into_iter();
        let others = there.filter(|cert| !cert.ours && cert.not_after > self.now);
        bounded(others)
    }

    /// Whether this certificate is in every bundle.
    #[must_use]
    pub fn published(&self, cert: &Cert) -> bool {
        self.bundles.is_some_and(|bundles| {
            bundles
                .iter()
                .all(|bundle| Cert::all(bundle).contains(cert))
        })
    }

    /// What is to be done next.
    #[must_use]
    pub fn step(&self) -> Step {
        if let Some(step) = self.keep().filter(|_| !self.stuck.secret) {
            return step;
        }
        let (Some(ca), Some(bundles)) = (self.ca(), self.bundles) else {
            return Step::Rest;
        };
        let wanted = self.wanted(ca);
        let holds = |bundle: &Vec<u8>| {
            let there = Cert::all(bundle);
            // Led by the present one: the others are then known to be of before, and since when.
            (!self.held(ca) || there.first() == wanted.first())
                && there.len() == wanted.len()
                && wanted.iter().all(|cert| there.contains(cert))
        };
        if !self.stuck.bundles && !bundles.iter().all(holds) {
            return Step::Publish(wanted);
        }
        if self.sign(ca) {
            return Step::Sign;
        }
        Step::Rest
    }

    /// Whether it is the Secret's, and not one that this replica alone may remember.
    fn held(&self, ca: &Ca) -> bool {
        matches!(self.store, Store::Held(held) if held.cert == ca.cert)
    }

    /// What is to become of the Secret.
    fn keep(&self) -> Option<Step> {
        let good = |ca: &&Ca| ca.cert.counts(self.now) && !ca.cert.due(self.now);
        match self.store {
            Store::Empty if self.memory.is_some_and(|ca| good(&ca)) => Some(Step::Restore),
            Store::Absent | Store::Empty => Some(Step::Make(self.before())),
            // A new one in place of one that is not valid yet, not the one before: whose clock is ahead may take that for due.
            Store::Held(ca) if !good(&ca) => Some(Step::Make(self.before())),
            Store::Held(_) | Store::Foreign(_) => None,
        }
    }

    fn sign(&self, ca: &Ca) -> bool {
        let Some(leaf) = self.serving else {
            return self.published(&ca.cert);
        };
        if leaf.by == ca.cert {
            return due(leaf.made, leaf.not_after, self.now);
        }
        // Of another CA: in time, or at once where callers refuse what is served.
        let good =
            leaf.not_after > self.now && leaf.by.counts(self.now) && self.published(&leaf.by);
        let settled = self.settled_at().is_some_and(|at| at <= self.now);
        self.published(&ca.cert) && (!good || settled)
    }

    /// When every API server is taken to know the present CA, in Unix seconds.
    fn settled_at(&self) -> Option<i64> {
        self.since.map(|since| since + self.lifetimes.settle)
    }

    /// In how many seconds something is to be done though nothing changes; none where it is long.
    #[must_use]
    pub fn wake(&self) -> Option<i64> {
        let ca = self.ca()?;
        let waits = self.serving.is_some_and(|leaf| leaf.by != ca.cert);
        self.settled_at()
            .filter(|_| waits)
            .map(|at| (at - self.now).max(1))
            .or_else(|| self.settling())
    }

    /// In how many seconds every API server is taken to know the CA of what is served, where they trust something else
    /// meanwhile: what a replica that starts is not to take calls from. None where they know it, or trust nothing else.
    #[must_use]
    pub fn settling(&self) -> Option<i64> {
        let ca = self.ca()?;
        let bundles = self.bundles?;
        let others = |bundle: &Vec<u8>| {
            let mut certs = Cert::all(bundle).into_iter();
            certs.any(|cert| cert != ca.cert && cert.not_after > self.now)
        };
        let serves = self.serving.is_some_and(|leaf| leaf.by == ca.cert);
        let at = self.settled_at().filter(|at| *at > self.now)?;
        (serves && bundles.iter().any(others)).then_some(at - self.now)
    }

    /// The certificates of all bundles, each once.
    fn there(&self) -> Vec<Cert> {
        let mut there = Vec::new();
        for cert in self
            .bundles
            .unwrap_or_default()
            .iter()
            .flat_map(|pem| Cert::all(pem))
        {
            if !there.contains(&cert) {
                there.push(cert);
            }
        }
        there
    }

    /// What a new CA comes after: the one at hand and those before it, and whatever of ours is served or the bundles hold,
    /// for a replica may serve a leaf of it.
    fn before(&self) -> Vec<Cert> {
        let held = match self.store {
            Store::Held(ca) => Some(ca),
            Store::Foreign(_) | Store::Absent | Store::Empty => None,
        };
        let mut before: Vec<Cert> = Vec::new();
        for ca in held.into_iter().chain(self.memory) {
            before.push(ca.cert.clone());
            before.extend(self.needed(ca));
        }
        before.extend(self.serving.map(|leaf| leaf.by.clone()));
        before.extend(self.there().into_iter().filter(|cert| cert.ours));
        before.retain(|cert| cert.not_after > self.now);
        let mut before = bounded(before);
        before.sort_by_key(|cert| std::cmp::Reverse(cert.made));
        before
    }

    /// The CAs before this one that leaves may be valid of, by what its Secret says of them.
    fn needed(&self, ca: &Ca) -> Vec<Cert> {
        // The last time at which one of them was the newest: what comes after it may be of a clock that is ahead.
        let mut until = ca.cert.made;
        let mut needed = Vec::new();
        for cert in &ca.previous {
            if self.now < self.outlived(until).min(cert.not_after) {
                needed.push(cert.clone());
            }
            until = until.min(cert.made);
        }
        needed
    }

    /// When no leaf can be valid of a CA that nothing was signed by after `until`.
    fn outlived(&self, until: i64) -> i64 {
        until
            .saturating_add(self.lifetimes.leaf)
            .saturating_add(self.lifetimes.settle + LATE)
    }

    /// What every bundle is to hold: the present CA before all else, those of ours that a leaf may be valid of, and what
    /// others put there while it is valid, for pods from before Silkroll kept its own certificates may still serve what it
    /// signed.
    ///
    /// The bundles themselves say what was signed by: an older Secret may have been put over the one that a replica goes
    /// by. A CA of ours goes only when no leaf of it can be valid: it has ended, or another one has led all bundles for
    /// longer than a leaf lives.
    fn wanted(&self, ca: &Ca) -> Vec<Cert> {
        let there = self.there();
        let leads = |pem: &Vec<u8>| Cert::all(pem).first() == Some(&ca.cert);
        let led = self.held(ca) && self.bundles.is_some_and(|all| all.iter().all(leads));
        let over = led && self.written.is_some_and(|at| self.outlived(at) <= self.now);
        // Else what is served is of the present one next.
        let settled = self.settled_at().is_some_and(|at| at <= self.now);
        let serving = self
            .serving
            .filter(|leaf| leaf.not_after > self.now && (!settled || self.published(&leaf.by)));
        let serving = serving.map(|leaf| leaf.by.clone());
        let mut recent: Vec<Cert> = there
            .into_iter()
            .filter(|cert| cert.ours && !over)
            .collect();
        recent.sort_by_key(|cert| std::cmp::Reverse(cert.made));
        let ours = serving.into_iter().chain(self.needed(ca)).chain(recent);
        let ours = ours.filter(|cert| *cert != ca.cert && cert.not_after > self.now);
        let mut wanted = vec![ca.cert.clone()];
        wanted.extend(bounded(ours));
        wanted.extend(self.others());
        wanted
    }
}

/// Each once, and no more than there is room for.
fn bounded(certs: impl IntoIterator<Item = Cert>) -> Vec<Cert> {
    let mut kept: Vec<Cert> = Vec::new();
    let mut room = ROOM;
    for cert in certs {
        if kept.len() < MOST && cert.der().len() <= room && !kept.contains(&cert) {
            room -= cert.der().len();
            kept.push(cert);
        }
    }
    kept
}

/// Whether a caller that trusts this bundle talks to what serves this leaf under this name at `now` (Unix seconds).
#[must_use]
pub fn verifies(pair: &Pair, bundle: &[u8], name: &str, now: i64) -> bool {
    let mut roots = RootCertStore::empty();
    for cert in Cert::all(bundle) {
        // A trust anchor's own times and usages are nothing that the verifier looks at; API servers do.
        if cert.counts(now) {
            roots.add_parsable_certificates([CertificateDer::from(cert.der().to_vec())]);
        }
    }
    let (Ok(name), Ok(now)) = (ServerName::try_from(name), u64::try_from(now)) else {
        return false;
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let certified = pair.certified();
    let Some((leaf, chain)) = certified.cert.split_first() else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    verifier.is_ok_and(|verifier| {
        use rustls::client::danger::ServerCertVerifier as _;
        verifier
            .verify_server_cert(leaf, chain, &name, &[], now)
            .is_ok()
    })
}
