//! `ready-when: registered`: the startup probe passes once the container is in its callers' list, and wherever that cannot be
//! told: it never keeps a container from serving.

use crate::last_instance::{LISTING, registry};
use crate::methods::settings;
use crate::run::{Outcome, Place, SHELLS, each_client, finish};
use crate::server::{Reply, Request, Server};
use silkroll::deregister::LAUNCH_REGISTERED;
use std::process::Command;
use testkit::wait::{PATIENCE, within};

/// The first process is a moment old, as where a container has just been started. What the hook prints goes with its log.
const YOUNG: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--pid",
    "--fork",
    "--mount-proc",
    "/bin/sh",
    "-c",
    "\"$@\"; exit $?",
    "sh",
];
const NO_PROC: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "/bin/sh",
    "-c",
    "/bin/mount -t tmpfs none /proc && exec \"$@\"",
    "sh",
];
/// The first process of the machine, which is older than a second.
const OLD: &[&str] = &["/usr/bin/env"];

fn probe(
    shell: &str,
    client: &str,
    method: &str,
    wrapper: &[&str],
    url: &str,
    more: &[(&str, &str)],
) -> Outcome {
    let place = Place::new(shell, &[client]);
    let env = settings(method, url);
    let mut command = Command::new(
        ["/usr/bin/", wrapper[0]]
            .concat()
            .replace("/usr/bin//", "/"),
    );
    command
        .env_clear()
        .args(&wrapper[1..])
        .args(place.hook_line())
        .arg("registered")
        .env("PATH", &place.bin)
        .env("SILKROLL_LOG", "-")
        .envs(
            env.into_iter()
                .filter(|(name, _)| !name.starts_with("SILKROLL_NACOS_USER")),
        )
        .envs(more.iter().copied())
        .current_dir(place.work());
    finish(command)
}

/// Again until it ends and speaks so, as the kubelet asks again: a slow machine may not read the list in time.
fn probes(
    shell: &str,
    client: &str,
    method: &str,
    wrapper: &[&str],
    url: &str,
    more: &[(&str, &str)],
    (status, says): (i32, &str),
) {
    let mut last = String::new();
    let ended = within(PATIENCE, "the probe", || {
        let outcome = probe(shell, client, method, wrapper, url, more);
        let right = outcome.status == Some(status) && outcome.output.contains(says);
        last = format!("{:?}: {}", outcome.status, outcome.output);
        Ok(right.then_some(()))
    });
    assert!(
        ended.is_ok(),
        "{method} in {shell} with {client}, not {status}, {says}: {last}"
    );
}

const WAITS: &str = "this pod is not in the list that callers go by";

#[test]
fn it_passes_once_the_container_is_listed() {
    std::thread::scope(|scope| {
        for method in LISTING {
            scope.spawn(move || {
                for (this, status, says) in [(false, 1, WAITS), (true, 0, "is listed")] {
                    let server =
                        Server::start(move |request| registry(method, request, (this, true)));
                    let pairs = SHELLS.map(|(shell, _)| (shell, "curl"));
                    for (shell, client) in pairs.into_iter().chain(each_client()) {
                        let url = server.url();
                        probes(shell, client, method, YOUNG, &url, &[], (status, says));
                    }
                    assert!(server.requests().iter().all(|it| it.method != "PUT"));
                }
            });
        }
    });
}

