//! `last-instance`: what is the last usable one in the list that callers go by waits for another one, inside of its time.

use crate::deregister_nacos::Registry;
use crate::methods::settings;
use crate::nacos::{Generation, State};
use crate::run::{Outcome, Place, SHELLS, SPARE, each_client};
use crate::server::{Reply, Request, Server};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The methods whose callers go by a list.
pub(crate) const LISTING: [&str; 3] = ["nacos", "eureka", "consul"];

/// Whether this container and another one are in a list.
pub(crate) type Usable = (bool, bool);

/// What a registry of the method answers whose list has these.
pub(crate) fn registry(method: &str, request: &Request, (this, other): Usable) -> Reply {
    let listed = |this: (bool, String), other: (bool, String)| {
        let there = [this, other].into_iter().filter(|(there, _)| *there);
        there.map(|(_, text)| text).collect::<Vec<_>>().join(",")
    };
    let nacos = |ip: &str| {
        format!(
            r#"{{"ip":"{ip}","port":9810,"weight":1.0,"healthy":true,"enabled":true,"metadata":{{"ip":"10.9.9.9","port":"1"}}}}"#
        )
    };
    let eureka = |id: &str, ip: &str| {
        format!(
            r#"{{"instanceId":"{id}","ipAddr":"{ip}","status":"UP","overriddenStatus":"UNKNOWN","port":{{"$":8080,"@enabled":"true"}},"metadata":{{"status":"UP"}}}}"#
        )
    };
    // As an agent in development mode writes it; others put no space behind a name.
    let consul = |id: &str| {
        format!(
            r#"{{"Node": {{"ID": "x-1", "Node": "n"}}, "Service": {{"ID": "{id}", "Service": "web shop", "Meta": {{"ID": "m", "Service": "web"}}, "Port": 80}}, "Checks": [{{"ServiceID": "{id}"}}]}}"#
        )
    };
    let text = match (method, request.path()) {
        ("nacos", path) => format!(
            r#"{{"{}":[{}]}}"#,
            if path.ends_with("/list") {
                "hosts"
            } else {
                "list"
            },
            listed((this, nacos("10.1.2.3")), (other, nacos("10.1.2.4")))
        ),
        ("eureka", _) => format!(
            r#"{{"application":{{"instance":[{}]}}}}"#,
            listed(
                (this, eureka("10.1.2.3:orders:8080", "10.1.2.3")),
                (other, eureka("b", "10.1.2.4"))
            )
        ),
        ("consul", "/v1/agent/service/orders-10.1.2.3") => {
            r#"{"Kind": "", "ID": "orders-10.1.2.3", "Service": "web shop", "Port": 80}"#.to_owned()
        }
        ("consul", "/v1/health/service/web%20shop") => {
            assert_eq!(request.header("x-consul-token"), Some("topsecret"));
            format!(
                "[{}]",
                listed((this, consul("orders-10.1.2.3")), (other, consul("b")))
            )
        }
        (method, path) => panic!("{method} was asked for {path}"),
    };
    Reply::Chunks(200, text)
}

/// A stop where `answers` says what the first, the second, … request finds in the list, or gets instead. What was taken out is not
/// there any more.
fn stop(
    shell: &str,
    client: &str,
    method: &'static str,
    limit: &str,
    more: &[(&str, &str)],
    answers: impl Fn(usize) -> Result<Usable, Reply> + Send + Sync + 'static,
) -> (Outcome, Vec<Request>) {
    let (count, out) = (AtomicUsize::new(0), AtomicBool::new(false));
    let server = Server::start(move |request| {
        let count = count.fetch_add(1, Ordering::SeqCst);
        if request.method == "PUT" {
            out.store(true, Ordering::SeqCst);
            return Reply::Answer(200, String::new());
        }
        match answers(count) {
            Ok((this, other)) => {
                let this = this && !out.load(Ordering::SeqCst);
                registry(method, request, (this, other))
            }
            Err(reply) => reply,
        }
    });
    let url = server.url();
    let mut env: Vec<_> = settings(method, &url)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("SILKROLL_NACOS_USER"))
        .collect();
    env.push(("SILKROLL_DEREGISTER_SECONDS", limit));
    env.extend(more);
    let budget = Duration::from_secs(limit.parse().unwrap());
    let outcome = Place::new(shell, &[client]).hook_within(budget, &env, &["stop"]);
    let case = format!("{method} in {shell} with {client}: {}", outcome.output);
    assert_eq!(outcome.status, Some(0), "{case}");
    assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
    assert!(!outcome.output.contains("topsecret"), "{case}");
    (outcome, server.requests())
}

/// The same, again where a slow machine took so long for the first reading that it counts as none, which is no fault.
fn stop_that_waits(
    shell: &str,
    client: &str,
    method: &'static str,
    limit: &str,
    answers: impl Fn(usize) -> Result<Usable, Reply> + Send + Sync + Clone + 'static,
) -> (Outcome, Vec<Request>) {
    let mut tries = (0..5).map(|_| stop(shell, client, method, limit, &[], answers.clone()));
    let waits = |(outcome, _): &(Outcome, Vec<Request>)| outcome.output.contains(LAST);
    tries.find(waits).unwrap()
}

