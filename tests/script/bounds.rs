//! Leaving ends in its bound and the hook goes on, whatever the server does.

use crate::methods::{CALLING, settings};
use crate::run::{NO_PUT, Place, SHELLS, SPARE, each_client, finish};
use crate::server::{Reply, Server};
use std::thread;
use std::time::Duration;
use testkit::wait::{PATIENCE, eventually, within};

const LEAVE: Duration = Duration::from_secs(2);

fn faults() -> Vec<(&'static str, Reply)> {
    vec![
        ("hangs", Reply::Hang),
        ("drips", Reply::Drip),
        ("closes", Reply::Close),
        ("answers 500", Reply::Answer(500, "no".to_owned())),
        ("answers 404", Reply::Answer(404, "no".to_owned())),
        ("redirects", Reply::Redirect("/elsewhere".to_owned())),
        ("talks garbage", Reply::Garbage),
    ]
}

fn ends_in_time(shell: &str, client: &str, method: &str, fault: &str, url: &str) {
    if client == NO_PUT && !["http", "spring", "dubbo"].contains(&method) {
        return; // says so, which a test of its own proves
    }
    let case = format!("{method} in {shell} with {client}, server {fault}");
    let leave = LEAVE.as_secs().to_string();
    let mut env = settings(method, url);
    env.push(("SILKROLL_DEREGISTER_SECONDS", &leave));
    let chain = ["stop", "exec", "sh", "-c", "echo then the own hook"];
    let outcome = Place::new(shell, &[client]).hook_within(LEAVE, &env, &chain);
    assert_eq!(outcome.status, Some(0), "{case}: {}", outcome.output);
    assert!(
        outcome.over < SPARE,
        "{case}: {:?} over its budget",
        outcome.over
    );
    assert!(
        outcome.output.contains(": not done"),
        "{case}: {}",
        outcome.output
    );
    assert!(
        outcome.output.ends_with("then the own hook\n"),
        "{case}: {}",
        outcome.output
    );
    assert!(
        !outcome.output.contains("topsecret"),
        "{case}: {}",
        outcome.output
    );
}

#[test]
fn every_client_is_bounded_whatever_the_server_does() {
    thread::scope(|scope| {
        for (shell, client) in each_client() {
            scope.spawn(move || {
                for (fault, reply) in faults() {
                    let server = Server::start(move |_| reply.clone());
                    for method in ["http", "nacos"] {
                        ends_in_time(shell, client, method, fault, &server.url());
                    }
                    assert!(
                        server
                            .requests()
                            .iter()
                            .all(|request| request.path() != "/elsewhere")
                            || client == NO_PUT,
                        "{client} followed a redirect"
                    );
                }
                for (fault, url) in [
                    ("refuses", "http://127.0.0.1:9"),
                    ("has no address", "http://registry.invalid:8848"),
                    // TEST-NET-1: packets go nowhere, so that connecting hangs.
                    ("is out of reach", "http://192.0.2.1:8848"),
                    ("has no usable URL", "ftp://127.0.0.1/"),
                ] {
                    for method in ["http", "nacos"] {
                        ends_in_time(shell, client, method, fault, url);
                    }
                }
            });
        }
    });
}

#[test]
fn every_shell_and_method_is_bounded() {
    thread::scope(|scope| {
        for (shell, _) in SHELLS {
            for method in CALLING {
                scope.spawn(move || {
                    for (fault, reply) in faults() {
                        let server = Server::start(move |_| reply.clone());
                        if (method, fault) == ("eureka", "answers 404") {
                            continue; // then it is not registered
                        }
                        ends_in_time(shell, "perl", method, fault, &server.url());
                    }
                    // Where it is a setting, a server can be anywhere.
                    ends_in_time(shell, "perl", method, "refuses", "http://127.0.0.1:9");
                    if !["spring", "dubbo"].contains(&method) {
                        ends_in_time(
                            shell,
                            "perl",
                            method,
                            "has no address",
                            "http://registry.invalid:1",
                        );
                        ends_in_time(
                            shell,
                            "perl",
                            method,
                            "is out of reach",
                            "http://192.0.2.1:1",
                        );
                    }
                });
            }
        }
    });
}