#[test]
fn it_passes_where_the_registry_cannot_be_asked() {
    type Answer = fn(&Request) -> Reply;
    let unread = "ready: the list cannot be read";
    let over = "ready: the list could not be read within 5 s";
    let cases: [(&str, Answer); 6] = [
        ("is down", |_| Reply::Close),
        ("hangs", |_| Reply::Hang),
        ("drips", |_| Reply::Drip),
        ("talks garbage", |_| Reply::Garbage),
        ("answers 503", |_| Reply::Answer(503, String::new())),
        ("answers something else", |_| {
            Reply::Answer(200, "{\"hosts\":[".to_owned())
        }),
    ];
    std::thread::scope(|scope| {
        for (shell, _) in SHELLS {
            for method in LISTING {
                scope.spawn(move || {
                    for (fault, answer) in cases {
                        let server = Server::start(answer);
                        let outcome = probe(shell, "curl", method, YOUNG, &server.url(), &[]);
                        let case = format!("{method} in {shell}, {fault}: {}", outcome.output);
                        assert_eq!(outcome.status, Some(0), "{case}");
                        // A slow machine may be in the middle of a call when its time is over.
                        let over = outcome.output.contains(over);
                        assert!(over || outcome.output.contains(unread), "{case}");
                    }
                    let refused = "http://127.0.0.1:9";
                    let outcome = probe(shell, "curl", method, YOUNG, refused, &[]);
                    assert_eq!(outcome.status, Some(0), "{}", outcome.output);
                    let over = outcome.output.contains(over);
                    let says = over || outcome.output.contains(unread);
                    assert!(says, "{}", outcome.output);
                });
            }
        }
    });
}

#[test]
fn a_registry_that_is_away_for_a_moment_is_asked_again() {
    for (shell, _) in SHELLS {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let server = Server::start(move |request| {
            match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2 {
                0 => Reply::Close,
                _ => registry("nacos", request, (false, true)),
            }
        });
        let url = server.url();
        probes(shell, "curl", "nacos", YOUNG, &url, &[], (1, WAITS));
    }
}

#[test]
fn it_passes_where_its_time_is_over_or_nothing_tells_the_time() {
    let server = Server::start(|request| registry("nacos", request, (false, true)));
    for (shell, _) in SHELLS {
        for (wrapper, bound, status, says) in [
            (OLD, "1", 0, "ready: this pod was not listed within 1 s"),
            (YOUNG, "60", 1, WAITS),
            (YOUNG, "", 1, WAITS),
            (NO_PROC, "60", 0, "ready: without /proc nothing tells"),
        ] {
            let more = [("SILKROLL_READY_SECONDS", bound)];
            let url = server.url();
            probes(shell, "curl", "nacos", wrapper, &url, &more, (status, says));
        }
    }
}

#[test]
fn it_passes_where_there_is_nothing_to_look_for() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (shell, _) in SHELLS {
        for (name, value) in [
            ("SILKROLL_METHOD", "none"),
            ("SILKROLL_METHOD", "nginx"),
            ("SILKROLL_METHOD", "spring"),
            ("SILKROLL_IF_ENV", "UNSET_HERE"),
        ] {
            let more = [(name, value)];
            let outcome = probe(shell, "curl", "nacos", YOUNG, &server.url(), &more);
            assert_eq!(
                (outcome.status, &*outcome.output),
                (Some(0), ""),
                "{shell} {name}={value}"
            );
        }
        // What is needed to ask is not there.
        for (name, value, says) in [
            ("podip", "", "podip is not set"),
            ("SILKROLL_NACOS_SERVER", " ", "names no server"),
            ("SILKROLL_NACOS_PORT", "x", "is not usable"),
        ] {
            let more = [(name, value)];
            let outcome = probe(shell, "curl", "nacos", YOUNG, &server.url(), &more);
            let case = format!("{shell} {name}={value}: {}", outcome.output);
            assert_eq!(outcome.status, Some(0), "{case}");
            assert!(outcome.output.contains(says), "{case}");
        }
    }
    assert!(server.requests().is_empty());
}

/// Of a registry that is away, from what stands in front of it, or from another server.
#[test]
fn it_passes_where_the_answer_is_no_list() {
    for body in [
        "{}",
        r#"{"hosts":null}"#,
        r#"{"code":500,"message":"server error","data":null}"#,
        r#"{"status":"UP"}"#,
    ] {
        let server = Server::start(|_| Reply::Answer(200, body.to_owned()));
        for (shell, _) in SHELLS {
            for method in ["nacos", "eureka"] {
                let says = (0, "the list cannot be read");
                probes(shell, "curl", method, YOUNG, &server.url(), &[], says);
            }
        }
    }
}

#[test]
fn it_passes_where_the_script_is_missing() {
    let outcome = Place::new("dash", &[])
        .command("/bin/sh", &[])
        .args(["-c", LAUNCH_REGISTERED, "silkroll"])
        .status()
        .unwrap();
    assert!(outcome.success());
}
