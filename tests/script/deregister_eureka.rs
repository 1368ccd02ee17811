//! The `eureka` method against a stand-in: the override by id, else by address, and the re-enabling.

use crate::methods::{Eureka, Instance, eureka, settings};
use crate::run::{NO_PUT, Outcome, Place, SHELLS, pairs};
use crate::server::{Reply, Server};
use std::sync::{Arc, Mutex};
use testkit::wait::eventually;

struct Registry {
    state: Eureka,
    server: Server,
}

impl Registry {
    fn new(instances: &[Instance]) -> Self {
        let state: Eureka = Arc::new(Mutex::new(instances.to_vec()));
        let shared = state.clone();
        Self {
            state,
            server: Server::start(move |request| eureka(&shared, request)),
        }
    }

    fn off(&self) -> Vec<&'static str> {
        let state = self.state.lock().unwrap();
        state.iter().filter(|it| it.off).map(|it| it.id).collect()
    }

    fn calls(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests
            .iter()
            .map(|it| format!("{} {}", it.method, it.target))
            .collect()
    }
}

const KNOWN: Instance = Instance::new("10.1.2.3:orders:8080", "10.1.2.3", 8080);

fn run(shell: &str, client: &str, servers: &str, more: &[(&str, &str)], step: &str) -> Outcome {
    run_in(&Place::new(shell, &[client]), servers, more, step)
}

fn run_in(place: &Place, servers: &str, more: &[(&str, &str)], step: &str) -> Outcome {
    let mut env = settings("eureka", servers);
    // Time enough for a busy machine: what succeeds takes no more of it than it needs.
    env.push(("SILKROLL_DEREGISTER_SECONDS", "60"));
    // What is read before has tests of its own, in last_instance.rs.
    env.push(("SILKROLL_LAST_INSTANCE", "leave"));
    env.extend(more);
    place.hook(&env, &[step])
}

#[test]
fn every_shell_and_client_overrides_the_status_and_takes_the_override_back() {
    for (shell, client) in pairs() {
        let registry = Registry::new(&[Instance::new("other", "10.1.2.30", 8080), KNOWN]);
        let url = registry.server.url();
        let outcome = run(shell, client, &url, &[], "stop");
        let case = format!("{shell} with {client}: {}", outcome.output);
        assert_eq!(outcome.status, Some(0), "{case}");
        if client == NO_PUT {
            assert!(outcome.output.contains("can send PUT"), "{case}");
            continue;
        }
        assert_eq!(registry.off(), [KNOWN.id], "{case}");
        assert!(
            outcome
                .output
                .contains("silkroll: eureka: left as 10.1.2.3:orders:8080 of orders"),
            "{case}"
        );
        assert!(!outcome.output.contains("topsecret"), "{case}");
        let request = registry.server.requests().remove(0);
        assert_eq!(
            request.header("authorization"),
            Some("Basic bjp0b3BzZWNyZXQ="),
            "{case}"
        );
        assert!(request.header("accept").is_some(), "{case}");

        let place = Place::new(shell, &[client]);
        let outcome = run_in(&place, &url, &[], "start");
        let case = format!("back, {shell} with {client}: {}", outcome.output);
        assert_eq!(outcome.status, Some(0), "{case}");
        assert!(outcome.says_at_start("back as"), "{case}");
        eventually(&case, || registry.off().is_empty().then_some(()));
    }
}

#[test]
fn another_id_is_found_by_its_address_and_port() {
    let one = [
        Instance::new("x:1", "10.1.2.30", 8080),
        Instance::new("pod-7", "10.1.2.3", 9000),
    ];
    let two = [
        Instance::new("a", "10.1.2.3", 9000),
        Instance::new("b", "10.1.2.3", 9001),
    ];
    // Eureka answers XML where the first Accept line does not ask for JSON, whoever sends it.
    let able = |(_, client): &(&str, &str)| *client != NO_PUT;
    for (shell, client) in pairs().into_iter().filter(able) {
        for (instances, port, off, says) in [
            (&one[..], "", &["pod-7"][..], "left as pod-7 of orders"),
            (&one[..], "9000", &["pod-7"][..], "left as pod-7 of orders"),
            (
                &one[..],
                "9001",
                &[][..],
                "10.1.2.3:9001 of orders is not registered, nothing to switch off",
            ),
            (&two[..], "9001", &["b"][..], "left as b of orders"),
            (
                &two[..],
                "",
                &[][..],
                "2 instances of orders are at 10.1.2.3",
            ),
            (
                &[][..],
                "",
                &[][..],
                "10.1.2.3 of orders is not registered, nothing to switch off",
            ),
        ] {
            let registry = Registry::new(instances);
            let more: &[_] = if port.is_empty() {
                &[]
            } else {
                &[("SILKROLL_EUREKA_PORT", port)]
            };
            let outcome = run(shell, client, &registry.server.url(), more, "stop");
            let case = format!("{shell} with {client} {port}: {}", outcome.output);
            assert_eq!(registry.off(), off, "{case}");
            assert!(outcome.output.contains(says), "{case}");
            for list in registry
                .server
                .requests()
                .iter()
                .filter(|it| it.target.ends_with("/orders"))
            {
                assert_eq!(list.header("accept"), Some("application/json"), "{case}");
            }
        }
    }
}

