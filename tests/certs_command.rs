//! `silkroll certs`: what it writes, prints and refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use silkroll::cli::certs::{Args, run};
use silkroll::tls::Files;
use silkroll::tls::check::check;
use silkroll::tls::config::provider;
use silkroll::tls::issue::Authority;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// What went to standard output and to standard error.
fn certs(args: &[&str]) -> anyhow::Result<(String, String)> {
    let cli = Cli::try_parse_from([&["certs"], args].concat())?;
    let (mut out, mut report) = (Vec::new(), Vec::new());
    run(&cli.args, &mut out, &mut report)?;
    Ok((String::from_utf8(out)?, String::from_utf8(report)?))
}

fn now() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

fn usable(cert: &[u8], key: &[u8], names: &[&str]) -> i64 {
    let files = Files {
        cert: "tls.crt".into(),
        key: "tls.key".into(),
    };
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    check(&files, cert, key, &names, now()).unwrap().not_after()
}

fn read(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name)).unwrap()
}

#[test]
fn files_are_written_with_private_keys_private() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("deep/certs");
    let (out, report) = certs(&["--dir", dir.to_str().unwrap()]).unwrap();
    assert_eq!(out, "");
    for (name, mode) in [
        ("ca.crt", 0o644),
        ("ca.key", 0o600),
        ("tls.crt", 0o644),
        ("tls.key", 0o600),
    ] {
        let mode_there = fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode_there & !mode, 0, "{name} is {mode_there:o}");
        assert!(report.contains(name), "{report}");
    }
    assert_eq!(
        fs::read_dir(&dir).unwrap().count(),
        4,
        "nothing else is left"
    );
    let names = [
        "silkroll.silkroll-system.svc",
        "silkroll.silkroll-system.svc.cluster.local",
        "silkroll.silkroll-system",
        "localhost",
        "127.0.0.1",
        "::1",
    ];
    let days = (usable(&read(&dir, "tls.crt"), &read(&dir, "tls.key"), &names) - now()) / 86_400;
    assert!((364..=365).contains(&days), "{days} days");
    assert!(report.contains("--tls-cert"), "{report}");
    assert!(report.contains("good until 20"), "{report}");
}

#[test]
fn names_and_days_can_be_chosen() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    certs(&[
        "--dir",
        dir,
        "--service",
        "hook",
        "--namespace",
        "infra",
        "--dns",
        "hook.example.org",
        "--ip",
        "192.0.2.7",
        "--days",
        "7",
    ])
    .unwrap();
    let names = ["hook.infra.svc", "hook.example.org", "192.0.2.7"];
    let cert = read(temp.path(), "tls.crt");
    let end = usable(&cert, &read(temp.path(), "tls.key"), &names);
    assert!((6..=7).contains(&((end - now()) / 86_400)));
}

#[test]
fn files_that_are_there_are_kept_unless_forced() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    fs::write(temp.path().join("tls.key"), "mine").unwrap();
    let error = certs(&["--dir", dir]).unwrap_err().to_string();
    assert!(error.contains("tls.key is there already"), "{error}");
    assert!(error.contains("--force"), "{error}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    assert_eq!(read(temp.path(), "tls.key"), b"mine");
    certs(&["--dir", dir, "--force"]).unwrap();
    usable(
        &read(temp.path(), "tls.crt"),
        &read(temp.path(), "tls.key"),
        &[],
    );
}

#[test]
fn an_authority_can_be_reused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    certs(&["--dir", dir]).unwrap();
    let (ca, old) = (read(temp.path(), "ca.crt"), read(temp.path(), "tls.crt"));
    certs(&["--dir", dir, "--reuse-ca"]).unwrap();
    assert_eq!(read(temp.path(), "ca.crt"), ca);
    let new = read(temp.path(), "tls.crt");
    assert_ne!(new, old);
    usable(&new, &read(temp.path(), "tls.key"), &["localhost"]);

    let empty = tempfile::tempdir().unwrap();
    let error = certs(&["--dir", empty.path().to_str().unwrap(), "--reuse-ca"]).unwrap_err();
    assert!(
        error.to_string().contains("ca.crt cannot be read"),
        "{error}"
    );
}

/// Whether a caller that trusts the folder's authority takes its certificate, and the keys are theirs.
fn belong_together(dir: &Path) {
    let files = Files {
        cert: "ca.crt".into(),
        key: "ca.key".into(),
    };
    let text = |name: &str| String::from_utf8(read(dir, name)).unwrap();
    Authority::from_pem(&files, &text("ca.crt"), &text("ca.key"), now()).unwrap();
    usable(&read(dir, "tls.crt"), &read(dir, "tls.key"), &["localhost"]);
    let mut roots = RootCertStore::empty();
    let der = |name: &str| CertificateDer::from_pem_slice(&read(dir, name)).unwrap();
    roots.add(der("ca.crt")).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .unwrap();
    let name = "localhost".try_into().unwrap();
    verifier
        .verify_server_cert(&der("tls.crt"), &[], &name, &[], UnixTime::now())
        .unwrap();
}

