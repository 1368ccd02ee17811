//! Makes a certificate authority and serving certificates (ECDSA P-256).

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};

use super::check::{self, Files};
use super::name;

/// How long a CA lasts, in days: longer than most clusters, so that only leaves have to be renewed.
pub const CA_DAYS: u32 = 3650;
/// How long a serving certificate lasts, in days.
pub const LEAF_DAYS: u32 = 365;
/// Certificates count from a little before now, for clients whose clock is behind.
pub(super) const BACKDATED: i64 = 5 * 60;
const DAY: i64 = 24 * 60 * 60;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name does not fit into a certificate.
    #[error("{0}")]
    Name(String),
    /// The CA's own files are of no use.
    #[error(transparent)]
    Ca(#[from] check::Error),
    /// The CA may not sign.
    #[error("{file} is not a CA's certificate: name the CA's, not a serving certificate")]
    NotACa {
        /// Where it came from.
        file: String,
    },
    /// The CA's key is of a kind that cannot sign here.
    #[error("{file} holds a key that cannot sign certificates here: give a PKCS#8 key")]
    CaKey {
        /// Where it came from.
        file: String,
    },
    /// What was made cannot be read.
    #[error("the certificate that was made cannot be read; please report this")]
    Unreadable,
    /// The library failed.
    #[error("no certificate could be made: {0}; please report this")]
    Rcgen(#[from] rcgen::Error),
}

/// A certificate and its private key as PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub cert_pem: String,
    /// Its private key (PKCS#8). Never to be logged: there is no `Debug`.
    pub key_pem: String,
    /// When it expires, in Unix seconds.
    pub not_after: i64,
}

/// A certificate authority that can sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The CA's own certificate and key.
    pub issued: Issued,
}

impl Authority {
    /// Makes a new one that lasts `days` from `now` (Unix seconds).
    ///
    /// # Errors
    /// The cryptography library failed, e.g. without randomness.
    pub fn new(now: i64, days: u32) -> Result<Self, Error> {
        Self::named("Silkroll CA", now, i64::from(days) * DAY)
    }

    /// Makes a new one of this Common Name that lasts `seconds` from `now` (Unix seconds).
    pub(super) fn named(name: &str, now: i64, seconds: i64) -> Result<Self, Error> {
        let (mut params, not_after) = params(name, now, now + seconds);
        // It signs leaves only, no further authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let issued = Issued {
            cert_pem: params.self_signed(&key)?.pem(),
            key_pem: key.serialize_pem(),
            not_after,
        };
        Ok(Self {
            issuer: Issuer::new(params, key),
            issued,
        })
    }

    /// Takes up one that was made before; `files` names where the PEMs came from.
    ///
    /// # Errors
    /// The pair is of no use at `now`, or no CA.
    pub fn from_pem(files: &Files, cert_pem: &str, key_pem: &str, now: i64) -> Result<Self, Error> {
        let pair = check::authority(files, cert_pem.as_bytes(), key_pem.as_bytes(), now)?;
        if !pair.is_ca() {
            return Err(Error::NotACa {
                file: files.cert.clone(),
            });
        }
        let key = KeyPair::from_pem(key_pem).map_err(|_| Error::CaKey {
            file: files.key.clone(),
        })?;
        Ok(Self {
            issuer: Issuer::from_ca_cert_pem(cert_pem, key)?,
            issued: Issued {
                cert_pem: cert_pem.to_owned(),
                key_pem: key_pem.to_owned(),
                not_after: pair.not_after(),
            },
        })
    }

    /// A serving certificate for these names, for `days` from `now` or as long as the CA lasts.
    ///
    /// # Errors
    /// A name does not fit into a certificate, or the library failed.
    pub fn leaf(
        &self,
        dns: &[String],
        ips: &[IpAddr],
        now: i64,
        days: u32,
    ) -> Result<Issued, Error> {
        self.leaf_for(dns, ips, now, i64::from(days) * DAY)
    }

    /// As [`Self::leaf`], for `seconds`.
    ///
    /// # Errors
    /// As there.
    pub fn leaf_for(
        &self,
        dns: &[String],
        ips: &[IpAddr],
        now: i64,
        seconds: i64,
    ) -> Result<Issued, Error> {
        let end = (now + seconds).min(self.issued.not_after);
        // Names are in the alternative names; a Common Name holds 64 characters at most.
        let (mut params, not_after) = params("silkroll", now, end);
        for name in dns {
            name::dns(name).map_err(Error::Name)?;
            let san = name.as_str().try_into()?;
            params.subject_alt_names.push(SanType::DnsName(san));
        }
        for ip in ips {
            params.subject_alt_names.push(SanType::IpAddress(*ip));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Issued {
            cert_pem: params.signed_by(&key, &self.issuer)?.pem(),
            key_pem: key.serialize_pem(),
            not_after,
        })
    }
}

fn params(common_name: &str, now: i64, not_after: i64) -> (CertificateParams, i64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |unix: i64| epoch + Duration::from_secs(u64::try_from(unix).unwrap_or_default());
    let mut params = CertificateParams::default();
    params.not_before = at(now - BACKDATED);
    params.not_after = at(not_after);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    (params, not_after)
}