#[test]
fn an_address_of_version_6_is_found_as_java_writes_it() {
    let instances = [Instance::new("pod-7", "fd00:0:0:0:0:0:0:a7", 9000)];
    for (shell, _) in SHELLS {
        let registry = Registry::new(&instances);
        let (url, here) = (registry.server.url(), [("podip", "fd00::a7")]);
        let ready = run(shell, "curl", &url, &here, "registered");
        let outcome = run(shell, "curl", &url, &here, "stop");
        let case = format!("{shell}: {} {}", ready.output, outcome.output);
        assert_eq!(ready.status, Some(0), "{case}");
        assert_eq!(registry.off(), ["pod-7"], "{case}");
    }
}

/// What is missing may hold another instance at that address, which has to stay.
#[test]
fn one_in_a_list_that_broke_off_is_not_taken_for_the_only_one() {
    for (shell, _) in SHELLS {
        let server = Server::start(|request| {
            match request.path() {
            "/eureka/apps/orders" => Reply::Chunks(
                200,
                r#"{"application":{"instance":[{"instanceId":"pod-7","ipAddr":"10.1.2.3","port":{"$":1,"@enabled":"true"}"#.to_owned(),
            ),
            _ => Reply::Answer(404, "{}".to_owned()),
        }
        });
        let more = [("SILKROLL_DEREGISTER_SECONDS", "3")];
        let outcome = run(shell, "curl", &server.url(), &more, "stop");
        let case = format!("{shell}: {}", outcome.output);
        let puts = server
            .requests()
            .into_iter()
            .filter(|it| it.method == "PUT");
        assert!(
            !puts.into_iter().any(|put| put.target.contains("pod-7")),
            "{case}"
        );
    }
}

#[test]
fn a_start_disturbs_no_fresh_instance_and_waits_for_none() {
    for (shell, _) in SHELLS {
        for (instances, says) in [
            (&[KNOWN][..], "is not switched off"),
            (&[][..], "is not registered, nothing to switch on"),
            (
                &[Instance::new("pod-7", "10.1.2.3", 9000)][..],
                "pod-7 is not switched off",
            ),
        ] {
            let registry = Registry::new(instances);
            let outcome = run(shell, "curl", &registry.server.url(), &[], "start");
            let case = format!("{shell}: {} {:?}", outcome.output, registry.calls());
            assert!(outcome.says_at_start(says), "{case}");
            assert!(
                registry.calls().iter().all(|call| call.starts_with("GET ")),
                "{case}"
            );
        }
        let off = Instance {
            off: true,
            ..Instance::new("pod-7", "10.1.2.3", 9000)
        };
        let registry = Registry::new(&[off]);
        let place = Place::new(shell, &["curl"]);
        let outcome = run_in(&place, &registry.server.url(), &[], "start");
        let case = format!("{shell}: {}", outcome.output);
        eventually(&case, || registry.off().is_empty().then_some(()));
    }
    // As some versions write it.
    let server = Server::start(|request| match &*request.method {
        "GET" => Reply::Answer(
            200,
            r#"{"instance":{"overriddenstatus":"OUT_OF_SERVICE"}}"#.to_owned(),
        ),
        _ => Reply::Answer(200, String::new()),
    });
    let outcome = run("dash", "curl", &server.url(), &[], "start");
    assert!(outcome.says_at_start("back as"), "{}", outcome.output);
}

#[test]
fn servers_are_tried_in_turn_and_a_url_without_a_path_gets_its_own() {
    let registry = Registry::new(&[KNOWN]);
    let hangs = Server::start(|_| Reply::Hang);
    let fails = Server::start(|_| Reply::Answer(500, String::new()));
    let guarded = Server::start(|_| Reply::Answer(401, String::new()));
    let servers = format!(
        "{}, http://127.0.0.1:9,,{},{},{}/eureka/",
        hangs.url(),
        fails.url(),
        guarded.url(),
        registry.server.url()
    );
    let outcome = run("dash", "curl", &servers, &[], "stop");
    assert_eq!(registry.off(), [KNOWN.id], "{}", outcome.output);
    assert_eq!(
        registry.calls(),
        ["PUT /eureka/apps/orders/10.1.2.3%3Aorders%3A8080/status?value=OUT_OF_SERVICE"]
    );
    assert!(fails.requests()[0].path().starts_with("/eureka/apps/"));
}

#[test]
fn credentials_are_base64_whatever_they_hold() {
    for (user, password, header) in [
        ("a", "", "Basic YTo="),
        ("ab", "", "Basic YWI6"),
        ("abc", "", "Basic YWJjOg=="),
        ("a:b", "~\u{7f}\u{fc}\u{4e2d}", "Basic YTpiOn5/w7zkuK0="),
        (
            "-n",
            "$(touch CANARY)`x`'\"\\ \n%&=#",
            "Basic LW46JCh0b3VjaCBDQU5BUlkpYHhgJyJcIAolJj0j",
        ),
    ] {
        for (shell, _) in SHELLS {
            let registry = Registry::new(&[KNOWN]);
            let more = [
                ("SILKROLL_EUREKA_USERNAME", user),
                ("SILKROLL_EUREKA_PASSWORD", password),
            ];
            let outcome = run(shell, "perl", &registry.server.url(), &more, "stop");
            assert_eq!(
                registry.server.requests()[0].header("authorization"),
                Some(header),
                "{shell}: {}",
                outcome.output
            );
        }
    }
}
