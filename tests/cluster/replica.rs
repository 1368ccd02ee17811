//! `silkroll serve` as a process with a certificate from files, as it runs outside of a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::process::Spec;

/// The program of this build, or the one that `SILKROLL_PROGRAM` names: to be measured, or tried.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("SILKROLL_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_silkroll").into(), PathBuf::from)
}

/// Makes an authority and a certificate in a folder.
pub(crate) fn make_certs(folder: &Path) {
    let made = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["certs", "--dir"])
        .arg(folder)
        .output();
    assert!(made.unwrap().status.success());
}

/// Serves with that certificate at free ports, and ends at once when it is told to.
pub(crate) fn spec(name: &str, certs: &Path) -> Spec {
    let file = |flag: &str, name: &str| format!("--{flag}={}", certs.join(name).display());
    Spec {
        name: name.to_owned(),
        program: program(),
        args: vec![
            "serve".to_owned(),
            "--listen=127.0.0.1:0".to_owned(),
            "--admin-listen=127.0.0.1:0".to_owned(),
            "--drain-seconds=0".to_owned(),
            file("tls-cert", "tls.crt"),
            file("tls-key", "tls.key"),
        ],
        env: Vec::new(),
    }
}
