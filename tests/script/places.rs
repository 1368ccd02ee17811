//! Odd containers: no `/proc`, another user, the container's own log; and shellcheck.

use crate::methods::{CALLING, settings};
use crate::run::{HOOK, Place, SHELLS, finish};
use crate::server::{Reply, Server};
use std::process::Command;

/// The hook under a wrapper that makes the place, e.g. unshare or setpriv.
fn under(shell: &str, method: &str, wrapper: &[&str], url: &str, log: &str) -> crate::run::Outcome {
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
        .envs(settings(method, url))
        .env("PATH", format!("{}:/usr/bin:/bin", place.bin.display()))
        .env("SILKROLL_LOG", log)
        .env("SILKROLL_DRAIN_SECONDS", "0");
    finish(command)
}

const NO_PROC: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs none /proc && exec \"$@\"",
    "sh",
];
const OTHER_USER: &[&str] = &["unshare", "--user", "--map-user=65532"];
/// A root file system that nobody can write to, /tmp, where the test itself lives, included.
const READ_ONLY: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    "mount --rbind / /mnt && mount -o remount,bind,ro /mnt && { mount -o remount,bind,ro /mnt/tmp 2>/dev/null; cd /mnt; } && ! (: >/mnt/tmp/x) 2>/dev/null && \
     exec /usr/sbin/chroot /mnt \"$@\"",
    "sh",
];
/// The first byte written to a file ends the writer.
const NO_FILES: &[&str] = &["sh", "-c", "ulimit -f 0 && exec \"$@\"", "sh"];

#[test]
fn it_works_without_proc_as_another_user_and_without_a_place_to_write() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (shell, _) in SHELLS {
        for wrapper in [NO_PROC, OTHER_USER, READ_ONLY, NO_FILES] {
            for method in CALLING {
                let before = server.requests().len();
                let outcome = under(shell, method, wrapper, &server.url(), "/proc/1/fd/1");
                let case = format!("{method} in {shell} {wrapper:?}: {}", outcome.output);
                assert_eq!(outcome.status, Some(0), "{case}");
                assert!(server.requests().len() > before, "{case}");
                assert!(
                    outcome.output.contains(&format!("silkroll: {method}: ")),
                    "{case}"
                );
                assert_eq!(
                    outcome.output.contains("not done"),
                    method == "nacos",
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn steps_are_logged_where_the_first_process_logs() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    let outcome = under(
        "dash",
        "http",
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
