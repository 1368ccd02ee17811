//! Odd containers: no `/proc`, another user, the container's own log; and shellcheck.

use crate::last_instance::registry;
use crate::methods::{CALLING, settings};
use crate::run::{HOOK, Place, SHELLS, SPARE, finish, finish_within};
use crate::server::{Reply, Server};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// The hook under a wrapper that makes the place, e.g. unshare or setpriv.
fn under(shell: &str, method: &str, wrapper: &[&str], url: &str, log: &str) -> crate::run::Outcome {
    let place = Place::new(shell, &["curl"]);
    let mut command = command_under(&place, wrapper);
    command
        .envs(settings(method, url))
        .env("SILKROLL_LOG", log)
        .env("SILKROLL_DRAIN_SECONDS", "0");
    finish(command)
}

/// A stop under it, with all that the machine has in its PATH.
fn command_under(place: &Place, wrapper: &[&str]) -> Command {
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
        .env("PATH", format!("{}:/usr/bin:/bin", place.bin.display()));
    command
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
/// Nor `date`: the first folder of the PATH has the tools of the hook alone.
const NO_CLOCK: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs none /proc && PATH=${PATH%%:*} exec \"$@\"",
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
fn the_last_instance_waits_in_every_place_and_leaves_in_its_time() {
    const LAST: &str = "is the last usable instance, waiting at most";
    const LIMIT: Duration = Duration::from_secs(20);
    thread::scope(|scope| {
        for (shell, _) in SHELLS {
            for (wrapper, comes) in [
                (NO_PROC, true),
                (READ_ONLY, true),
                (NO_FILES, true),
                (NO_CLOCK, true),
                (NO_CLOCK, false),
            ] {
                scope.spawn(move || {
                    let (count, out) = (AtomicUsize::new(0), AtomicBool::new(false));
                    let server = Server::start(move |request| {
                        if request.method == "PUT" {
                            out.store(true, Ordering::SeqCst);
                            return Reply::Answer(200, String::new());
                        }
                        let other = comes && count.fetch_add(1, Ordering::SeqCst) > 1;
                        registry("nacos", request, (!out.load(Ordering::SeqCst), other))
                    });
                    let place = Place::new(shell, &["curl"]);
                    let url = server.url();
                    let limit = LIMIT.as_secs().to_string();
                    let mut command = command_under(&place, wrapper);
                    command
                        .envs(crate::deregister_nacos::settings(&url))
                        .env("SILKROLL_LOG", "-")
                        .env("SILKROLL_DEREGISTER_SECONDS", &limit)
                        .env("SILKROLL_DRAIN_SECONDS", "0");
                    let outcome = finish_within(LIMIT, command);
                    let case = format!("{shell} {comes} {wrapper:?}: {}", outcome.output);
                    assert_eq!(outcome.status, Some(0), "{case}");
                    assert!(outcome.output.contains(LAST), "{case}");
                    let found = outcome.output.contains("another instance is listed");
                    assert_eq!(found, comes, "{case}");
                    let left = outcome.output.contains("left as 10.1.2.3:9810");
                    assert!(left, "{case}");
                    assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
                });
            }
        }
    });
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
fn callers_get_their_drain_where_the_output_is_closed() {
    for (shell, _) in SHELLS {
        let place = Place::new(shell, &[]);
        let mut command = command_under(&place, &["sh", "-c", "exec \"$@\" >&-", "sh"]);
        command.env("SILKROLL_LOG", "-");
        command.env("SILKROLL_DRAIN_SECONDS", "2");
        let outcome = finish(command);
        assert_eq!(outcome.status, Some(0), "{shell}: {}", outcome.output);
        assert!(outcome.took >= Duration::from_secs(2), "{shell}");
    }
}

/// Variables and files that are meant for the application's own programs.
#[test]
fn what_the_application_tells_its_interpreters_reaches_no_client() {
    for (client, name, value) in [
        ("bash", "BASH_ENV", "eats.sh"),
        ("perl", "PERL5OPT", "-Mnosuch"),
        ("python3", "PYTHONPATH", "."),
        ("node", "NODE_OPTIONS", "--nosuch"),
    ] {
        for (shell, _) in SHELLS {
            let server = Server::start(|_| Reply::Answer(200, String::new()));
            let url = server.url();
            let place = Place::new(shell, &[client]);
            let work = place.work();
            std::fs::write(work.join("eats.sh"), "cat >/dev/null").unwrap();
            std::fs::write(work.join("socket.py"), "raise SystemExit").unwrap();
            let env = [
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", url.as_str()),
                ("SILKROLL_DRAIN_SECONDS", "0"),
                (name, value),
            ];
            let outcome = place.hook(&env, &["stop"]);
            let case = format!("{client} in {shell}: {}", outcome.output);
            assert!(outcome.output.contains("http: left"), "{case}");
        }
    }
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
