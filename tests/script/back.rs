//! Re-enabling: what deregistering switched off is on again, and a later stop has the last word.

use crate::deregister_nacos::{Registry, settings};
use crate::helper::running;
use crate::nacos::{Generation, State};
use crate::run::{NO_PUT, Place, SHELLS, SPARE, START, each_client};
use crate::server::{Reply, Server};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::wait::eventually;

const GREP: &str = "/usr/bin/grep";

#[test]
fn a_disabled_instance_is_enabled_with_its_weight() {
    for generation in [Generation::Two, Generation::Three] {
        for (shell, client) in each_client()
            .into_iter()
            .filter(|(_, client)| *client != NO_PUT)
        {
            let registry = Registry::new(State {
                enabled: false,
                ..State::new(generation)
            });
            let place = Place::new(shell, &[client]);
            let outcome = place.hook(&settings(&registry.server.url()), &["start"]);
            assert_eq!(outcome.status, Some(0), "{client}: {}", outcome.output);
            let state = || registry.state.lock().unwrap().clone();
            eventually(
                &format!("enabled, {generation:?} {client}: {}", outcome.output),
                || state().enabled.then_some(()),
            );
            assert_eq!(state().weight, "2.5", "{generation:?} {client}");
        }
    }
}

#[test]
fn an_instance_that_registers_late_and_disabled_is_enabled_then() {
    for (shell, _) in SHELLS {
        let registry = Registry::new(State {
            registered: false,
            enabled: false,
            ..State::new(Generation::Two)
        });
        let url = registry.server.url();
        let env = settings(&url);
        let place = Place::new(shell, &["curl"]);
        let outcome = place.hook(&env, &["start"]);
        assert_eq!(outcome.status, Some(0), "{shell}: {}", outcome.output);
        assert!(
            registry.changes().is_empty(),
            "{shell}: a change of an absent instance sets its weight"
        );
        registry.state.lock().unwrap().registered = true;
        eventually(&format!("enabled, in {shell}"), || {
            registry.state.lock().unwrap().enabled.then_some(())
        });
        assert_eq!(
            registry.changes()[0].query("weight"),
            Some("2.5"),
            "{shell}"
        );
    }
}

#[test]
fn a_registry_that_is_down_at_start_is_tried_until_a_stop_ends_it() {
    let greps = [None, Some(GREP), Some("/bin/busybox")];
    for (shell, grep) in SHELLS
        .iter()
        .flat_map(|(shell, _)| greps.map(|grep| (*shell, grep)))
    {
        let up = Arc::new(AtomicBool::new(false));
        let seen = up.clone();
        let server = Server::start(move |request| {
            if request.path() == "/off" || seen.load(Ordering::SeqCst) {
                Reply::Answer(200, String::new())
            } else {
                Reply::Hang
            }
        });
        let (on, off) = (
            format!("{}/on", server.url()),
            format!("{}/off", server.url()),
        );
        let env = [
            ("SILKROLL_METHOD", "http"),
            ("SILKROLL_HTTP_URL", off.as_str()),
            ("SILKROLL_HTTP_START_URL", on.as_str()),
        ];
        let place = Place::new(shell, &["curl"]);
        if let Some(grep) = grep {
            place.add(grep, "grep");
        }
        let ons = || {
            server
                .requests()
                .iter()
                .filter(|request| request.path() == "/on")
                .count()
        };

        let outcome = place.hook_within(START, &env, &["start"]);
        assert_eq!(outcome.status, Some(0), "{shell}: {}", outcome.output);
        assert!(outcome.over < SPARE, "{shell}: {:?} over", outcome.over);
        eventually("a second try", || (ons() >= 2).then_some(()));

        let outcome = place.hook(&env, &["stop"]);
        assert!(
            outcome.output.contains("/off answered 200"),
            "{shell}: {}",
            outcome.output
        );
        let tried = ons();
        up.store(true, Ordering::SeqCst);
        // One that went on would come to its end, too, for the registry is up now; but not without another try. What was
        // killed may need a moment of a busy machine to be gone.
        eventually(&format!("the end of the re-enabling, in {shell}"), || {
            running(&format!("silkroll-reenable=%2F{}%2F", place.pod()))
                .is_empty()
                .then_some(())
        });
        assert_eq!(ons(), tried, "{shell} with {grep:?}: {}", outcome.output);
        assert_eq!(server.requests().last().unwrap().path(), "/off", "{shell}");
    }
}

