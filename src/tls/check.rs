//! Is this certificate, with this key, of use to an API server that calls us?

use std::net::IpAddr;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::config::provider;
pub use super::fault::Error;

/// Where a pair comes from, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate chain's file.
    pub cert: String,
    /// The private key's file.
    pub key: String,
}

/// A certificate chain with its private key, checked.
#[derive(Clone, Debug)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    not_before: i64,
    not_after: i64,
    names: Vec<String>,
    is_ca: bool,
}

impl Pair {
    /// When the leaf expires, in Unix seconds.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// How long the leaf lasts from its first to its last second.
    pub(crate) fn lifetime(&self) -> i64 {
        self.not_after - self.not_before
    }

    /// The DNS names and addresses that the leaf is for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn is_ca(&self) -> bool {
        self.is_ca
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// Checks PEMs for serving under all of `expected` (DNS names or addresses; empty for any name)
/// at `now` in Unix seconds.
///
/// # Errors
/// Any reason for which a caller that checks certificates would not talk to us.
pub fn check(
    files: &Files,
    cert_pem: &[u8],
    key_pem: &[u8],
    expected: &[String],
    now: i64,
) -> Result<Pair, Error> {
    let chain = chain(files, cert_pem, key_pem)?;
    let leaf = parse(&files.cert, &chain[0])?;
    let pair = pair(files, &chain, &leaf, key_pem, now)?;
    let usage = leaf.extended_key_usage().map_err(unreadable(&files.cert))?;
    if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
        return Err(Error::NotForServers {
            file: files.cert.clone(),
        });
    }
    let missing: Vec<String> = expected
        .iter()
        .filter(|name| !pair.names.iter().any(|has| covers(has, name)))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(Error::Names {
            file: files.cert.clone(),
            missing,
            has: pair.names,
        });
    }
    Ok(pair)
}

/// Checks the pair of a certificate authority at `now`; whether it is one is the caller's question.
pub(super) fn authority(
    files: &Files,
    cert_pem: &[u8],
    key_pem: &[u8],
    now: i64,
) -> Result<Pair, Error> {
    let chain = chain(files, cert_pem, key_pem)?;
    let cert = parse(&files.cert, &chain[0])?;
    pair(files, &chain, &cert, key_pem, now)
}

/// Checks certificates that callers are to trust: each of the file counts at `now`.
///
/// # Errors
/// There is none, one cannot be read, or one has expired or does not count yet.
pub fn trusted(file: &str, pem: &[u8], now: i64) -> Result<(), Error> {
    let files = Files {
        cert: file.to_owned(),
        key: String::new(),
    };
    for der in chain(&files, pem, &[])? {
        in_time(file, &parse(file, &der)?, now)?;
    }
    Ok(())
}

