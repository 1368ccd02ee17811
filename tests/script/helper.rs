//! What the helper does where no script can run, and the one for arm64, under qemu. Everything that both can do is in
//! the other files, where the helper is one more runner.

use crate::deregister_nacos::{Registry, settings};
use crate::nacos::{Generation, State};
use crate::run::{HELPER, Outcome, Place, SPARE, finish_within};
use crate::server::{Reply, Server};
use std::process::Command;
use std::time::Duration;
use testkit::wait::eventually;

/// The name of a pod that nothing else on this machine is in, not even another run of these tests.
fn pod(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// An image with nothing in it but the helper: no shell, /proc, /dev, /tmp, /etc; another user; nothing to write to.
fn in_an_empty_image(env: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    in_an_empty_image_within(Duration::MAX, env, arguments)
}

/// The same, where it has a budget.
fn in_an_empty_image_within(budget: Duration, env: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(HELPER, root.path().join("hook")).unwrap();
    let mut command = Command::new("/usr/bin/unshare");
    command
        .args(["--user", "--map-user=65532", "--root"])
        .arg(root.path())
        .arg("/hook")
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied());
    finish_within(budget, command)
}

#[test]
fn an_image_with_nothing_in_it_is_left() {
    let registry = Registry::new(State::new(Generation::Two));
    let (url, pod) = (registry.server.url(), pod("empty"));
    let mut env = settings(&url);
    env.extend([
        ("SILKROLL_DRAIN_SECONDS", "1"),
        ("SILKROLL_POD_NAME", &*pod),
    ]);
    let outcome = in_an_empty_image(&env, &["stop"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.output);
    assert!(!registry.state.lock().unwrap().enabled);
    // Nobody has a /proc/1/fd/1 there, so the hook's own output has to do.
    assert_eq!(outcome.output.lines().count(), 2, "{}", outcome.output);
    assert!(outcome.output.contains("nacos: left as"));
    assert!(
        outcome
            .output
            .ends_with("drain: 1 s for callers to forget this pod\n")
    );

    let outcome = in_an_empty_image(&env, &["start"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.output);
    eventually("enabled", || {
        registry.state.lock().unwrap().enabled.then_some(())
    });

    // A name cannot be looked up there, and a command is not there: that costs the bound and no more.
    let lost = [
        ("SILKROLL_METHOD", "http"),
        ("SILKROLL_HTTP_URL", "http://registry.invalid/"),
        ("SILKROLL_DEREGISTER_SECONDS", "2"),
        ("SILKROLL_DRAIN_SECONDS", "0"),
    ];
    let leave = Duration::from_secs(2);
    let outcome = in_an_empty_image_within(leave, &lost, &["stop", "exec", "sleep", "1"]);
    assert_eq!(outcome.status, Some(127), "{}", outcome.output);
    assert!(
        outcome
            .output
            .contains("http: not done: POST http://registry.invalid/: no answer")
    );
    assert!(outcome.output.ends_with("own hook: sleep is not there\n"));
    assert!(outcome.over < SPARE, "{:?} over", outcome.over);
}

#[test]
fn nothing_set_is_the_default_drain_and_a_start_without_settings_nothing() {
    let outcome = in_an_empty_image(&[], &["start"]);
    assert_eq!((outcome.status, outcome.output.as_str()), (Some(0), ""));
    let outcome = in_an_empty_image(&[("SILKROLL_DRAIN_SECONDS", "0")], &["stop"]);
    assert_eq!((outcome.status, outcome.output.as_str()), (Some(0), ""));
    assert_eq!(in_an_empty_image(&[], &["what"]).status, Some(2));
    assert_eq!(in_an_empty_image(&[], &[]).status, Some(2));
}

#[test]
fn a_resolver_that_does_not_answer_costs_its_server_three_seconds() {
    let registry = Registry::new(State::new(Generation::Two));
    let dir = tempfile::tempdir().unwrap();
    let resolv = dir.path().join("resolv.conf");
    // TEST-NET-1: questions go nowhere.
    std::fs::write(&resolv, "nameserver 192.0.2.53\n").unwrap();
    let servers = format!("http://slow.example:8848,{}", registry.server.url());
    let mut command = Command::new("/usr/bin/unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c"])
        .arg("mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"")
        .arg("sh")
        .arg(&resolv)
        .args([HELPER, "stop"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("SILKROLL_LOG", "-")
        .env("SILKROLL_DRAIN_SECONDS", "0")
        // Or the list would be asked for first, at the same price.
        .env("SILKROLL_LAST_INSTANCE", "leave")
        .envs(settings(&servers));
    let outcome = finish_within(Duration::from_secs(3), command);
    assert!(
        outcome.output.contains("nacos: left as"),
        "{}",
        outcome.output
    );
    assert!(!registry.state.lock().unwrap().enabled);
    assert!(outcome.over < SPARE, "{:?} over", outcome.over);
}

/// Processes that have this in their environment.
pub(crate) fn running(with: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|process| {
            std::fs::read(process.path().join("environ"))
                .is_ok_and(|text| String::from_utf8_lossy(&text).contains(with))
        })
        .map(|process| process.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_way_back_is_one_process_that_a_stop_ends_without_proc() {
    let server = Server::start(|request| match request.path() {
        "/off" => Reply::Answer(200, String::new()),
        _ => Reply::Hang,
    });
    let url = |path: &str| format!("{}{path}", server.url());
    let (on, off, pod) = (url("/on"), url("/off"), pod("one-process"));
    let env = [
        ("SILKROLL_METHOD", "http"),
        ("SILKROLL_HTTP_URL", off.as_str()),
        ("SILKROLL_HTTP_START_URL", on.as_str()),
        // Longer than anything here is waited for: only a stop ends it.
        ("SILKROLL_HTTP_START_SECONDS", "300"),
        ("SILKROLL_POD_NAME", pod.as_str()),
        ("SILKROLL_DRAIN_SECONDS", "0"),
    ];
    let alive = || running(&format!("SILKROLL_POD_NAME={pod}\0")).len();
    let outcome = in_an_empty_image(&env, &["start"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.output);
    eventually("a re-enabling that goes on", || {
        (alive() == 1).then_some(())
    });
    // Another of the same registration finds the name taken, and leaves it to the first.
    in_an_empty_image(&env, &["start"]);
    eventually("one re-enabling and no more", || {
        (alive() == 1).then_some(())
    });
    let outcome = in_an_empty_image(&env, &["stop"]);
    assert!(
        outcome.output.contains("/off answered 200"),
        "{}",
        outcome.output
    );
    // What was killed may need a moment of a busy machine to be gone.
    eventually("the end of the re-enabling", || {
        (alive() == 0).then_some(())
    });
    assert_eq!(server.requests().last().unwrap().path(), "/off");
}

#[test]
fn https_is_said_to_be_none_of_its_business() {
    let place = Place::new("helper", &[]);
    let outcome = place.hook(
        &[
            ("SILKROLL_METHOD", "http"),
            ("SILKROLL_HTTP_URL", "https://127.0.0.1:9/"),
        ],
        &["stop", "http", "HTTPS", "127.0.0.1", "9", "/"],
    );
    // However long that took.
    let (before, rest) = outcome.output.split_once(" in ").unwrap();
    let (_, after) = rest.split_once(" s\n").unwrap();
    assert_eq!(
        (outcome.status, &*format!("{before}\n{after}")),
        (
            Some(0),
            "silkroll: http: not done: the helper binary cannot send POST over https (silkroll.dev/hook: script can)\n\
             silkroll: own hook: not done: the helper binary cannot send GET over https (silkroll.dev/hook: script can)\n"
        )
    );
}

#[test]
fn a_start_ends_as_the_users_own_hook_does() {
    let place = Place::new("helper", &[]);
    for (chain, status) in [
        (&["start", "exec", "sh", "-c", "exit 3"][..], 3),
        // The bound is that of the user's preStop.
        (&["start", "exec", "sh", "-c", "sleep 2; exit 4"], 4),
        (&["start", "exec", "true"], 127),
        (&["start", "sleep", "0"], 0),
        (&["start", "what"], 0),
        (&["start"], 0),
    ] {
        let env = [
            ("SILKROLL_METHOD", "http"),
            ("SILKROLL_HTTP_START_URL", "http://"),
            ("SILKROLL_OWN_SECONDS", "1"),
        ];
        let outcome = place.hook(&env, chain);
        assert_eq!(
            outcome.status,
            Some(status),
            "{chain:?}: {}",
            outcome.output
        );
    }
}

fn arm64(budget: Duration, env: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    const QEMU: &str = "/usr/bin/qemu-aarch64-static";
    assert!(
        std::path::Path::new(QEMU).exists(),
        "{QEMU} is missing, and the test of the helper for arm64 needs it: apt-get install -y qemu-user-static"
    );
    let place = Place::new("helper", &[]);
    let mut command = place.command(QEMU, env);
    command
        .arg(HELPER.replace("amd64", "arm64"))
        .args(arguments);
    finish_within(budget, command)
}

#[test]
fn the_one_for_arm64_does_the_same() {
    let pod = pod("arm64");
    for generation in [Generation::Two, Generation::Three] {
        let registry = Registry::new(State {
            lag: 1,
            login: Some("username=n&password=a%20b".to_owned()),
            ..State::new(generation)
        });
        let url = format!("http://localhost:{}", registry.server.address.port());
        let mut env = settings(&url);
        env.extend([
            ("SILKROLL_NACOS_USERNAME", "n"),
            ("SILKROLL_NACOS_PASSWORD", "a b"),
            ("SILKROLL_OWN_SECONDS", "60"),
            ("SILKROLL_POD_NAME", &*pod),
        ]);
        let own = ["stop", "exec", "sh", "-c", "echo own; exit 4"];
        let outcome = arm64(Duration::MAX, &env, &own);
        assert_eq!(outcome.status, Some(4), "{}", outcome.output);
        assert!(
            outcome
                .output
                .contains("nacos: left as 10.1.2.3:9810 of customer")
        );
        assert!(outcome.output.ends_with("own\n"), "{}", outcome.output);
        assert!(!registry.state.lock().unwrap().enabled);
        assert_eq!(registry.changes()[0].query("weight"), Some("2.5"));

        let outcome = arm64(Duration::MAX, &env, &["start"]);
        assert_eq!(outcome.status, Some(0), "{}", outcome.output);
        eventually("enabled", || {
            registry.state.lock().unwrap().enabled.then_some(())
        });
    }
    for reply in [
        Reply::Hang,
        Reply::Drip,
        Reply::Close,
        Reply::Garbage,
        Reply::Answer(500, String::new()),
    ] {
        let server = Server::start(move |_| reply.clone());
        // Leaving and the drain.
        let outcome = arm64(
            Duration::from_secs(2 + 1),
            &[
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", &server.url()),
                ("SILKROLL_DEREGISTER_SECONDS", "2"),
            ],
            &["stop", "sleep", "1"],
        );
        assert_eq!(outcome.status, Some(0), "{}", outcome.output);
        assert!(
            outcome.output.contains("http: not done: POST"),
            "{}",
            outcome.output
        );
        assert!(
            outcome
                .output
                .ends_with("drain: 1 s for callers to forget this pod\n")
        );
        assert!(outcome.over < SPARE, "{:?} over", outcome.over);
    }
}
