//! `nginx` and `signal`, in process namespaces of their own with processes that the test starts.

use crate::run::{Outcome, Place, SHELLS, SPARE, finish_within};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const STUB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/script/stub.pl");

/// Starts the stub under a name, and waits until it can be asked.
const START: &str = r#"
"$APP/$NAME" & while [ ! -e "$RECORD.ready" ]; do sleep 0.1; done
"$@"; echo "status $?""#;

struct Case<'a> {
    shell: &'a str,
    /// The stub's name, and whether nginx can be called.
    name: &'a str,
    callable: bool,
    env: &'a [(&'a str, &'a str)],
    script: &'a str,
    budget: Duration,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            shell: "dash",
            name: "nginx",
            callable: true,
            env: &[],
            script: START,
            budget: Duration::MAX,
        }
    }
}

/// What came out, and which signals arrived.
fn run(case: &Case<'_>) -> (Outcome, String) {
    let place = Place::new(case.shell, &[]);
    place.add("/usr/bin/tr", "tr");
    place.add("/usr/bin/perl", "perl");
    place.add("/bin/mount", "mount");
    let app = place.dir.path().join("app");
    std::fs::create_dir(&app).unwrap();
    let stub = app.join(case.name);
    std::fs::copy(STUB, &stub).unwrap();
    std::fs::set_permissions(&stub, PermissionsExt::from_mode(0o755)).unwrap();
    if case.callable {
        place.add(stub.to_str().unwrap(), "nginx");
    }
    let record = place.dir.path().join("record");
    let mut command = place.command(
        "/usr/bin/unshare",
        &[
            ("SILKROLL_DRAIN_SECONDS", "1"),
            // Time enough for a busy machine: what ends is waited for no longer.
            ("SILKROLL_WAIT_SECONDS", "60"),
            ("SILKROLL_METHOD", "nginx"),
            ("NAME", case.name),
        ],
    );
    command
        .envs(case.env.iter().copied())
        .env("APP", &app)
        .env("RECORD", &record)
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
        ])
        .args(["sh", "-c", case.script, "sh"])
        .args(place.hook_line())
        .args(["stop", "exec", "sh", "-c", "echo then the own hook"]);
    let outcome = finish_within(case.budget, command);
    let files = std::fs::read_dir(place.work()).unwrap().count();
    assert_eq!(files, 0, "a canary: {}", outcome.output);
    (outcome, std::fs::read_to_string(record).unwrap_or_default())
}

/// These lines, in this order.
fn in_order(output: &str, lines: &[&str]) -> bool {
    let mut rest = output;
    lines.iter().all(|line| {
        let found = rest.find(line);
        rest = found.map_or("", |at| &rest[at..]);
        found.is_some()
    })
}

const SIGNAL: &[(&str, &str)] = &[
    ("SILKROLL_METHOD", "signal"),
    ("SILKROLL_SIGNAL_NAME", "TERM"),
    ("SILKROLL_SIGNAL_PROCESS", "gunicorn"),
    ("WORKERS", "2"),
];

#[test]
fn nginx_is_asked_to_quit_after_the_drain_and_waited_for() {
    for (shell, _) in SHELLS {
        for (callable, pid_file, says) in [
            (true, "", "silkroll: nginx: quit, and has ended"),
            (true, "1", "silkroll: nginx: QUIT to process"),
            (false, "", "silkroll: nginx: QUIT to process"),
        ] {
            let env = [("WORKERS", "2"), ("NO_PID_FILE", pid_file)];
            let (outcome, record) = run(&Case {
                shell,
                callable,
                env: &env,
                ..Case::default()
            });
            let case = format!("{shell} {callable} {pid_file}: {}", outcome.output);
            assert_eq!(record, "master QUIT\nmaster ended\n", "{case}");
            assert!(
                in_order(
                    &outcome.output,
                    &["drain: 1 s", says, "then the own hook", "status 0"]
                ),
                "{case}"
            );
        }
    }
}

#[test]
fn a_signal_goes_to_the_topmost_processes_of_the_name() {
    let interpreted = r#"
perl "$APP/$NAME" & while [ ! -e "$RECORD.ready" ]; do sleep 0.1; done
"$@"; echo "status $?""#;
    for (shell, _) in SHELLS {
        for (name, title, script) in [
            ("gunicorn", "", START),
            ("gunicorn", "", interpreted),
            (
                "other",
                "gunicorn: master process (/etc/app/py.conf)",
                START,
            ),
            ("other", "/usr/local/bin/gunicorn", START),
        ] {
            let mut env = SIGNAL.to_vec();
            env.push(("TITLE", title));
            let (outcome, record) = run(&Case {
                shell,
                name,
                env: &env,
                script,
                ..Case::default()
            });
            let case = format!("{shell} {name} {title} {script}: {}", outcome.output);
            assert_eq!(record, "master TERM\nmaster ended\n", "{case}");
            assert!(
                in_order(
                    &outcome.output,
                    &[
                        "drain: 1 s",
                        "signal: TERM to process",
                        "which has ended",
                        "then the own hook",
                        "status 0"
                    ]
                ),
                "{case}"
            );
        }
    }
}