/// The certificates of a file, one at least.
fn chain(
    files: &Files,
    cert_pem: &[u8],
    key_pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let chain = CertificateDer::pem_slice_iter(cert_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(damaged(&files.cert))?;
    if !chain.is_empty() {
        return Ok(chain);
    }
    let swapped = PrivateKeyDer::from_pem_slice(cert_pem).is_ok()
        && CertificateDer::from_pem_slice(key_pem).is_ok();
    Err(if swapped {
        Error::Swapped {
            cert: files.cert.clone(),
            key: files.key.clone(),
        }
    } else {
        Error::NoCertificate {
            file: files.cert.clone(),
        }
    })
}

fn pair(
    files: &Files,
    chain: &[CertificateDer<'static>],
    leaf: &X509Certificate<'_>,
    key_pem: &[u8],
    now: i64,
) -> Result<Pair, Error> {
    let certified = CertifiedKey::new(chain.to_vec(), signing_key(files, key_pem)?);
    belongs(files, &certified)?;
    let (not_before, not_after) = in_time(&files.cert, leaf, now)?;
    Ok(Pair {
        certified: Arc::new(certified),
        not_before,
        not_after,
        names: names(leaf).map_err(unreadable(&files.cert))?,
        is_ca: leaf.is_ca(),
    })
}

/// The first and the last second of a certificate that counts at `now`.
fn in_time(file: &str, cert: &X509Certificate<'_>, now: i64) -> Result<(i64, i64), Error> {
    let not_before = cert.validity().not_before.timestamp();
    let not_after = cert.validity().not_after.timestamp();
    let file = || file.to_owned();
    if now < not_before {
        return Err(Error::NotYetValid {
            file: file(),
            not_before,
            now,
        });
    }
    if now > not_after {
        return Err(Error::Expired {
            file: file(),
            not_after,
            now,
        });
    }
    Ok((not_before, not_after))
}

fn signing_key(files: &Files, key_pem: &[u8]) -> Result<Arc<dyn rustls::sign::SigningKey>, Error> {
    let file = || files.key.clone();
    let key = match PrivateKeyDer::from_pem_slice(key_pem) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => {
            let text = String::from_utf8_lossy(key_pem);
            return Err(if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
                Error::EncryptedKey { file: file() }
            } else {
                Error::NoKey { file: file() }
            });
        }
        // The old format encrypts inside a block of the plain name, marked by a header line.
        Err(_) if String::from_utf8_lossy(key_pem).contains("ENCRYPTED") => {
            return Err(Error::EncryptedKey { file: file() });
        }
        Err(error) => return Err(damaged(&files.key)(error)),
    };
    provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| Error::Key {
            file: file(),
            what: error.to_string(),
        })
}

fn belongs(files: &Files, certified: &CertifiedKey) -> Result<(), Error> {
    let unreadable = match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => return Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => None,
        Err(error) => Some(error.to_string()),
    };
    if let Some(what) = unreadable {
        return Err(Error::Certificate {
            file: files.cert.clone(),
            what,
        });
    }
    let (cert, key) = (files.cert.clone(), files.key.clone());
    let matching = certified.cert.iter().position(|cert| {
        let alone = CertifiedKey::new(vec![cert.clone()], Arc::clone(&certified.key));
        alone.keys_match().is_ok()
    });
    Err(match matching {
        Some(index) => Error::Order {
            cert,
            key,
            position: index + 1,
        },
        None => Error::Mismatch { cert, key },
    })
}

fn parse<'a>(file: &str, der: &'a [u8]) -> Result<X509Certificate<'a>, Error> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(unreadable(file))
}

fn names(leaf: &X509Certificate<'_>) -> Result<Vec<String>, x509_parser::error::X509Error> {
    let Some(extension) = leaf.subject_alternative_name()? else {
        return Ok(Vec::new());
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    };
    Ok(extension
        .value
        .general_names
        .iter()
        .filter_map(name)
        .collect())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Whether a certificate's name stands for a caller's: the same without regard to case, or with a
/// star for exactly its first label (RFC 6125, section 6.4.3).
fn covers(has: &str, name: &str) -> bool {
    if let (Ok(has), Ok(name)) = (has.parse::<IpAddr>(), name.parse::<IpAddr>()) {
        return has == name;
    }
    let name = name.trim_end_matches('.');
    if has.eq_ignore_ascii_case(name) {
        return true;
    }
    match (has.strip_prefix("*."), name.split_once('.')) {
        (Some(parent), Some((first, rest))) => {
            !first.is_empty() && parent.eq_ignore_ascii_case(rest)
        }
        _ => false,
    }
}

fn damaged(file: &str) -> impl Fn(pem::Error) -> Error {
    move |error| Error::Pem {
        file: file.to_owned(),
        what: error.to_string(),
    }
}

fn unreadable<E: std::fmt::Display>(file: &str) -> impl Fn(E) -> Error {
    move |error| Error::Certificate {
        file: file.to_owned(),
        what: error.to_string(),
    }
}
