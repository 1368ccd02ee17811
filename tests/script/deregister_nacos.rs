//! The `nacos` method against the stand-in: found, switched off with its weight, read back, from every shell and client.

use crate::nacos::{Generation, State, answer};
use crate::run::{NO_PUT, Outcome, Place, SHELLS, each_client, pairs};
use crate::server::{Reply, Request, Server};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) struct Registry {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) server: Server,
}

impl Registry {
    pub(crate) fn new(state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        Self {
            state,
            server: Server::start(move |request| answer(&shared, request)),
        }
    }

    pub(crate) fn changes(&self) -> Vec<Request> {
        self.server
            .requests()
            .into_iter()
            .filter(|request| request.method == "PUT")
            .collect()
    }
}

pub(crate) fn settings(servers: &str) -> Vec<(&str, &str)> {
    vec![
        ("podip", "10.1.2.3"),
        ("SILKROLL_METHOD", "nacos"),
        ("SILKROLL_NACOS_SERVER", servers),
        ("SILKROLL_NACOS_SERVICE", "customer"),
        ("SILKROLL_NACOS_PORT", "9810"),
        // Time enough for a busy machine: what succeeds takes no more of it than it needs.
        ("SILKROLL_DEREGISTER_SECONDS", "60"),
    ]
}

fn stop(place: &Place, servers: &str, more: &[(&str, &str)]) -> Outcome {
    let mut env = settings(servers);
    env.extend(more);
    place.hook(&env, &["stop"])
}

#[test]
fn every_shell_and_client_disables_the_instance_and_keeps_its_weight() {
    std::thread::scope(|scope| {
        for generation in [Generation::Two, Generation::Three] {
            scope.spawn(move || {
                for (shell, client) in pairs() {
                    let registry = Registry::new(State {
                        lag: 2,
                        ..State::new(generation)
                    });
                    let outcome = stop(&Place::new(shell, &[client]), &registry.server.url(), &[]);
                    let case = format!("{generation:?} {shell} {client}: {}", outcome.output);
                    assert_eq!(outcome.status, Some(0), "{case}");
                    let state = registry.state.lock().unwrap().clone();
                    if client == NO_PUT {
                        assert!(
                            outcome
                                .output
                                .contains("no tool in this image can send PUT"),
                            "{case}"
                        );
                        assert!(state.enabled, "{case}");
                        continue;
                    }
                    assert!(!state.enabled, "{case}");
                    assert_eq!(state.weight, "2.5", "{case}");
                    assert!(
                        outcome
                            .output
                            .contains("silkroll: nacos: left as 10.1.2.3:9810 of customer"),
                        "{case}"
                    );
                    let changes = registry.changes();
                    assert_eq!(changes.len(), 1, "{case}");
                    assert_eq!(changes[0].query("enabled"), Some("false"), "{case}");
                    assert_eq!(changes[0].query("clusterName"), Some("DEFAULT"), "{case}");
                    assert_eq!(
                        changes[0].query("groupName"),
                        Some("DEFAULT_GROUP"),
                        "{case}"
                    );
                }
            });
        }
    });
}