#[test]
fn runs_at_once_leave_the_files_of_one_of_them() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("certs");
    let start = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args(["certs", "--dir", dir.to_str().unwrap()])
            .args(more)
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let wait = |children: Vec<Child>| -> usize {
        let done = children.into_iter().map(|mut child| child.wait().unwrap());
        done.filter(ExitStatus::success).count()
    };
    let first = wait((0..3).map(|_| start(&[])).collect());
    assert_eq!(first, 1, "the others find files that are there");
    belong_together(&dir);
    for _ in 0..5 {
        let mut children: Vec<_> = (0..4).map(|_| start(&["--force"])).collect();
        children.extend((0..2).map(|_| start(&["--reuse-ca"])));
        assert_eq!(wait(children), 6);
        belong_together(&dir);
    }
    assert_eq!(
        fs::read_dir(&dir).unwrap().count(),
        4,
        "nothing else is left"
    );
}

#[test]
fn what_a_killed_run_left_stands_in_nobodys_way() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    fs::write(temp.path().join("tls.key.tmp"), "half").unwrap();
    certs(&["--dir", dir]).unwrap();
    belong_together(temp.path());
    let mode = fs::metadata(temp.path().join("tls.key"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o077, 0);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 4);
}

#[test]
fn files_that_cannot_all_be_written_are_left_as_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    certs(&["--dir", dir]).unwrap();
    fs::remove_file(temp.path().join("ca.key")).unwrap();
    fs::create_dir(temp.path().join("ca.key")).unwrap();
    let before = read(temp.path(), "tls.crt");
    let error = certs(&["--dir", dir, "--force"]).unwrap_err();
    assert!(
        format!("{error:#}").contains("ca.key cannot be written"),
        "{error:#}"
    );
    assert_eq!(read(temp.path(), "tls.crt"), before);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 4);
}

#[test]
fn an_authority_that_has_expired_is_trusted_in_no_output() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    certs(&["--dir", dir]).unwrap();
    let old = Authority::new(now() - 20 * 86_400, 10).unwrap();
    let expired = temp.path().join("old.crt");
    fs::write(&expired, &old.issued.cert_pem).unwrap();
    let trust = expired.to_str().unwrap();
    let refused = |args: &[&str]| {
        let error = certs(&[&["--dir", dir], args].concat()).unwrap_err();
        assert!(
            error.to_string().contains(", 10 days ago"),
            "{args:?}: {error}"
        );
    };
    refused(&["--output", "patch", "--trust", trust]);
    fs::write(temp.path().join("ca.crt"), &old.issued.cert_pem).unwrap();
    fs::write(temp.path().join("ca.key"), &old.issued.key_pem).unwrap();
    refused(&["--output", "patch"]);
    refused(&["--output", "manifests"]);
    refused(&["--reuse-ca"]);
}

/// The value after `key:` in a manifest, decoded.
fn value(yaml: &str, key: &str) -> Vec<u8> {
    let line = yaml
        .lines()
        .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("{key} is not in {yaml}"));
    STANDARD.decode(line).unwrap()
}

fn count(pem: &[u8]) -> usize {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .unwrap()
        .len()
}

#[test]
fn what_is_in_the_folder_is_printed_for_a_cluster() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    certs(&["--dir", dir]).unwrap();
    let (patch, _) = certs(&["--dir", dir, "--output", "patch"]).unwrap();
    assert!(patch.starts_with("webhooks:\n- name: inject.silkroll.dev\n"));
    assert_eq!(value(&patch, "caBundle"), read(temp.path(), "ca.crt"));
    let (both, _) = certs(&["--dir", dir, "--output", "patch", "--pods"]).unwrap();
    let second = both.strip_prefix(&patch).unwrap();
    assert!(
        second.starts_with("- name: pods.silkroll.dev\n"),
        "{second}"
    );
    assert_eq!(value(second, "caBundle"), read(temp.path(), "ca.crt"));

    let (secret, report) = certs(&["--dir", dir, "--output", "secret"]).unwrap();
    for part in [
        "kind: Secret\n",
        "  name: \"silkroll-tls\"\n",
        "  namespace: \"silkroll-system\"\n",
        "type: kubernetes.io/tls\n",
    ] {
        assert!(secret.contains(part), "{secret}");
    }
    assert_eq!(value(&secret, "tls.crt"), read(temp.path(), "tls.crt"));
    assert_eq!(value(&secret, "tls.key"), read(temp.path(), "tls.key"));
    assert!(report.contains("good until 20"), "{report}");
    assert!(!report.contains("PRIVATE KEY"));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 4);

    let named = |name: &str| {
        let args = ["--dir", dir, "--output", "secret", "--secret-name", name];
        certs(&args)
    };
    // A name of digits stays a text.
    for name in ["edge.tls", "17"] {
        let secret = named(name).unwrap().0;
        let line = format!("  name: \"{name}\"\n");
        assert!(secret.contains(&line), "{secret}");
    }
    assert!(named("Edge_TLS").is_err());
}

