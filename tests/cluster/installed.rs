//! `silkroll serve` as the install file has it, as a process where the pod would be.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testkit::process::{Process, Spec};

use super::ControlPlane;

/// The namespace of the install file.
pub(crate) const SYSTEM: &str = "silkroll-system";

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
        program: std::env::var_os("SILKROLL_PROGRAM")
            .map_or_else(|| env!("CARGO_BIN_EXE_silkroll").into(), Into::into),
        args,
        env: vec![("KUBECONFIG".to_owned(), account.display().to_string())],
    };
    plane.run(&spec).unwrap()
}