const LAST: &str = "is the last usable instance, waiting at most";
const FOUND: &str = "another instance is listed in";
const NONE: &str = "no other instance was seen within";

/// It was tried to take the instance out, at the end and not before.
fn deregisters(requests: &[Request]) -> bool {
    requests.iter().any(|request| request.method == "PUT")
}

#[test]
fn the_last_one_waits_until_another_one_is_listed() {
    std::thread::scope(|scope| {
        for method in LISTING {
            scope.spawn(move || {
                let pairs = SHELLS.map(|(shell, _)| (shell, "curl"));
                for (shell, client) in pairs.into_iter().chain(each_client()) {
                    let (outcome, requests) =
                        stop_that_waits(shell, client, method, "60", move |count| {
                            Ok((true, count >= 3))
                        });
                    let case = format!("{method} in {shell} with {client}: {}", outcome.output);
                    assert!(outcome.output.contains(LAST), "{case}");
                    assert!(outcome.output.contains(FOUND), "{case}");
                    let first = requests.iter().position(|it| it.method == "PUT");
                    // One that cannot send it says so, as ever.
                    let cannot = outcome.output.contains("can send PUT");
                    assert!(cannot || first.is_some_and(|at| at > 3), "{case}");
                }
            });
        }
    });
}

#[test]
fn where_there_is_nothing_to_wait_for_nothing_is_waited() {
    type Answers = fn(usize) -> Result<Usable, Reply>;
    type Settings = &'static [(&'static str, &'static str)];
    let cases: [(&str, Settings, Answers); 5] = [
        ("another is there", &[], |_| Ok((true, true))),
        ("it is not listed itself", &[], |_| Ok((false, false))),
        ("the list cannot be read", &[], |count| match count {
            0 => Err(Reply::Answer(503, String::new())),
            _ => Ok((true, false)),
        }),
        ("the list is cut", &[], |count| match count {
            0 => Err(Reply::Answer(200, "[{\"hosts\":[".to_owned())),
            _ => Ok((true, false)),
        }),
        (
            "asked not to",
            &[("SILKROLL_LAST_INSTANCE", "leave")],
            |_| Ok((true, false)),
        ),
    ];
    for (shell, _) in SHELLS {
        for method in LISTING {
            for (what, more, answers) in cases {
                let (outcome, requests) = stop(shell, "curl", method, "60", more, answers);
                let case = format!("{what}: {method} in {shell}: {}", outcome.output);
                assert!(!outcome.output.contains(LAST), "{case}");
                let unread = outcome
                    .output
                    .contains("whether this is the last instance cannot be read: ");
                assert_eq!(unread, what.starts_with("the list"), "{case}");
                let absent = (what, method) == ("it is not listed itself", "nacos");
                assert!(deregisters(&requests) || absent, "{case}");
            }
        }
    }
}

#[test]
fn who_is_dead_or_gets_no_calls_is_no_other_one() {
    // With its protection threshold reached, Nacos has the dead as healthy, too.
    for list in [
        r#"{"hosts":[ME,{"ip":"10.1.2.4","port":80,"healthy":true,"weight":1.0,"metadata":{}}],"reachProtectionThreshold":true}"#,
        r#"{"hosts":[ME,{"ip":"10.1.2.4","port":80,"healthy":true,"weight":0.0}]}"#,
        r#"{"hosts":[ME,{"weight":0,"ip":"10.1.2.4","port":80,"enabled":true}]}"#,
        // Nacos 1.x, of which the metadata comes first.
        r#"{"hosts":[{"ip":"10.1.2.4","port":80,"valid":true,"healthy":true,"metadata":{"weight":"1.0"},"enabled":true,"weight":0.0},ME]}"#,
        r#"{"hosts":[ME,{"ip":"10.1.2.4","port":80,"healthy":true,"metadata":{},"enabled":false,"weight":1.0}]}"#,
    ] {
        let me = r#"{"ip":"10.1.2.3","port":9810,"healthy":true,"weight":1.0,"metadata":{}}"#;
        let list = list.replace("ME", me);
        for (shell, _) in SHELLS {
            let there = list.clone();
            let answers = move |count| match count {
                ..2 => Err(Reply::Chunks(200, there.clone())),
                _ => Ok((true, true)),
            };
            let (outcome, _) = stop_that_waits(shell, "curl", "nacos", "60", answers);
            let case = format!("{list} in {shell}: {}", outcome.output);
            assert!(outcome.output.contains(FOUND), "{case}");
        }
    }
}