#[test]
fn a_server_that_comes_to_itself_within_the_bound_is_reached() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let server =
        Server::start(
            move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Reply::Answer(503, String::new()),
                1 => Reply::Close,
                _ => Reply::Answer(200, String::new()),
            },
        );
    let outcome = Place::new("dash", &["curl"]).hook(
        &[
            ("SILKROLL_METHOD", "http"),
            ("SILKROLL_HTTP_URL", &server.url()),
        ],
        &["stop"],
    );
    assert!(
        outcome.output.contains("answered 200"),
        "{}",
        outcome.output
    );
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    /// What a pipe takes where nobody has changed that.
    const PIPE_BYTES: usize = 65536;
    for (shell, _) in SHELLS {
        let place = Place::new(shell, &[]);
        let (_reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, &vec![b'x'; PIPE_BYTES]).unwrap();
        let mut child = place
            .hook_command(
                &[("SILKROLL_METHOD", "none"), ("SILKROLL_DRAIN_SECONDS", "1")],
                &["stop"],
            )
            .stdout(writer)
            .spawn()
            .unwrap();
        // Nothing else would end it.
        let ended = within(PATIENCE, "its end", || Ok(child.try_wait()?));
        if ended.is_err() {
            child.kill().unwrap();
            panic!("{shell}: held up by its log");
        }
    }
}

/// A terminal that was stopped (Ctrl-S in `kubectl attach`), or whose other side reads nothing.
#[test]
fn a_terminal_that_takes_nothing_holds_up_nothing() {
    const STOPPED: &str = "
import os, pty, subprocess, sys
ours, theirs = pty.openpty()
os.set_blocking(theirs, False)
try:
    while True: os.write(theirs, b'x' * 4096)
except BlockingIOError: pass
os.environ['SILKROLL_LOG'] = os.ttyname(theirs)
sys.exit(subprocess.run(sys.argv[1:], timeout=60).returncode)
";
    for (shell, _) in SHELLS {
        let place = Place::new(shell, &[]);
        let env = [("SILKROLL_METHOD", "none"), ("SILKROLL_DRAIN_SECONDS", "1")];
        let mut command = place.command("/usr/bin/python3", &env);
        command
            .args(["-c", STOPPED])
            .args(place.hook_line())
            .arg("stop");
        let outcome = finish(command);
        assert_eq!(outcome.status, Some(0), "{shell}: {}", outcome.output);
    }
}

/// As where an image names its own folder alone: `sleep` and the client are where they usually are.
#[test]
fn a_path_that_is_the_applications_alone_costs_neither_the_call_nor_the_drain() {
    for (shell, _) in SHELLS {
        let server = Server::start(|_| Reply::Answer(200, String::new()));
        let url = server.url();
        for path in ["/app/bin", ""] {
            let place = Place::new(shell, &[]);
            let env = [
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", url.as_str()),
                ("SILKROLL_DRAIN_SECONDS", "2"),
                ("PATH", path),
            ];
            let before = server.requests().len();
            let outcome = place.hook(&env, &["stop"]);
            let case = format!("{shell} with PATH={path}: {}", outcome.output);
            assert_eq!(outcome.status, Some(0), "{case}");
            assert!(outcome.took >= Duration::from_secs(2), "{case}");
            assert_eq!(server.requests().len(), before + 1, "{case}");
        }
    }
}

/// As where the node takes memory back.
#[test]
fn a_leaving_that_dies_is_said_and_callers_get_their_drain() {
    for (shell, _) in SHELLS {
        let server = Server::start(|_| Reply::Hang);
        let url = server.url();
        let place = Place::new(shell, &["curl"]);
        let mine = format!("SILKROLL_POD_NAME={}\0", place.pod());
        let hook = std::thread::spawn(move || {
            let env = [
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", url.as_str()),
                ("SILKROLL_DRAIN_SECONDS", "1"),
                // It is killed long before.
                ("SILKROLL_DEREGISTER_SECONDS", "30"),
            ];
            place.hook(&env, &["stop"])
        });
        eventually("a request", || {
            (!server.requests().is_empty()).then_some(())
        });
        let all = crate::helper::running(&mine);
        // pid (comm) state ppid
        let word = |pid: &str, at: usize| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.split(' ').nth(at).unwrap_or_default().to_owned()
        };
        let above = |pid: &str| all.iter().find(|other| **other == word(pid, 3));
        // From the client, which the helper is itself, up to the child of the hook's own process.
        let client = all.iter().find(|pid| word(pid, 1) == "(curl)");
        let client = client.or_else(|| all.iter().find(|pid| above(pid).is_some()));
        let mut leaves = client.unwrap();
        while let Some(parent) = above(leaves).filter(|parent| above(parent).is_some()) {
            leaves = parent;
        }
        let killed = std::process::Command::new("/bin/kill")
            .args(["-9", leaves])
            .status();
        assert!(killed.unwrap().success());
        let outcome = hook.join().unwrap();
        let who = if shell == "helper" { shell } else { "hook" };
        assert_eq!(
            (outcome.status, outcome.output),
            (
                Some(0),
                format!(
                    "silkroll: http: not done: the {who} failed with status 137\n\
                     silkroll: drain: 1 s for callers to forget this pod\n"
                )
            ),
            "{shell}"
        );
    }
}
