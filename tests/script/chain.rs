//! Leave, drain, then the user's own hook; and both launchers with the script there, missing and unreadable.

use crate::run::{HOOK, Outcome, Place, SHELLS, SPARE, each_client, finish};
use crate::server::{Reply, Server};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

/// What the own hook is given where it has a bound.
const OWN: Duration = Duration::from_secs(1);

const LAUNCHERS: [(&str, &str); 2] = [
    ("stop", silkroll::deregister::LAUNCH_STOP),
    ("start", silkroll::deregister::LAUNCH_START),
];

#[test]
fn steps_come_in_order_and_the_own_status_is_kept() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (shell, _) in SHELLS {
        for own_seconds in ["0", "9"] {
            let place = Place::new(shell, &["curl"]);
            let outcome = place.hook(
                &[
                    ("SILKROLL_METHOD", "http"),
                    ("SILKROLL_HTTP_URL", &server.url()),
                    ("SILKROLL_DRAIN_SECONDS", "01"),
                    ("SILKROLL_OWN_SECONDS", own_seconds),
                    ("method", "theirs"),
                    ("once", "theirs"),
                    ("between", "theirs"),
                    ("LC_ALL", "C.UTF-8"),
                ],
                &[
                    "stop",
                    "exec",
                    "sh",
                    "-c",
                    "echo own \"$0|$1|$method$once$between|$LC_ALL\"; exit 7",
                    "$(touch CANARY)",
                    "a  b",
                ],
            );
            assert_eq!(outcome.status, Some(7), "{shell}: {}", outcome.output);
            let lines: Vec<&str> = outcome.output.lines().collect();
            assert!(lines[0].contains("http: left: POST"), "{shell}: {lines:?}");
            assert!(lines[1].contains("drain: 1 s"), "{shell}: {lines:?}");
            assert_eq!(
                lines[2..],
                ["own $(touch CANARY)|a  b|theirstheirstheirs|C.UTF-8"],
                "{shell}"
            );
        }
    }
}

#[test]
fn a_chained_sleep_is_added_to_the_drain() {
    let outcome = Place::new("dash", &[]).hook(
        &[("SILKROLL_METHOD", "none"), ("SILKROLL_DRAIN_SECONDS", "1")],
        &["stop", "sleep", "1"],
    );
    assert_eq!(
        outcome.output,
        "silkroll: drain: 2 s for callers to forget this pod\n"
    );
}

#[test]
fn the_own_hook_is_bounded_where_a_bound_is_given() {
    for (shell, _) in SHELLS {
        let outcome = Place::new(shell, &[]).hook_within(
            OWN,
            &[("SILKROLL_METHOD", "none"), ("SILKROLL_OWN_SECONDS", "1")],
            &["stop", "exec", "sleep", "60"],
        );
        assert_eq!(outcome.status, Some(137), "{shell}");
        assert!(
            outcome.output.contains("own hook: not ended within 1 s"),
            "{shell}: {}",
            outcome.output
        );
        assert!(outcome.over < SPARE, "{shell}: {:?} over", outcome.over);
    }
}

#[test]
fn a_bounded_own_hook_holds_no_output_where_there_is_no_log() {
    for (shell, _) in SHELLS {
        let outcome = Place::new(shell, &[]).hook_within(
            OWN,
            &[
                ("SILKROLL_METHOD", "none"),
                ("SILKROLL_OWN_SECONDS", "1"),
                ("SILKROLL_LOG", "/nowhere/log"),
            ],
            &["stop", "exec", "sh", "-c", "sleep 8 & echo own; sleep 60"],
        );
        assert_eq!(outcome.status, Some(137), "{shell}");
        assert!(!outcome.output.contains("own\n"), "{}", outcome.output);
        assert!(outcome.over < SPARE, "{shell}: {:?} over", outcome.over);
    }
}

#[test]
fn an_own_http_hook_is_called_as_the_kubelet_does() {
    let server = Server::start(|_| Reply::Answer(503, String::new()));
    let port = server.address.port().to_string();
    for (shell, client) in each_client() {
        let outcome = Place::new(shell, &[client]).hook(
            &[("SILKROLL_METHOD", "none"), ("podip", "127.0.0.1")],
            &[
                "stop",
                "http",
                "HTTP",
                "",
                &port,
                "/stop?now=1",
                "X-Own: a b",
                "Host: app.local",
                "X-Key: a:X-Key b",
                "Bad\nX: y",
            ],
        );
        // Any status will do: the kubelet looks at none.
        assert_eq!(outcome.status, Some(0), "{client}: {}", outcome.output);
        let request = server.requests().pop().unwrap_or_default();
        assert_eq!(request.method, "GET", "{client}");
        assert_eq!(request.target, "/stop?now=1", "{client}");
        assert_eq!(request.header("x-own"), Some("a b"), "{client}");
        assert_eq!(request.header("x-key"), Some("a:X-Key b"), "{client}");
        // As the API says that it is set; two lines of it are refused by servers.
        assert_eq!(request.header("host"), Some("app.local"), "{client}");
    }
    let place = Place::new("dash", &["curl"]);
    let refused = place.hook(&[], &["own", "http", "HTTP", "127.0.0.1", "9", "/"]);
    assert_eq!(refused.status, Some(1), "{}", refused.output);
    let no_tool =
        Place::new("dash", &[]).hook(&[], &["own", "http", "HTTP", "127.0.0.1", "9", "/"]);
    assert_eq!(no_tool.status, Some(0), "{}", no_tool.output);
}

