//! What can be wrong with a certificate and its key.

use super::date::{ago, utc};
use crate::text::shown;

/// What makes a pair of no use. Each message says which file, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The files were given the wrong way round.
    #[error("{cert} holds a private key and {key} a certificate: swap the two settings")]
    Swapped {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
    },
    /// A PEM block is damaged.
    #[error("{file} is damaged: {what}; copy the file again, from BEGIN to END line")]
    Pem {
        /// The file.
        file: String,
        /// What the parser said.
        what: String,
    },
    /// No certificate.
    #[error(
        "{file} holds no certificate: it must have a block that starts with \
         \"-----BEGIN CERTIFICATE-----\" (a DER file is converted by `openssl x509 -inform der`)"
    )]
    NoCertificate {
        /// The file.
        file: String,
    },
    /// No private key.
    #[error(
        "{file} holds no private key: it must have a block that starts with \
         \"-----BEGIN PRIVATE KEY-----\" (EC and RSA PRIVATE KEY are read, too)"
    )]
    NoKey {
        /// The file.
        file: String,
    },
    /// A private key behind a password.
    #[error(
        "the private key in {file} is encrypted and nobody can type its password here: decrypt it \
         with `openssl pkey -in {file} -out plain.key`"
    )]
    EncryptedKey {
        /// The file.
        file: String,
    },
    /// A private key of a kind that is not supported.
    #[error("the private key in {file} cannot be used ({what}): use ECDSA P-256, Ed25519 or RSA")]
    Key {
        /// The file.
        file: String,
        /// What the library said.
        what: String,
    },
    /// A certificate that cannot be read.
    #[error("the certificate in {file} cannot be read ({what}): issue it again as X.509 version 3")]
    Certificate {
        /// The file.
        file: String,
        /// What the library said.
        what: String,
    },
    /// Certificate and key do not belong together.
    #[error(
        "the certificate in {cert} does not belong to the private key in {key}: give the two files \
         of one issue"
    )]
    Mismatch {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
    },
    /// The chain starts with the wrong certificate.
    #[error(
        "the first certificate in {cert} does not belong to the private key in {key}, but number \
         {position} does: put the serving certificate first, its issuers after it"
    )]
    Order {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
        /// Where the right certificate stands, counted from 1.
        position: usize,
    },
    /// The certificate counts from later on.
    #[error(
        "the certificate in {file} is not valid before {}: wait, or set this machine's clock, \
         which says {}", utc(*not_before), utc(*now)
    )]
    NotYetValid {
        /// The file.
        file: String,
        /// Unix seconds.
        not_before: i64,
        /// Unix seconds.
        now: i64,
    },
    /// The certificate has expired.
    #[error(
        "the certificate in {file} expired on {}, {}: issue a new one (`silkroll certs` makes one)",
        utc(*not_after),
        ago(*not_after, *now)
    )]
    Expired {
        /// The file.
        file: String,
        /// Unix seconds.
        not_after: i64,
        /// Unix seconds.
        now: i64,
    },
    /// Names that callers use are missing.
    #[error(
        "the certificate in {file} does not cover {}, which callers use; its alternative names are \
         {}: issue it for all of them (a Common Name does not count)",
        list(missing),
        list(has)
    )]
    Names {
        /// The file.
        file: String,
        /// Expected names that it does not cover.
        missing: Vec<String>,
        /// The names that it has.
        has: Vec<String>,
    },
    /// The certificate is for something else.
    #[error(
        "the certificate in {file} may not be used by a server: issue it with the extended key \
         usage \"server authentication\""
    )]
    NotForServers {
        /// The file.
        file: String,
    },
}

/// A certificate of a megabyte has tens of thousands.
const MOST_NAMES: usize = 10;

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    let mut shown: Vec<_> = names
        .iter()
        .take(MOST_NAMES)
        .map(|name| shown(name, 253).into_owned())
        .collect();
    if let more @ 1.. = names.len().saturating_sub(MOST_NAMES) {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}