#[test]
fn where_no_other_one_comes_it_leaves_all_the_same_inside_of_its_time() {
    std::thread::scope(|scope| {
        for (shell, _) in SHELLS {
            for method in LISTING {
                scope.spawn(move || {
                    let (outcome, requests) =
                        stop_that_waits(shell, "curl", method, "30", |_| Ok((true, false)));
                    let case = format!("{method} in {shell}: {}", outcome.output);
                    // A slow machine waits less, for it needs more for what comes after.
                    let (_, waits) = outcome.output.split_once(LAST).unwrap();
                    let seconds = waits.split_whitespace().next().unwrap();
                    let seconds: u64 = seconds.parse().unwrap();
                    assert!((1..=27).contains(&seconds), "{case}");
                    assert!(outcome.output.contains(NONE), "{case}");
                    // Less than a second that is left would be no time for another look.
                    assert!(outcome.took >= Duration::from_secs(seconds - 1), "{case}");
                    assert!(deregisters(&requests), "{case}");
                });
            }
        }
    });
}

/// A registry that hangs while it is waited for, and one that did before, leave the time that deregistering takes.
#[test]
fn a_registry_that_hangs_meanwhile_costs_no_more_than_the_wait() {
    std::thread::scope(|scope| {
        for (shell, _) in SHELLS {
            for hangs_from in [0, 2] {
                scope.spawn(move || {
                    let answers = move |count| {
                        if count >= hangs_from {
                            return Err(Reply::Hang);
                        }
                        Ok((true, false))
                    };
                    let (outcome, requests) = match hangs_from {
                        0 => stop(shell, "curl", "eureka", "20", &[], answers),
                        _ => stop_that_waits(shell, "curl", "eureka", "20", answers),
                    };
                    let case = format!("{shell} from {hangs_from}: {}", outcome.output);
                    assert!(deregisters(&requests), "{case}");
                    assert!(outcome.output.contains("eureka: left as"), "{case}");
                    assert_eq!(outcome.output.contains(LAST), hangs_from > 0, "{case}");
                });
            }
        }
    });
}

/// Nodes that are down answer nothing. With two of three of them the third is asked in the default time, the last one waits where there
/// is time for it, and whoever answered is asked first from then on, when nobody came, too.
#[test]
fn silent_servers_leave_time_for_the_one_that_answers() {
    std::thread::scope(|scope| {
        for (shell, _) in SHELLS {
            let cases = [
                ("10", Some(0), ""),
                ("30", Some(3), FOUND),
                ("10", None, ""),
                ("20", None, NONE),
            ];
            for (limit, comes, said) in cases {
                scope.spawn(move || {
                    let silent = [(); 2].map(|()| Server::start(|_| Reply::Hang));
                    let count = AtomicUsize::new(0);
                    let out = AtomicBool::new(false);
                    let living = Server::start(move |request| {
                        if request.method == "PUT" {
                            out.store(true, Ordering::SeqCst);
                            return Reply::Answer(200, String::new());
                        }
                        let count = count.fetch_add(1, Ordering::SeqCst);
                        let other = comes.is_some_and(|at| count >= at);
                        let this = !out.load(Ordering::SeqCst);
                        registry("nacos", request, (this, other))
                    });
                    let [one, two] = silent.each_ref().map(Server::url);
                    let servers = format!("{one},{two},{}", living.url());
                    let mut env = crate::deregister_nacos::settings(&servers);
                    env.push(("SILKROLL_DEREGISTER_SECONDS", limit));
                    let budget = Duration::from_secs(limit.parse().unwrap());
                    let place = Place::new(shell, &["curl"]);
                    let outcome = place.hook_within(budget, &env, &["stop"]);
                    let case = format!("{limit} {comes:?} {shell}: {}", outcome.output);
                    assert!(outcome.over < SPARE, "{:?} over, {case}", outcome.over);
                    assert!(deregisters(&living.requests()), "{case}");
                    assert!(outcome.output.contains("left as 10.1.2.3:9810"), "{case}");
                    assert!(outcome.output.contains(said), "{case}");
                    for silent in &silent {
                        assert_eq!(silent.requests().len(), 1, "{case}");
                    }
                });
            }
        }
    });
}

#[test]
fn a_real_switch_is_read_from_the_list_that_leaves_out_what_is_disabled() {
    for generation in [Generation::Two, Generation::Three] {
        for (other, waits) in [(true, false), (false, true)] {
            let nacos = Registry::new(State {
                other,
                ..State::new(generation)
            });
            let url = nacos.server.url();
            let mut env = crate::deregister_nacos::settings(&url);
            env.push(("SILKROLL_DEREGISTER_SECONDS", "8"));
            for (shell, _) in SHELLS {
                nacos.state.lock().unwrap().enabled = true;
                let outcome = Place::new(shell, &["curl"]).hook_to_its_bound(&env, &["stop"]);
                let case = format!("{generation:?} {shell}: {}", outcome.output);
                assert_eq!(outcome.output.contains(LAST), waits, "{case}");
                assert!(!nacos.state.lock().unwrap().enabled, "{case}");
            }
        }
    }
}
