//! Certificates by an authority of a test's own, and clients that trust it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use silkroll::tls::config::provider;
use silkroll::tls::issue::{Authority, Issued};

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// A new authority, for a month.
pub(crate) fn authority() -> Authority {
    Authority::new(now(), 30).unwrap()
}

/// A certificate for this name, for a month.
pub(crate) fn issue(authority: &Authority, name: &str) -> Issued {
    authority.leaf(&[name.to_owned()], &[], now(), 30).unwrap()
}

/// Trusts the authority and speaks this protocol.
pub(crate) fn client_config(authority: &Authority, alpn: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(authority.issued.cert_pem.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}
