//! How the HTTPS port speaks TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::version::{TLS12, TLS13};

/// The cryptography of this program. Always named, never a process-wide default, so that no
/// dependency can change it.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS 1.2 and 1.3 with the certificate that `resolver` has at the moment of each handshake.
///
/// # Errors
/// The provider has no cipher suite for one of the versions: a fault of the build.
pub fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    // HTTP/2 shares a connection between callers, which no webhook's client asks for behind a Service,
    // and lets one of them make the server hold many heads at once.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // No resumption: API servers do not ask for it, it costs memory, and a resumed session would
    // outlive the certificate that it was made with.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
