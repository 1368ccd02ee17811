//! A certificate authority that Silkroll keeps by itself: what it consists of, and reading what was kept.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::check::Files;
use super::issue::{self, Authority, BACKDATED};
use crate::text::shown;

/// The Common Name of CAs that Silkroll keeps. By it they are told from a CA of the user's, which `silkroll certs` may
/// have made.
pub const SUBJECT: &str = "Silkroll self-managed CA";
/// The only type of Secret that is ours. A type cannot be changed later (`ValidateSecretUpdate`).
const OPAQUE: &str = "Opaque";
/// The CA's certificate.
pub const CERT: &str = "ca.crt";
/// Its private key.
pub const KEY: &str = "ca.key";
/// Certificates of CAs before it, newest first, while leaves of theirs may be valid.
pub const PREVIOUS: &str = "previous.crt";
const DAY: i64 = 24 * 60 * 60;

/// How long things last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A CA.
    pub ca: i64,
    /// A serving certificate.
    pub leaf: i64,
    /// From when a CA is in the bundle until what it signed takes the place of what is served and good: every API server
    /// has heard of it by then.
    pub settle: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            ca: 365 * DAY,
            leaf: 7 * DAY,
            // API servers hear of a changed configuration by a watch, within a second unless something is wrong.
            settle: 30,
        }
    }
}

/// A CA's certificate that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Cert {
    der: Vec<u8>,
    /// Whether it is one that Silkroll keeps.
    pub ours: bool,
    /// From when on it was made to count, without what it was backdated by, in Unix seconds.
    pub made: i64,
    /// Its last second, in Unix seconds.
    pub not_after: i64,
    /// Whether callers take it for an authority of servers of any name.
    sound: bool,
    /// Whose it is, as it says.
    subject: String,
}

impl Cert {
    /// The readable certificates in a text, each once; what cannot be read is passed over, as API servers do.
    #[must_use]
    pub fn all(pem: &[u8]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for der in CertificateDer::pem_slice_iter(pem).flatten() {
            if let Some(cert) = Self::read(&der).filter(|cert| !all.contains(cert)) {
                all.push(cert);
            }
        }
        all
    }

    fn read(der: &[u8]) -> Option<Self> {
        let (_, cert) = X509Certificate::from_der(der).ok()?;
        let name = cert.subject().iter_common_name().next();
        let name = name.and_then(|name| name.as_str().ok());
        Some(Self {
            ours: name == Some(SUBJECT),
            sound: sound(&cert),
            subject: name.map_or_else(|| cert.subject().to_string(), str::to_owned),
            made: cert.validity().not_before.timestamp() + BACKDATED,
            not_after: cert.validity().not_after.timestamp(),
            der: der.to_vec(),
        })
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whose it is, as it says of itself.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its first second, in Unix seconds.
    #[must_use]
    pub fn not_before(&self) -> i64 {
        self.made - BACKDATED
    }

    /// Whether callers refuse whatever it signed because it is not valid yet.
    #[must_use]
    pub fn early(&self, now: i64) -> bool {
        now < self.not_before()
    }

    /// Whether callers that trust it take what it signed. Those written in Go look at a root's own time and usages.
    #[must_use]
    pub fn counts(&self, now: i64) -> bool {
        self.sound && !self.early(now) && now < self.not_after
    }

    /// As PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(&self.der);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        // Lines of 64 characters (RFC 7468, section 2).
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = more;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// These as one text.
    #[must_use]
    pub fn join(certs: &[Self]) -> String {
        certs.iter().map(Self::pem).collect()
    }

    /// Whether no more than a third of its life is left, or none: time for a new one.
    #[must_use]
    pub fn due(&self, now: i64) -> bool {
        due(self.made, self.not_after, now)
    }
}

fn sound(cert: &X509Certificate<'_>) -> bool {
    let (Ok(key), Ok(extended), Ok(names)) = (
        cert.key_usage(),
        cert.extended_key_usage(),
        cert.name_constraints(),
    ) else {
        return false;
    };
    cert.is_ca()
        && names.is_none()
        && key.is_none_or(|key| key.value.key_cert_sign())
        && extended.is_none_or(|usage| usage.value.server_auth || usage.value.any)
}

impl fmt::Debug for Cert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cert")
            .field("ours", &self.ours)
            .field("made", &self.made)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Whether no more than a third of a life is left.
pub(super) fn due(made: i64, not_after: i64, now: i64) -> bool {
    not_after - now <= (not_after - made) / 3
}

/// The CA that is kept.
#[derive(Clone)]
pub struct Ca {
    /// Its certificate.
    pub cert: Cert,
    /// Its private key as PEM. Never to be logged: `Debug` leaves it out.
    key: String,
    /// The CAs before it, newest first.
    pub previous: Vec<Cert>,
}

impl Ca {
    /// Makes a new one at `now` (Unix seconds) after those before it.
    ///
    /// # Errors
    /// The cryptography library failed.
    pub fn new(now: i64, lifetimes: &Lifetimes, previous: Vec<Cert>) -> Result<Self, issue::Error> {
        let issued = Authority::named(SUBJECT, now, lifetimes.ca)?.issued;
        let mut certs = Cert::all(issued.cert_pem.as_bytes());
        let cert = certs.pop().ok_or(issue::Error::Unreadable)?;
        Ok(Self {
            cert,
            key: issued.key_pem,
            previous,
        })
    }