#[test]
fn secret_and_patch_come_in_one_stream_too() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    certs(&["--dir", dir]).unwrap();
    let print = |output| certs(&["--dir", dir, "--output", output]).unwrap().0;
    let stream = print("manifests");

    let (first, second) = stream.split_once("\n---\n").unwrap();
    let content = |document: &str| {
        let lines = document.lines().filter(|line| !line.starts_with('#'));
        lines.fold(String::new(), |text, line| text + line + "\n")
    };
    assert_eq!(content(first), print("secret"));
    assert_eq!(content(second), print("patch"));
    assert!(first.contains("| kubectl apply --server-side -f -"));
    let patch = "| kubectl patch mutatingwebhookconfiguration silkroll --field-manager=silkroll ";
    assert!(second.contains(patch));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 4);

    // The Secret could be printed, but not the patch: then nothing is.
    fs::remove_file(temp.path().join("ca.crt")).unwrap();
    let cli = Cli::try_parse_from(["certs", "--dir", dir, "--output", "manifests"]).unwrap();
    let mut out = Vec::new();
    run(&cli.args, &mut out, &mut std::io::sink()).unwrap_err();
    assert_eq!(String::from_utf8(out).unwrap(), "");
}

#[test]
fn a_pair_that_the_cluster_could_not_use_is_not_printed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let print = |args: &[&str]| {
        let error = certs(&[&["--dir", dir, "--output"], args].concat()).unwrap_err();
        error.to_string()
    };
    for output in ["patch", "secret", "manifests"] {
        let error = print(&[output]);
        assert!(
            error.contains("cannot be read: `silkroll certs`"),
            "{error}"
        );
    }
    certs(&["--dir", dir]).unwrap();
    let error = print(&["secret", "--namespace", "elsewhere"]);
    assert!(
        error.contains("does not cover silkroll.elsewhere.svc"),
        "{error}"
    );
    fs::copy(temp.path().join("ca.key"), temp.path().join("tls.key")).unwrap();
    let error = print(&["secret"]);
    assert!(error.contains("does not belong"), "{error}");
}

#[test]
fn an_old_authority_can_stay_trusted_and_keys_never_get_into_the_bundle() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    certs(&["--dir", dir]).unwrap();
    let old = temp.path().join("old.crt");
    fs::rename(temp.path().join("ca.crt"), &old).unwrap();
    certs(&["--dir", dir, "--force"]).unwrap();
    let trust = |path: &Path| {
        let path = path.to_str().unwrap();
        certs(&["--dir", dir, "--output", "patch", "--trust", path])
    };
    let (patch, _) = trust(&old).unwrap();
    assert_eq!(count(&value(&patch, "caBundle")), 2);

    let both = temp.path().join("both.pem");
    fs::write(
        &both,
        [read(temp.path(), "ca.crt"), read(temp.path(), "ca.key")].concat(),
    )
    .unwrap();
    for path in [both, temp.path().join("ca.key")] {
        let error = trust(&path).unwrap_err().to_string();
        assert!(error.contains("certificates and nothing else"), "{error}");
    }
}

#[test]
fn arguments_of_no_use_are_refused_before_anything_is_made() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    for (args, part) in [
        (["--service", "Big"], "lower-case"),
        (["--namespace", "a\nb"], "lower-case"),
        (["--namespace", ""], "lower-case"),
        (["--days", "0"], "0 is not in"),
        (["--days", "9999"], "9999 is not in"),
        (["--ip", "localhost"], "invalid IP address"),
        (["--dns", "größe"], "no DNS name"),
        (["--dns", "a b"], r#""a b" is no DNS name"#),
        (["--dns", ""], r#""" is no DNS name"#),
        (["--dns", "a.b."], "no DNS name"),
        (["--dns", "127.0.0.1"], "is an address"),
        (["--trust", "ca.crt"], "--output patch"),
    ] {
        let error = certs(&[&["--dir", dir], &args[..]].concat()).unwrap_err();
        assert!(format!("{error:#}").contains(part), "{args:?}: {error:#}");
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}
