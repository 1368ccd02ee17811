//! After the drain: clients that hold connections to the container's ports are waited for. In network namespaces of their
//! own, where other addresses than loopback's are theirs alone.

use crate::run::{Outcome, Place, SHELLS, SPARE, finish_within};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

const STREAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/script/streams.py");

/// The pod is 192.0.2.1 and `2001:db8::1`, its clients come from .2; where there is no IPv6, no case asks for it.
const START: &str = r#"
ip link set lo up
for address in 192.0.2.1 192.0.2.2; do ip addr add "$address/32" dev lo; done
for address in 2001:db8::1 2001:db8::2; do ip -6 addr add "$address/128" dev lo; done 2>/dev/null
python3 "$STREAMS" $CLIENTS & while [ ! -e "$READY" ]; do kill -0 $! || exit; sleep 0.1; done
"$@"; echo "status $?""#;

struct Case<'a> {
    shell: &'a str,
    tools: &'a [(&'a str, &'a str)],
    clients: &'a str,
    env: &'a [(&'a str, &'a str)],
    script: &'a str,
    budget: Duration,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            shell: "dash",
            tools: &[("/bin/cat", "cat")],
            clients: "",
            env: &[],
            script: START,
            budget: Duration::MAX,
        }
    }
}

fn run(case: &Case<'_>) -> Outcome {
    /// Namespaces, addresses and Python are there before the hook begins.
    const SET_UP: Duration = Duration::from_secs(2);
    let place = Place::new(case.shell, &["python3"]);
    // A program brings all that it needs, but the test around it does not.
    if !place.bin.join("python3").exists() {
        place.add("/usr/bin/python3", "python3");
    }
    place.add("/bin/busybox", "ip");
    place.add("/bin/mount", "mount");
    for (program, name) in case.tools {
        place.add(program, name);
    }
    let mut command = place.command(
        "/usr/bin/unshare",
        &[
            ("SILKROLL_IDLE_SECONDS", "60"),
            ("SILKROLL_IDLE_PORTS", "8080"),
            ("CLIENTS", case.clients),
            ("STREAMS", STREAMS),
        ],
    );
    command
        .envs(case.env.iter().copied())
        .env("READY", place.dir.path().join("ready"))
        .args(["--user", "--map-root-user", "--net", "--mount", "--pid"])
        .args(["--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-c", case.script, "sh"])
        .args(place.hook_line())
        .args(["stop", "exec", "sh", "-c", "echo then the own hook"]);
    finish_within(case.budget.saturating_add(SET_UP), command)
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn it_ends_with_the_last_connection_that_a_client_holds() {
    const HELD: Duration = Duration::from_secs(4);
    let mut cases = vec![
        (
            "192.0.2.1,8080,192.0.2.2,1 192.0.2.1,8080,192.0.2.2,4",
            "192.0.2.2",
        ),
        (
            "192.0.2.1,9000,192.0.2.2,1 192.0.2.1,9090,192.0.2.2,4",
            "192.0.2.2",
        ),
    ];
    if has_ipv6() {
        // A server of all addresses: the kernel lists IPv4 as IPv6.
        cases.push(("::,8080,192.0.2.2,4", "192.0.2.2"));
        cases.push(("2001:db8::1,8080,2001:db8::2,4", "2001:db8:0:0:0:0:0:2"));
    }
    let cases = &cases;
    thread::scope(|scope| {
        for (shell, _) in SHELLS {
            scope.spawn(move || {
                for (clients, peer) in cases {
                    let outcome = run(&Case {
                        shell,
                        clients,
                        env: &[("SILKROLL_IDLE_PORTS", "8080,9090")],
                        // It looks once a second.
                        budget: HELD + Duration::from_secs(1),
                        ..Case::default()
                    });
                    let case = format!("{shell} {clients}: {}", outcome.output);
                    let says = format!(", one from {peer}; waiting for their end, 60 s at most\n");
                    assert!(outcome.output.contains(&says), "{case}");
                    let ends = "silkroll: idle: no client holds a connection any more in ";
                    assert!(outcome.output.contains(ends), "{case}");
                    assert!(
                        outcome.output.ends_with("then the own hook\nstatus 0\n"),
                        "{case}"
                    );
                    assert!(outcome.took >= HELD, "{:?}, {case}", outcome.took);
                    assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
                }
            });
        }
    });
}

#[test]
fn what_no_client_holds_is_not_waited_for() {
    let mut cases = vec![
        ("", "8080"),
        // From loopback, to another port, to another pod, and one that has gone.
        ("127.0.0.1,8080,127.0.0.1,60", "8080"),
        ("192.0.2.1,9090,192.0.2.2,60", "8080"),
        ("192.0.2.2,9090,192.0.2.1,60", "8080"),
        ("192.0.2.1,8080,192.0.2.2,0", "8080"),
        // No port is named, and none is listened on.
        ("", ""),
    ];
    if has_ipv6() {
        cases.extend([
            ("::1,8080,::1,60", "8080"),
            ("::,8080,127.0.0.1,60", "8080"),
        ]);
    }
    let cases = &cases;
    thread::scope(|scope| {
        for (shell, _) in SHELLS {
            scope.spawn(move || {
                for (clients, ports) in cases {
                    let outcome = run(&Case {
                        shell,
                        clients,
                        env: &[("SILKROLL_IDLE_PORTS", ports)],
                        budget: Duration::ZERO,
                        ..Case::default()
                    });
                    let case = format!("{shell} {clients}: {}", outcome.output);
                    let says = "silkroll: idle: no client holds a connection in ";
                    assert!(outcome.output.starts_with(says), "{case}");
                    assert!(
                        outcome.output.ends_with("then the own hook\nstatus 0\n"),
                        "{case}"
                    );
                    assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
                }
            });
        }
    });
}

#[test]
fn it_ends_at_its_bound_and_says_what_remains() {
    const BOUND: Duration = Duration::from_secs(3);
    thread::scope(|scope| {
        for (shell, _) in SHELLS {
            // Without ports, those that are listened on are looked at. And more connections than most pods have.
            for (clients, ports, remain) in [
                (
                    "192.0.2.1,8080,192.0.2.2,60",
                    "8080",
                    "1, one from 192.0.2.2",
                ),
                (
                    "192.0.2.1,7777,192.0.2.2,60 192.0.2.1,7778,192.0.2.2,60",
                    "",
                    "2, one from 192.0.2.2",
                ),
                (
                    "192.0.2.1,8080,192.0.2.2,60,1500",
                    "8080",
                    "1500, one from 192.0.2.2",
                ),
            ] {
                scope.spawn(move || {
                    let outcome = run(&Case {
                        shell,
                        clients,
                        env: &[
                            ("SILKROLL_IDLE_PORTS", ports),
                            ("SILKROLL_IDLE_SECONDS", "3"),
                        ],
                        budget: BOUND,
                        ..Case::default()
                    });
                    let case = format!("{shell} {clients}: {}", outcome.output);
                    let says = format!(
                        "silkroll: idle: clients still hold connections: {remain}; going on in "
                    );
                    let slow = "silkroll: idle: it could not be seen within 3 s";
                    assert!(
                        outcome.output.contains(&says) || outcome.output.contains(slow),
                        "{case}"
                    );
                    assert!(
                        outcome.output.ends_with("then the own hook\nstatus 0\n"),
                        "{case}"
                    );
                    assert!(outcome.took >= BOUND, "{:?}, {case}", outcome.took);
                    assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
                });
            }
        }
    });
}

#[test]
fn it_comes_after_the_drain_and_before_what_ends_the_server() {
    for (shell, _) in SHELLS {
        let outcome = run(&Case {
            shell,
            clients: "192.0.2.1,8080,192.0.2.2,3",
            env: &[
                ("SILKROLL_DRAIN_SECONDS", "1"),
                ("SILKROLL_METHOD", "signal"),
                ("SILKROLL_SIGNAL_NAME", "TERM"),
                ("SILKROLL_SIGNAL_PROCESS", "no-such-program"),
            ],
            ..Case::default()
        });
        let places: Vec<_> = [
            "silkroll: drain: 1 s",
            "silkroll: idle: clients hold connections: 1",
            "silkroll: idle: no client holds a connection any more",
            "silkroll: signal: no process here is called no-such-program",
            "then the own hook",
        ]
        .iter()
        .map(|line| outcome.output.find(line))
        .collect();
        assert!(
            places.is_sorted() && !places.contains(&None),
            "{shell}: {}",
            outcome.output
        );
    }
}

#[test]
fn where_connections_cannot_be_seen_it_says_so_and_goes_on() {
    const NO_PROC: &str = r#"mount -t tmpfs none /proc && "$@"; echo "status $?""#;
    for (shell, _) in SHELLS {
        // The helper needs no tool.
        let without: &[(&str, &[_])] = match shell {
            "helper" => &[(NO_PROC, &[])],
            _ => &[(NO_PROC, &[("/bin/cat", "cat")]), (START, &[])],
        };
        for (script, tools) in without {
            let outcome = run(&Case {
                shell,
                script,
                tools,
                clients: "192.0.2.1,8080,192.0.2.2,60",
                budget: Duration::ZERO,
                ..Case::default()
            });
            let case = format!("{shell}: {}", outcome.output);
            assert!(
                outcome.output.starts_with(
                    "silkroll: idle: not waited for: /proc/net/tcp cannot be read here"
                ),
                "{case}"
            );
            assert!(
                outcome.output.ends_with("then the own hook\nstatus 0\n"),
                "{case}"
            );
            assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
        }
    }
}