#[test]
fn a_way_back_ends_with_its_time() {
    let server = Server::start(|_| Reply::Answer(503, String::new()));
    let url = &server.url();
    std::thread::scope(|scope| {
        for (shell, _) in SHELLS {
            scope.spawn(move || {
                let env = [
                    ("SILKROLL_METHOD", "http"),
                    ("SILKROLL_HTTP_URL", url.as_str()),
                    ("SILKROLL_HTTP_START_URL", url.as_str()),
                    ("SILKROLL_HTTP_START_SECONDS", "5"),
                ];
                let begun = std::time::Instant::now();
                let place = Place::new(shell, &["curl"]);
                let outcome = place.hook(&env, &["start"]);
                assert_eq!(outcome.status, Some(0), "{shell}: {}", outcome.output);
                let mine = format!("SILKROLL_POD_NAME={}\0", place.pod());
                // Without the setting it goes on for 120 s.
                eventually(&format!("the end of it, in {shell}"), || {
                    running(&mine).is_empty().then_some(())
                });
                assert!(begun.elapsed().as_secs() >= 3, "{shell}");
            });
        }
    });
}

#[test]
fn a_stop_of_one_container_leaves_the_way_back_of_the_others_alone() {
    let server = Server::start(|request| match request.path() {
        "/off" => Reply::Answer(200, String::new()),
        _ => Reply::Answer(503, String::new()),
    });
    let url = |path| format!("{}{path}", server.url());
    let (off, on) = (url("/off"), url("/on"));
    for (shell, _) in SHELLS {
        let place = Place::new(shell, &["curl"]);
        let run = |container, what| {
            let env = [
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", off.as_str()),
                ("SILKROLL_HTTP_START_URL", on.as_str()),
                ("SILKROLL_HTTP_START_BODY", container),
                ("SILKROLL_CONTAINER", container),
            ];
            let outcome = place.hook(&env, &[what]);
            assert_eq!(outcome.status, Some(0), "{shell}: {}", outcome.output);
        };
        let tries = |container: &str| {
            let body = container.as_bytes();
            let asked = server.requests();
            asked.iter().filter(|request| request.body == body).count()
        };
        let before = (tries("one"), tries("two"));
        run("one", "start");
        run("two", "start");
        // The first is the start hook's own.
        eventually("two ways back that go on", || {
            (tries("one") >= before.0 + 2 && tries("two") >= before.1 + 2).then_some(())
        });
        run("one", "stop");
        let (one, two) = (tries("one"), tries("two"));
        eventually("the other's goes on", || {
            (tries("two") >= two + 2).then_some(())
        });
        assert_eq!(tries("one"), one, "{shell}: its own was not ended");
        run("two", "stop");
    }
}

/// A shell reads what is in /proc byte by byte: of 12 MB that would take it a minute.
#[test]
fn long_command_lines_hold_up_no_stop_where_there_is_grep() {
    let long = "x".repeat(100_000);
    let mut many = Vec::new();
    for _ in 0..8 {
        let mut sleeping = Command::new("/bin/sh");
        sleeping.args(["-c", "read _"]).args([long.as_str(); 15]);
        many.push(sleeping.stdin(Stdio::piped()).spawn().unwrap());
    }
    for (shell, _) in SHELLS {
        let registry = Registry::new(State::new(Generation::Three));
        let place = Place::new(shell, &["curl"]);
        place.add(GREP, "grep");
        let outcome = place.hook(&settings(&registry.server.url()), &["stop"]);
        let left = outcome.output.contains("nacos: left as");
        assert!(left, "{shell} {:?}: {}", outcome.took, outcome.output);
    }
    for mut sleeping in many {
        drop(sleeping.stdin.take());
        sleeping.wait().unwrap();
    }
}

/// A stop looks through all processes for a re-enabling that still tries, and some end between two reads of their arguments.
#[test]
fn processes_that_end_while_they_are_looked_at_hold_up_no_stop() {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    // A line is a read.
                    let lines = "line\n".repeat(200);
                    Command::new("true").arg(lines).status().unwrap();
                }
            });
        }
        let mut stops = SHELLS.iter().flat_map(|(shell, _)| [*shell; 12]);
        let held_up = stops.find_map(|shell| {
            let registry = Registry::new(State::new(Generation::Three));
            let place = Place::new(shell, &["curl"]);
            let outcome = place.hook(&settings(&registry.server.url()), &["stop"]);
            let left = outcome.output.contains("nacos: left as");
            (!left).then(|| format!("{shell} {:?}: {}", outcome.took, outcome.output))
        });
        over.store(true, Ordering::SeqCst);
        assert_eq!(held_up, None);
    });
}

#[test]
fn a_start_without_a_way_back_calls_nothing() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    let outcome = Place::new("dash", &["curl"]).hook(
        &[
            ("SILKROLL_METHOD", "http"),
            ("SILKROLL_HTTP_URL", &server.url()),
        ],
        &["start"],
    );
    assert_eq!((outcome.status, outcome.output.as_str()), (Some(0), ""));
    assert!(server.requests().is_empty());
}
