//! `silkroll serve` as the install file has it, as a process where the pod would be.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use testkit::process::{Process, Spec};

use super::ControlPlane;
use super::replica::program;

/// The namespace of the install file.
pub(crate) const SYSTEM: &str = "silkroll-system";

/// The name that API servers call the install file's Service by.
pub(crate) const NAME: &str = "silkroll.silkroll-system.svc";

/// Trusts whom this bundle names, as API servers do.
pub(crate) fn trusting(bundle: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Calls [`NAME`] at an address of the loopback, by that trust.
pub(crate) fn caller(bundle: &[u8], at: SocketAddr) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(trusting(bundle))
        .no_proxy()
        .resolve(NAME, at)
}

/// A file of the Secret with the certificate.
pub(crate) fn secret(plane: &ControlPlane, key: &str) -> Vec<u8> {
    let secret = plane.get(&["secret", "-n", SYSTEM, "silkroll-tls"]);
    let value = secret.unwrap()["data"][key].clone();
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Puts the Secret's files where the pod would have them.
pub(crate) fn mount_secret(plane: &ControlPlane) {
    let mounted = plane.dir().join("tls");
    fs::create_dir(&mounted).unwrap();
    for name in ["tls.crt", "tls.key"] {
        fs::write(mounted.join(name), secret(plane, name)).unwrap();
    }
}

/// Starts it, or what `SILKROLL_PROGRAM` names, with the arguments of the Deployment and more, at these ports (0: any) for webhook and probes.
pub(crate) fn serve(
    plane: &ControlPlane,
    account: &Path,
    [port, admin]: [u16; 2],
    flags: &[&str],
) -> Process {
    let deployment = plane.get(&["deployment", "-n", SYSTEM, "silkroll"]);
    let args = &deployment.unwrap()["spec"]["template"]["spec"]["containers"][0]["args"];
    let tls = format!("={}", plane.dir().join("tls").display());
    let args = args.as_array().unwrap().iter();
    let mut args: Vec<String> = args
        .map(|arg| arg.as_str().unwrap().replace("=/tls", &tls))
        .collect();
    args.extend([
        format!("--listen=127.0.0.1:{port}"),
        format!("--admin-listen=127.0.0.1:{admin}"),
        "--drain-seconds=0".to_owned(),
    ]);
    args.extend(flags.iter().map(|&flag| flag.to_owned()));
    let spec = Spec {
        name: "silkroll".to_owned(),
        program: program(),
        args,
        env: vec![("KUBECONFIG".to_owned(), account.display().to_string())],
    };
    plane.run(&spec).unwrap()
}