    /// As the data of its Secret.
    #[must_use]
    pub fn data(&self) -> BTreeMap<String, Vec<u8>> {
        let mut data = BTreeMap::from([
            (CERT.to_owned(), self.cert.pem().into_bytes()),
            (KEY.to_owned(), self.key.clone().into_bytes()),
        ]);
        if !self.previous.is_empty() {
            let previous = Cert::join(&self.previous).into_bytes();
            data.insert(PREVIOUS.to_owned(), previous);
        }
        data
    }

    /// What signs with it, whenever that is: [`Cert::counts`] says whether callers take it.
    ///
    /// # Errors
    /// Its key is not its certificate's, or cannot be used.
    pub fn authority(&self) -> Result<Authority, issue::Error> {
        let files = Files {
            cert: CERT.to_owned(),
            key: KEY.to_owned(),
        };
        Authority::from_pem(&files, &self.cert.pem(), &self.key, self.cert.made)
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca")
            .field("cert", &self.cert)
            .field("previous", &self.previous)
            .finish_non_exhaustive()
    }
}

/// What a Secret holds.
#[derive(Clone, Debug)]
pub enum Store {
    /// There is none.
    Absent,
    /// It is there with nothing in it, or with part of what was ours: to be filled.
    Empty,
    /// It is not ours, and never written to.
    Foreign(String),
    /// The CA.
    Held(Ca),
}

impl Store {
    /// Reads a Secret of this type with this data.
    #[must_use]
    pub fn read(kind: Option<&str>, data: &BTreeMap<String, Vec<u8>>) -> Self {
        let kind = kind.unwrap_or(OPAQUE);
        if kind != OPAQUE {
            return Self::Foreign(format!(
                "it is of type {}, ours are {OPAQUE}",
                shown(kind, 80)
            ));
        }
        let ours = [CERT, KEY, PREVIOUS];
        if let Some(key) = data.keys().find(|key| !ours.contains(&key.as_str())) {
            return Self::Foreign(format!(
                "it has the key {}, ours have {}",
                shown(key, 80),
                ours.join(", ")
            ));
        }
        let held = |key: &str| data.get(key).map_or(&[][..], Vec::as_slice);
        let certs = Cert::all(held(CERT));
        let Some(cert) = certs.into_iter().next() else {
            let nothing = [CERT, KEY].iter().all(|key| held(key).is_empty());
            return if nothing {
                Self::Empty
            } else {
                Self::Foreign(format!("its {CERT} is no certificate"))
            };
        };
        if !cert.ours {
            return Self::Foreign(format!("its {CERT} is not one that Silkroll made for it"));
        }
        let mut previous = Cert::all(held(PREVIOUS));
        previous.retain(|other| other.ours && *other != cert);
        let key = String::from_utf8_lossy(held(KEY)).into_owned();
        let ca = Ca {
            cert,
            key,
            previous,
        };
        // The certificate is ours, so what is wrong with it or the key is ours to mend.
        if ca.cert.sound && ca.authority().is_ok() {
            Self::Held(ca)
        } else {
            Self::Empty
        }
    }
}
