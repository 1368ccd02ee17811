//! Odd containers: no `/proc`, another user, the container's own log; and shellcheck.

use crate::run::{HOOK, Place, SHELLS, finish};
use crate::server::{Reply, Server};
use std::process::Command;

/// The hook under a wrapper that makes the place, e.g. unshare or setpriv.
fn under(shell: &str, wrapper: &[&str], url: &str, log: &str) -> crate::run::Outcome {
    let place = Place::new(shell, &["curl"]);
    std::fs::set_permissions(
        place.dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .args(place.hook_line())
        .arg("stop")
        .env("PATH", format!("{}:/usr/bin:/bin", place.bin.display()))
        .env("SILKROLL_METHOD", "http")
        .env("SILKROLL_HTTP_URL", url)
        .env("SILKROLL_LOG", log)
        .env("SILKROLL_DRAIN_SECONDS", "0");
    finish(command)
}

fn every_shell<'a>(wrappers: &[&'a [&'a str]]) -> Vec<(&'static str, &'a [&'a str])> {
    SHELLS
        .iter()
        .flat_map(|(shell, _)| wrappers.iter().map(|wrapper| (*shell, *wrapper)))
        .collect()
}

#[test]
fn it_works_without_proc_and_as_another_user() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (shell, wrapper) in every_shell(&[
        &[
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs none /proc && exec \"$@\"",
            "sh",
        ][..],
        &["unshare", "--user", "--map-user=65532"][..],
    ]) {
        let outcome = under(shell, wrapper, &server.url(), "/proc/1/fd/1");
        assert_eq!(
            outcome.status,
            Some(0),
            "{shell} {wrapper:?}: {}",
            outcome.output
        );
        assert!(
            outcome.output.contains("answered 200"),
            "{shell} {wrapper:?}: {}",
            outcome.output
        );
    }
}

#[test]
fn steps_are_logged_where_the_first_process_logs() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    let outcome = under(
        "dash",
        &[
            "unshare",
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--mount-proc",
            "sh",
            "-c",
            "(\"$@\" >/dev/null); exit 4",
            "sh",
        ],
        &server.url(),
        "",
    );
    assert_eq!(outcome.status, Some(4), "{}", outcome.output);
    assert!(
        outcome.output.contains("answered 200"),
        "{}",
        outcome.output
    );
}

#[test]
fn shellcheck_finds_nothing() {
    let outcome = Command::new("shellcheck")
        .args(["--shell=sh", HOOK])
        .output()
        .expect("shellcheck is missing: apt-get install -y shellcheck");
    assert!(
        outcome.status.success(),
        "{}",
        String::from_utf8_lossy(&outcome.stdout)
    );
}