#[test]
fn a_post_start_is_not_bound_by_what_the_pre_stop_takes() {
    let late = Server::start(|_| {
        thread::sleep(Duration::from_secs(2));
        Reply::Answer(200, String::new())
    });
    let port = late.address.port().to_string();
    for (shell, client) in each_client() {
        let outcome = Place::new(shell, &[client]).hook(
            &[("SILKROLL_OWN_SECONDS", "1"), ("podip", "127.0.0.1")],
            &["own", "http", "HTTP", "", &port, "/"],
        );
        let case = format!("{shell} with {client}: {}", outcome.output);
        assert_eq!(outcome.status, Some(0), "{case}");
        assert!(outcome.output.contains("answered 200"), "{case}");
    }
}

/// The launcher as a container runs it, with the script at another place.
fn launch(
    launcher: &str,
    script: &str,
    place: &Place,
    unprivileged: bool,
    chain: &[&str],
) -> Outcome {
    let log = place.work().join("log");
    std::fs::write(&log, "the application's own\n").unwrap();
    std::fs::set_permissions(&log, PermissionsExt::from_mode(0o666)).unwrap();
    let text = launcher
        .replace("/silkroll/hook.sh", script)
        .replace("/proc/1/fd/1", log.to_str().unwrap());
    let mut command = place.command(
        place.bin.join("sh"),
        &[("SILKROLL_METHOD", "none"), ("SILKROLL_DRAIN_SECONDS", "1")],
    );
    if unprivileged {
        let mut other = std::process::Command::new("setpriv");
        other.args([
            "--reuid",
            "65532",
            "--regid",
            "65532",
            "--clear-groups",
            "/bin/sh",
        ]);
        other
            .env("SILKROLL_METHOD", "none")
            .env("SILKROLL_LOG", "-")
            .env("SILKROLL_DRAIN_SECONDS", "1");
        command = other;
    }
    command.args(["-c", &text, "silkroll"]).args(chain);
    finish(command)
}

#[test]
fn launchers_keep_the_own_status_with_the_script_there_missing_or_unreadable() {
    let root = std::fs::metadata("/proc/self")
        .is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    for (name, launcher) in LAUNCHERS {
        for (shell, _) in SHELLS {
            let place = Place::new(shell, &[]);
            let unreadable = place.dir.path().join("hook.sh");
            std::fs::copy(HOOK, &unreadable).unwrap();
            std::fs::set_permissions(&unreadable, PermissionsExt::from_mode(0o000)).unwrap();
            std::fs::set_permissions(place.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
            for (state, script, unprivileged) in [
                ("present", HOOK, false),
                ("missing", "/nowhere/hook.sh", false),
                ("unreadable", unreadable.to_str().unwrap(), root),
            ] {
                let case = format!("{name} in {shell}, script {state}");
                for (chain, status, says) in [
                    (&[][..], 0, ""),
                    (
                        &["exec", "sh", "-c", "echo own $1; exit 5", "x", "a b"][..],
                        5,
                        "own a b\n",
                    ),
                    (&["exec", "/nonexistent"][..], 127, ""),
                    (&["sleep", "1"][..], 0, ""),
                ] {
                    let outcome = launch(launcher, script, &place, unprivileged, chain);
                    assert_eq!(
                        outcome.status,
                        Some(status),
                        "{case} {chain:?}: {}",
                        outcome.output
                    );
                    assert!(
                        outcome.output.contains(says),
                        "{case} {chain:?}: {}",
                        outcome.output
                    );
                    let log = place.work().join("log");
                    let told = if name == "stop" && state != "present" {
                        format!(
                            "the application's own\nsilkroll: {script} is missing or cannot be read: only the drain is done\n"
                        )
                    } else {
                        "the application's own\n".to_owned()
                    };
                    assert_eq!(std::fs::read_to_string(log).unwrap(), told, "{case}");
                    if name == "stop" {
                        assert!(
                            outcome.took.as_millis() >= 1000,
                            "{case} {chain:?}: no drain"
                        );
                    }
                }
            }
        }
    }
}