#[test]
fn what_does_not_end_is_waited_for_in_its_bound() {
    for (shell, _) in SHELLS {
        for method in ["nginx", "signal"] {
            let mut env = SIGNAL.to_vec();
            env.extend([
                ("SILKROLL_METHOD", method),
                ("SILKROLL_SIGNAL_PROCESS", "nginx"),
                ("SILKROLL_SIGNAL_NAME", "QUIT"),
                ("SILKROLL_WAIT_SECONDS", "2"),
                ("STUBBORN", "1"),
            ]);
            let (outcome, record) = run(&Case {
                shell,
                env: &env,
                // The drain, and what is waited.
                budget: Duration::from_secs(1 + 2),
                ..Case::default()
            });
            let case = format!("{shell} {method}: {}", outcome.output);
            // Once: a second signal may mean something else.
            assert_eq!(record, "master QUIT\n", "{case}");
            assert!(
                in_order(
                    &outcome.output,
                    &[
                        "not done within 2 s, going on",
                        "then the own hook",
                        "status 0"
                    ]
                ),
                "{case}"
            );
            assert!(outcome.over < SPARE, "{case} {:?} over", outcome.over);
        }
    }
}

#[test]
fn a_zombie_has_ended() {
    let unreaped = r#"
perl -e 'if (fork == 0) { exec "$ENV{APP}/$ENV{NAME}" } $0 = "init"; sleep 1 while 1' &
while [ ! -e "$RECORD.ready" ]; do sleep 0.1; done
"$@"; echo "status $?""#;
    for (shell, _) in SHELLS {
        let (outcome, record) = run(&Case {
            shell,
            name: "gunicorn",
            env: SIGNAL,
            script: unreaped,
            ..Case::default()
        });
        assert_eq!(
            record, "master TERM\nmaster ended\n",
            "{shell}: {}",
            outcome.output
        );
        assert!(
            outcome.output.contains("which has ended"),
            "{shell}: {}",
            outcome.output
        );
    }
}

#[test]
fn the_hook_spares_itself_and_what_is_above_and_below_it() {
    for (shell, _) in SHELLS {
        for name in ["sh", "sleep", "tr", "hook.sh"] {
            let mut env = SIGNAL.to_vec();
            env.extend([
                ("SILKROLL_SIGNAL_PROCESS", name),
                ("SILKROLL_SIGNAL_NAME", "KILL"),
            ]);
            let (outcome, record) = run(&Case {
                shell,
                name: "gunicorn",
                env: &env,
                ..Case::default()
            });
            let case = format!("{name} in {shell}: {}", outcome.output);
            assert_eq!(record, "", "{case}");
            assert!(
                in_order(
                    &outcome.output,
                    &["no process here is called", "then the own hook", "status 0"]
                ),
                "{case}"
            );
        }
    }
}

#[test]
fn what_is_not_there_or_refused_is_said() {
    let no_proc = r#"mount -t tmpfs none /proc; "$@"; echo "status $?""#;
    let alone = r#""$@"; echo "status $?""#;
    for (shell, _) in SHELLS {
        for (method, signal, process, script, says) in [
            ("nginx", "", "", alone, "no nginx runs here"),
            (
                "nginx",
                "",
                "",
                no_proc,
                "there is no /proc to find the process in",
            ),
            (
                "signal",
                "TERM",
                "gunicorn",
                no_proc,
                "there is no /proc to find the process in",
            ),
            (
                "signal",
                "TERM",
                "",
                alone,
                "SILKROLL_SIGNAL_PROCESS is not set",
            ),
            (
                "signal",
                "TERM",
                "$(touch CANARY)`touch CANARY`'\"\\ *-x&=%#é",
                alone,
                "no process here is called",
            ),
            ("signal", "TERM", "*", alone, "no process here is called"),
            (
                "signal",
                "TERM",
                "-n\nline",
                alone,
                "no process here is called",
            ),
            (
                "signal",
                "NOSUCH",
                "nginx",
                START,
                "the signal NOSUCH to process",
            ),
        ] {
            let env = [
                ("SILKROLL_METHOD", method),
                ("SILKROLL_SIGNAL_NAME", signal),
                ("SILKROLL_SIGNAL_PROCESS", process),
            ];
            let (outcome, record) = run(&Case {
                shell,
                callable: script == START,
                env: &env,
                script,
                ..Case::default()
            });
            let case = format!("{method} {signal} {process} in {shell}: {}", outcome.output);
            assert_eq!(record, "", "{case}");
            assert!(
                in_order(&outcome.output, &[says, "then the own hook", "status 0"]),
                "{case}"
            );
        }
    }
}

#[test]
fn without_proc_nginx_is_asked_and_its_whole_time_waited() {
    let no_proc = r#"
"$APP/$NAME" & while [ ! -e "$RECORD.ready" ]; do sleep 0.1; done
mount -t tmpfs none /proc; "$@"; echo "status $?""#;
    for (shell, _) in SHELLS {
        let env = [("SILKROLL_WAIT_SECONDS", "3")];
        let (outcome, record) = run(&Case {
            shell,
            env: &env,
            script: no_proc,
            ..Case::default()
        });
        assert_eq!(
            record, "master QUIT\nmaster ended\n",
            "{shell}: {}",
            outcome.output
        );
        assert!(
            outcome.output.contains("there is no /proc"),
            "{shell}: {}",
            outcome.output
        );
        assert!(outcome.took.as_secs() >= 4, "{shell}: {:?}", outcome.took);
    }
}