#[test]
fn a_list_of_thousands_is_read_in_a_moment() {
    for (shell, _) in SHELLS {
        // One that takes the chunks out itself, and one that leaves it to the shell.
        for client in ["curl", "perl"] {
            let enabled = Arc::new(AtomicBool::new(true));
            let shared = enabled.clone();
            let server = Server::start(move |request| {
                if request.method == "PUT" {
                    shared.store(false, Ordering::SeqCst);
                    return Reply::Answer(200, "ok".to_owned());
                }
                let instance = |ip: &str, enabled: bool| {
                    let more = "x".repeat(150);
                    format!(
                        r#"{{"ip":"{ip}","port":9810,"weight":1.0,"healthy":true,"enabled":{enabled},"ephemeral":true,"serviceName":"DEFAULT_GROUP@@customer","metadata":{{"more":"{more}"}}}}"#
                    )
                };
                let mut list: Vec<_> = (0..3000)
                    .map(|at| instance(&format!("10.9.{}.{}", at / 250, at % 250), true))
                    .collect();
                list.push(instance("10.1.2.3", shared.load(Ordering::SeqCst)));
                Reply::Chunks(200, format!(r#"{{"list":[{}]}}"#, list.join(",")))
            });
            let outcome = stop(&Place::new(shell, &[client]), &server.url(), &[]);
            let case = format!("{shell} {client} {:?}: {}", outcome.took, outcome.output);
            assert!(outcome.output.contains("left as 10.1.2.3:9810"), "{case}");
            assert!(!enabled.load(Ordering::SeqCst), "{case}");
        }
    }
}

#[test]
fn what_is_not_there_is_left_without_a_change() {
    for generation in [Generation::Two, Generation::Three] {
        let cases: [(&str, bool, (&str, &str)); 3] = [
            ("instance gone", false, ("X", "x")),
            ("unknown address", true, ("podip", "10.1.2.33")),
            ("disabled already", true, ("DISABLED", "yes")),
        ];
        for (case, registered, setting) in cases {
            let enabled = setting.0 != "DISABLED";
            let registry = Registry::new(State {
                registered,
                enabled,
                ..State::new(generation)
            });
            let outcome = stop(
                &Place::new("dash", &["curl"]),
                &registry.server.url(),
                &[setting],
            );
            assert!(
                registry.changes().is_empty(),
                "{generation:?} {case}: {}",
                outcome.output
            );
            assert!(
                !outcome.output.contains("not done"),
                "{generation:?} {case}: {}",
                outcome.output
            );
        }
        let registry = Registry::new(State::new(generation));
        let outcome = stop(
            &Place::new("dash", &["curl"]),
            &registry.server.url(),
            &[("SILKROLL_NACOS_SERVICE", "nosuch")],
        );
        assert!(registry.changes().is_empty(), "{}", outcome.output);
    }
}

/// Kubernetes writes it short, Java in full, and Spring in brackets.
#[test]
fn an_address_of_version_6_is_found_as_its_client_wrote_it() {
    for generation in [Generation::Two, Generation::Three] {
        for address in [
            "fd00::a7",
            "[fd00::a7]",
            "fd00:0:0:0:0:0:0:a7",
            "[fd00:0:0:0:0:0:0:a7]",
            "fd00:0:0:0:0:0:0:a7%eth0",
            "[fd00::a7%eth0]",
        ] {
            // The list of 1.x and 2.x has it; of 3.x an instance is asked for by its address.
            if generation == Generation::Three && address.contains('%') {
                continue;
            }
            for (shell, _) in SHELLS {
                let registry = Registry::new(State {
                    address,
                    ..State::new(generation)
                });
                let servers = registry.server.url();
                let place = Place::new(shell, &["curl"]);
                let here = [("podip", "fd00::a7")];
                let mut env = settings(&servers);
                env.extend(here);
                let ready = place.hook(&env, &["registered"]);
                let outcome = stop(&place, &servers, &here);
                let case = format!(
                    "{generation:?} {address} {shell}: {} {}",
                    ready.output, outcome.output
                );
                assert_eq!(ready.status, Some(0), "{case}");
                let left = outcome.output.contains("left as fd00::a7:9810 of customer");
                assert!(left, "{case}");
                assert!(!registry.state.lock().unwrap().enabled, "{case}");
                let more = [("podip", "fd00::a8")];
                let outcome = stop(&place, &servers, &more);
                let absent = outcome.output.contains("is not registered");
                assert!(absent, "{case} {}", outcome.output);
            }
        }
    }
}

/// A pattern, or a template that was cut, among an instance's own words.
#[test]
fn a_brace_in_a_text_makes_no_absence_unbelievable() {
    for text in [r"a}b", r"{", r#"\"}"#, r"}\\", r#"\\\"{\\"#] {
        for (shell, _) in SHELLS {
            for (end, says) in [
                ("]}", "is not registered, nothing to switch off"),
                ("]", "with something else or a part"),
            ] {
                let server = Server::start(move |_| {
                    let other = format!(
                        r#"{{"ip":"10.1.2.4","port":9810,"enabled":true,"metadata":{{"t":"{text}","u":""}}}}"#
                    );
                    Reply::Chunks(200, format!(r#"{{"list":[{other}{end}"#))
                });
                let more = [
                    ("SILKROLL_LAST_INSTANCE", "leave"),
                    ("SILKROLL_DEREGISTER_SECONDS", "2"),
                ];
                let url = server.url();
                let mut env = settings(&url);
                env.extend(more);
                let outcome = Place::new(shell, &["curl"]).hook_to_its_bound(&env, &["stop"]);
                let case = format!("{text} {end} {shell}: {}", outcome.output);
                assert!(outcome.says_at_its_bound(says), "{case}");
            }
        }
    }
}

#[test]
fn it_logs_in_where_there_are_credentials_and_tells_nobody() {
    let secret = "p$(touch CANARY)&=%\" ß";
    let form = "username=na%26me&password=p%24%28touch%20CANARY%29%26%3D%25%22%20%C3%9F";
    for generation in [Generation::Two, Generation::Three] {
        for (shell, client) in each_client()
            .into_iter()
            .filter(|(_, client)| *client != NO_PUT)
        {
            for (password, works) in [(secret, true), ("wrong", false)] {
                let registry = Registry::new(State {
                    login: Some(form.to_owned()),
                    ..State::new(generation)
                });
                let outcome = stop(
                    &Place::new(shell, &[client]),
                    &registry.server.url(),
                    &[
                        ("SILKROLL_NACOS_USERNAME", "na&me"),
                        ("SILKROLL_NACOS_PASSWORD", password),
                    ],
                );
                let enabled = registry.state.lock().unwrap().enabled;
                assert_eq!(
                    enabled, !works,
                    "{generation:?} {client}: {}",
                    outcome.output
                );
                assert!(
                    !outcome.output.contains("tok.en-1") && !outcome.output.contains(password),
                    "{}",
                    outcome.output
                );
                assert_eq!(
                    outcome.output.contains("answered 403"),
                    !works,
                    "{}",
                    outcome.output
                );
            }
        }
    }
}

#[test]
fn the_next_server_is_asked_when_one_fails() {
    for (fault, reply) in [
        ("hangs", Reply::Hang),
        ("500", Reply::Answer(500, String::new())),
        (
            "another web server",
            Reply::Answer(404, "<html>".to_owned()),
        ),
        ("a redirect", Reply::Redirect("/login".to_owned())),
    ] {
        let bad = Server::start(move |_| reply.clone());
        let registry = Registry::new(State::new(Generation::Two));
        let servers = format!(
            "http://127.0.0.1:9, {}/,,{}/nacos",
            bad.url(),
            registry.server.url()
        );
        let outcome = stop(&Place::new("dash", &["curl"]), &servers, &[]);
        assert!(
            !registry.state.lock().unwrap().enabled,
            "{fault}: {}",
            outcome.output
        );
    }
}

#[test]
fn an_ok_without_effect_is_not_believed() {
    let registry = Registry::new(State {
        deaf: true,
        ..State::new(Generation::Two)
    });
    let url = registry.server.url();
    let mut env = settings(&url);
    env.push(("SILKROLL_DEREGISTER_SECONDS", "3"));
    let outcome = Place::new("dash", &["curl"]).hook_to_its_bound(&env, &["stop"]);
    assert!(outcome.output.contains("not done"), "{}", outcome.output);
    let says = outcome.says_at_its_bound("enabled=true");
    assert!(says, "{}", outcome.output);
}

#[test]
fn hostile_settings_arrive_encoded() {
    let hostile = "$(touch CANARY)`x`'\"\\ \n-&=%#?{}é";
    let encoded = "%24%28touch%20CANARY%29%60x%60%27%22%5C%20%0A-%26%3D%25%23%3F%7B%7D%C3%A9";
    for (shell, client) in pairs() {
        let server = Server::start(|_| Reply::Answer(400, String::new()));
        let place = Place::new(shell, &[client]);
        let outcome = stop(
            &place,
            &server.url(),
            &[
                ("SILKROLL_NACOS_SERVICE", hostile),
                ("SILKROLL_NACOS_GROUP", hostile),
                ("SILKROLL_NACOS_NAMESPACE", hostile),
                ("SILKROLL_NACOS_CLUSTER", hostile),
            ],
        );
        let request = server.requests().pop().unwrap_or_default();
        assert_eq!(
            request.target,
            format!(
                "/nacos/v1/ns/catalog/instances?serviceName={encoded}%40%40{encoded}&namespaceId={encoded}&clusterName={encoded}&pageNo=1&pageSize=10000"
            ),
            "{shell} {client}: {}",
            outcome.output
        );
        assert_eq!(
            std::fs::read_dir(place.work()).unwrap().count(),
            0,
            "a canary"
        );
    }
}

#[test]
fn settings_that_cannot_be_used_are_named_and_cost_nothing() {
    let registry = Registry::new(State::new(Generation::Two));
    for (name, value, says) in [
        ("podip", "", "podip is not set"),
        (
            "SILKROLL_NACOS_SERVICE",
            "",
            "SILKROLL_NACOS_SERVICE or SILKROLL_NACOS_PORT",
        ),
        (
            "SILKROLL_NACOS_PORT",
            "80x",
            "SILKROLL_NACOS_SERVICE or SILKROLL_NACOS_PORT",
        ),
        ("SILKROLL_NACOS_SERVER", " ,", "names no server"),
        (
            "SILKROLL_METHOD",
            "nosuch",
            "nosuch: not done: SILKROLL_HTTP_URL is not set",
        ),
        ("SILKROLL_METHOD", "no$(x)", "not the name of a way"),
        (
            "SILKROLL_IF_ENV",
            "UNSET_HERE",
            "UNSET_HERE is not set here",
        ),
        ("SILKROLL_IF_ENV", "A;touch CANARY", "not a variable's name"),
    ] {
        let place = Place::new("dash", &["curl"]);
        let outcome = stop(
            &place,
            &registry.server.url(),
            &[(name, value), ("SILKROLL_DRAIN_SECONDS", "1")],
        );
        assert_eq!(
            outcome.status,
            Some(0),
            "{name}={value}: {}",
            outcome.output
        );
        assert!(
            outcome.output.contains(says),
            "{name}={value}: {}",
            outcome.output
        );
        assert!(
            outcome.output.contains("drain: 1 s"),
            "{name}={value}: {}",
            outcome.output
        );
        assert_eq!(
            std::fs::read_dir(place.work()).unwrap().count(),
            0,
            "a canary"
        );
    }
    assert!(registry.server.requests().is_empty());
}
