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
    /// Unix seconds.
    pub now: i64,
    /// How long things last.
    pub lifetimes: &'a Lifetimes,
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
    /// The CA to go by: the Secret's, or the last one that was where the Secret became something else.
    #[must_use]
    pub fn ca(&self) -> Option<&Ca> {
        match self.store {
            Store::Held(ca) => Some(ca),
            Store::Foreign(_) => self.memory,
            Store::Absent | Store::Empty => None,
        }
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
        let now = self.now;
        let ca = match (self.store, self.memory) {
            (Store::Empty, Some(ca)) if !ca.cert.due(now) => return Step::Restore,
            (Store::Absent | Store::Empty, _) => return Step::Make(self.before(self.memory)),
            (Store::Held(ca), _) if ca.cert.due(now) => return Step::Make(self.before(Some(ca))),
            (Store::Held(ca), _) | (Store::Foreign(_), Some(ca)) => ca,
            (Store::Foreign(_), None) => return Step::Rest,
        };
        let Some(bundles) = self.bundles else {
            return Step::Rest;
        };
        let wanted = self.wanted(ca, bundles);
        let holds = |bundle: &Vec<u8>| {
            let there = Cert::all(bundle);
            there.len() == wanted.len() && wanted.iter().all(|cert| there.contains(cert))
        };
        if !bundles.iter().all(holds) {
            return Step::Publish(wanted);
        }
        if ca.cert.not_after > now && self.sign(ca) {
            return Step::Sign;
        }
        Step::Rest
    }

    fn sign(&self, ca: &Ca) -> bool {
        let Some(leaf) = self.serving else {
            return true;
        };
        if leaf.by == ca.cert {
            return due(leaf.made, leaf.not_after, self.now);
        }
        // Of another CA: in time, or at once where callers refuse what is served.
        let good = leaf.not_after > self.now && self.published(&leaf.by);
        !good || self.settled_at().is_some_and(|at| at <= self.now)
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

    /// What a new CA comes after: the one at hand and those before it, and whatever of ours the bundles hold, for a
    /// replica may serve a leaf of it.
    fn before(&self, ca: Option<&Ca>) -> Vec<Cert> {
        let mut before: Vec<Cert> = Vec::new();
        if let Some(ca) = ca {
            before.push(ca.cert.clone());
            before.extend(self.needed(ca));
        }
        for bundle in self.bundles.unwrap_or_default() {
            for cert in Cert::all(bundle) {
                if cert.ours && !before.contains(&cert) {
                    before.push(cert);
                }
            }
        }
        before.retain(|cert| cert.not_after > self.now);
        before.sort_by_key(|cert| std::cmp::Reverse(cert.made));
        before.truncate(MOST);
        before
    }

    /// The CAs before this one that leaves may be valid of.
    fn needed(&self, ca: &Ca) -> Vec<Cert> {
        let mut next = &ca.cert;
        let mut needed = Vec::new();
        for cert in &ca.previous {
            let last_leaf = next.made + self.lifetimes.leaf + self.lifetimes.settle + LATE;
            if self.now < last_leaf.min(cert.not_after) {
                needed.push(cert.clone());
            }
            next = cert;
        }
        needed
    }

    /// What every bundle is to hold. What others put there stays while it is valid: pods from before Silkroll kept its
    /// own certificates may still serve what it signed.
    fn wanted(&self, ca: &Ca, bundles: &[Vec<u8>]) -> Vec<Cert> {
        let mut wanted = vec![ca.cert.clone()];
        wanted.extend(self.needed(ca));
        let mut others = Vec::new();
        for cert in bundles.iter().flat_map(|bundle| Cert::all(bundle)) {
            if !cert.ours && cert.not_after > self.now && !others.contains(&cert) {
                others.push(cert);
            }
        }
        others.truncate(MOST);
        wanted.extend(others);
        wanted
    }
}

/// Whether a caller that trusts this bundle talks to what serves this leaf under this name at `now` (Unix seconds).
#[must_use]
pub fn verifies(pair: &Pair, bundle: &[u8], name: &str, now: i64) -> bool {
    let mut roots = RootCertStore::empty();
    for cert in Cert::all(bundle) {
        // A trust anchor's own end is nothing that the verifier looks at; API servers do.
        if cert.not_after > now {
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
