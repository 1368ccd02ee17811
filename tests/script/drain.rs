//! The drain: an app that registers while it is told to stop is taken out all the same.

use crate::methods::settings;
use crate::run::{Place, SHELLS, SPARE};
use crate::server::{Reply, Server};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn what_registers_during_the_drain_is_taken_out_all_the_same() {
    const DRAIN: Duration = Duration::from_secs(12);
    const THERE: u16 = 200;
    const ABSENT: u16 = 404;
    // What the method's server answers when the hook begins and at each look of the drain, and how often the log says that the
    // pod was absent and that it left. A client of Consul may register again, so there the looks go on.
    let cases: [(&str, &[u16], usize, usize); 3] = [
        ("dubbo", &[ABSENT, ABSENT, THERE], 1, 1),
        ("consul", &[ABSENT, ABSENT, THERE, ABSENT], 1, 1),
        ("consul", &[THERE, ABSENT, THERE, THERE], 0, 3),
    ];
    std::thread::scope(|scope| {
        let all = cases
            .iter()
            .flat_map(|case| SHELLS.map(|(shell, _)| (shell, *case)));
        for (shell, (method, answers, absent, left)) in all {
            scope.spawn(move || {
                let asked = AtomicUsize::new(0);
                let server = Server::start(move |_| {
                    match answers.get(asked.fetch_add(1, Ordering::Relaxed)) {
                        Some(&ABSENT) => Reply::Answer(ABSENT, "Unknown service ID".to_owned()),
                        _ => Reply::Answer(THERE, String::new()),
                    }
                });
                let url = server.url();
                let mut env = settings(method, &url);
                let drain = DRAIN.as_secs().to_string();
                env.push(("SILKROLL_DRAIN_SECONDS", &drain));
                env.push(("SILKROLL_LAST_INSTANCE", "leave"));
                if method == "dubbo" {
                    env.push(("SILKROLL_HTTP_ABSENT", "404"));
                }
                let outcome = Place::new(shell, &["curl"]).hook_within(DRAIN, &env, &["stop"]);
                let case = format!("{shell}, {method}: {}", outcome.output);
                assert_eq!(outcome.status, Some(0), "{case}");
                let said = |text| outcome.output.matches(text).count();
                assert_eq!(said("is not registered"), absent, "{case}");
                assert_eq!(said("left: "), left, "{case}");
                assert_eq!(server.requests().len(), answers.len(), "{case}");
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
