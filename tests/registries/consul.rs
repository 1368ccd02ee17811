//! Consul: deregistered at the agent, at once gone from what callers ask for.

use serde_json::{Value, json};
use std::fs;
use std::thread;

use crate::ask::{Answer, ask};
use crate::hook::{ONE, RUNNERS, Settings};
use crate::listed::{self, Pair};
use crate::start::{OTHERS, World, prepared, up};
use testkit::process::Process;

const MANAGER: &str = "0c1e7ac5-3fd2-4f4c-8d9a-6e8e2f7a1b90";

fn settings() -> Settings {
    of("{podname}")
}

fn of(id: &str) -> Settings {
    let annotations = [("consul-service-id", id), ("consul-token-secret", "acl")];
    Settings::told("consul", "10.1.2.3", &annotations)
}

/// As whoever may do everything.
fn consul(verb: &str, path: &str, body: &Value) -> Answer {
    let token = format!("X-Consul-Token: {MANAGER}");
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    ask(verb, &format!("8500/v1/{path}"), &[&token], &text)
}

fn register() {
    let service = json!({
        "ID": "web-1", "Name": "customer", "Address": "10.1.2.3", "Port": 9810,
        "Check": {"TTL": "600s", "Status": "passing"},
    });
    let answer = consul("PUT", "agent/service/register", &service);
    assert_eq!(answer.status, 200, "{answer:?}");
    // The agent tells the catalog by itself, soon after.
    crate::start::within(5, "callers see it", || passing() == 1);
}

/// How many instances callers get.
fn passing() -> usize {
    let answer = consul("GET", "health/service/customer?passing", &Value::Null);
    answer.json().as_array().map_or(0, Vec::len)
}

fn agent(world: &World, config: &Value) -> Process {
    let file = world.dir.path().join("consul.json");
    fs::write(&file, config.to_string()).unwrap();
    let (program, file) = (
        prepared().join("consul"),
        format!("-config-file={}", file.display()),
    );
    let args = [
        "agent",
        "-dev",
        "-bind=127.0.0.1",
        "-log-level=warn",
        &*file,
    ];
    let mut agent = world.start("consul", &program.display().to_string(), &args);
    up(30, &mut agent, || {
        let leader = consul("GET", "status/leader", &Value::Null);
        // Where there are tokens, it makes the first one a moment after it has a leader.
        let knows_us = consul("GET", "acl/token/self", &Value::Null).status != 403;
        leader.status == 200 && leader.body.len() > 2 && knows_us
    });
    agent
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn consul_1_12_9() {
    let world = World::new("Consul 1.12.9", &OTHERS);
    let open = agent(&world, &json!({}));
    for runner in RUNNERS {
        register();
        let said = runner.stop(&settings());
        said.has(
            "silkroll: consul: left: PUT http://127.0.0.1:8500/v1/agent/service/deregister/web-1",
        );
        assert_eq!(passing(), 0);
        runner.stop(&settings()).has("is not registered");
        // Nothing sticks: the same id again is there at once.
        register();
        world.ok(&format!(
            "{}: gone from ?passing when the hook goes on; an unknown id is fine; the same id registers again",
            runner.name
        ));
    }
    goes_by_the_list(&world);
    stays_out_of_it(&world);
    drop(open);

    let acl = json!({"acl": {
        "enabled": true, "default_policy": "deny", "tokens": {"initial_management": MANAGER},
    }});
    let _guarded = agent(&world, &acl);
    let token = token();
    for runner in RUNNERS {
        register();
        let wrong = settings().with(
            "SILKROLL_HTTP_TOKEN",
            "5f1c2b5e-0000-4000-8000-000000000000",
        );
        for refused in [&settings(), &wrong] {
            let said = runner.stop(refused);
            said.has("silkroll: consul: not done: ");
            said.has("403");
            assert!(!said.log.contains("5f1c2b5e"), "{}", said.log);
            assert_eq!(passing(), 1);
        }
        let said = runner.stop(&settings().with("SILKROLL_HTTP_TOKEN", &token));
        said.has("consul: left: ");
        assert!(!said.log.contains(&token), "{}", said.log);
        // It may not read nodes, so the list has none: that says nothing about who is there.
        register();
        let waits = [
            ("SILKROLL_LAST_INSTANCE", "wait"),
            ("SILKROLL_HTTP_TOKEN", &*token),
        ];
        let (passes, said) = runner.registered(&settings().and(&waits));
        let unread = "ready: the list cannot be read: ";
        assert!(
            passes && said.contains(unread) && said.contains("hides nodes"),
            "{said}"
        );
        let said = runner.stop(&settings().and(&waits));
        assert!(!said.log.contains("last usable"), "{}", said.log);
        said.has("consul: left: ");
        assert_eq!(passing(), 0);
        world.ok(&format!(
            "{}: a token is needed where the agent wants one; none or a wrong one is named: 403",
            runner.name
        ));
    }
    ONE.stop(&of("nosuch")).has("is not registered");
}

fn goes_by_the_list(world: &World) {
    let [this, other] = ["pair-1", "pair-2"].map(of);
    let appear = |at: usize| {
        let service = json!({
            "ID": format!("pair-{}", at + 1), "Name": "pair", "Port": 9810,
            "Check": {"TTL": "600s", "Status": "passing"},
        });
        let answer = consul("PUT", "agent/service/register", &service);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let usable = || {
        let answer = consul("GET", "health/service/pair?passing", &Value::Null);
        answer.json().as_array().map_or(0, Vec::len)
    };
    let pair = Pair {
        settings: [&this, &other],
        appear: &appear,
        usable: &usable,
        old: 5,
    };
    listed::goes_by_the_list(world, &pair);
}

/// As a client does whose heartbeat finds nothing, once in the middle of the drain.
fn stays_out_of_it(world: &World) {
    for runner in RUNNERS {
        register();
        let drains = settings().with("SILKROLL_DRAIN_SECONDS", "12");
        let said = thread::scope(|scope| {
            let stop = scope.spawn(|| runner.stop(&drains));
            crate::start::within(5, "it has left", || passing() == 0);
            register();
            stop.join().unwrap()
        });
        assert_eq!(
            said.log.matches("consul: left: ").count(),
            2,
            "{}",
            said.log
        );
        assert_eq!(passing(), 0);
        world.ok(&format!(
            "{}: what registers again during the drain is deregistered again",
            runner.name
        ));
    }
}

/// A token that may write this service and nothing else.
fn token() -> String {
    let rules = r#"service "customer" { policy = "write" }"#;
    let policy = json!({"Name": "customer", "Rules": rules});
    let made = consul("PUT", "acl/policy", &policy);
    assert_eq!(made.status, 200, "{made:?}");
    let made = consul(
        "PUT",
        "acl/token",
        &json!({"Policies": [{"Name": "customer"}]}),
    );
    made.json()["SecretID"].as_str().unwrap().to_owned()
}
