//! The drain: an app that registers while it is told to stop is taken out all the same.

use crate::methods::settings;
use crate::run::{Place, SHELLS, SPARE};
use crate::server::{Reply, Server};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn what_registers_during_the_drain_is_taken_out_all_the_same() {
    const DRAIN: Duration = Duration::from_secs(12);
    std::thread::scope(|scope| {
        for (shell, _) in SHELLS {
            scope.spawn(move || {
                let asked = AtomicUsize::new(0);
                // Absent when the hook begins and at its first look, there at the second.
                let server = Server::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => Reply::Answer(404, "Unknown service ID".to_owned()),
                    _ => Reply::Answer(200, String::new()),
                });
                let url = server.url();
                let mut env = settings("consul", &url);
                let drain = DRAIN.as_secs().to_string();
                env.push(("SILKROLL_DRAIN_SECONDS", &drain));
                let outcome = Place::new(shell, &["curl"]).hook_within(DRAIN, &env, &["stop"]);
                let case = format!("{shell}: {}", outcome.output);
                assert_eq!(outcome.status, Some(0), "{case}");
                assert_eq!(
                    outcome.output.matches("is not registered").count(),
                    1,
                    "{case}"
                );
                assert_eq!(outcome.output.matches("left: PUT").count(), 1, "{case}");
                assert_eq!(server.requests().len(), 3, "{case}");
                // The clock that it goes by has hundredths of a second, and it begins a moment after ours.
                let took = outcome.took + Duration::from_millis(500);
                assert!(took >= DRAIN, "{took:?}, {case}");
                assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
            });
        }
    });
}

#[test]
fn looks_in_the_drain_begin_with_the_server_that_answered() {
    std::thread::scope(|scope| {
        for (shell, _) in SHELLS {
            scope.spawn(move || {
                let silent = Server::start(|_| Reply::Hang);
                let living = Server::start(|_| Reply::Answer(200, r#"{"list":[]}"#.to_owned()));
                let servers = format!("{},{}", silent.url(), living.url());
                let mut env = crate::deregister_nacos::settings(&servers);
                env.push(("SILKROLL_LAST_INSTANCE", "leave"));
                env.push(("SILKROLL_DRAIN_SECONDS", "9"));
                let outcome = Place::new(shell, &["curl"]).hook(&env, &["stop"]);
                let case = format!("{shell}: {}", outcome.output);
                assert!(outcome.output.contains("is not registered"), "{case}");
                assert_eq!(silent.requests().len(), 1, "{case}");
                assert!(living.requests().len() > 1, "{case}");
            });
        }
    });
}
