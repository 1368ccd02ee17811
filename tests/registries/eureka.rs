//! Eureka with a real Spring Boot client: `OUT_OF_SERVICE` is kept through heartbeats, seen by a caller, and forgotten
//! when the application starts again. Spring's actuator, whose switch is the same override, is proved on the same pair.

use std::net::TcpListener;

use serde_json::Value;

use crate::ask::{ask, get};
use crate::hook::{ONE, RUNNERS, Settings};
use crate::listed::{self, Pair};
use crate::spring;
use crate::start::{Jvm, OTHERS, World, up, within};
use testkit::process::Process;

const SERVER: &str = "http://127.0.0.1:8761";
/// The same server through the port that asks for a password.
const GUARDED: &str = "http://127.0.0.1:8762/eureka/";
const PODIP: &str = "10.1.2.3";
/// As Spring Cloud makes it of host name, application and port: what the default pattern comes to.
const ID: &str = "web-1:customer:9810";

/// The client's heartbeat: every 10 s here, so that this is over sooner; every 30 s as it comes.
pub(crate) const HEARTBEAT: u64 = 12;
/// The server's list of all instances is a copy, made every 10 s here and every 30 s as it comes; a caller fetches it every
/// 5 s here and every 30 s as it comes.
const LIST: u64 = 16;

fn settings() -> Settings {
    Settings::new(
        "eureka",
        PODIP,
        &[
            ("SILKROLL_EUREKA_SERVER", SERVER),
            ("SILKROLL_EUREKA_APP", "customer"),
            ("SILKROLL_EUREKA_INSTANCE", "{podname}:customer:9810"),
            ("SILKROLL_EUREKA_PORT", "9810"),
        ],
    )
}

fn spring_jvm() -> Jvm<'static> {
    Jvm {
        megabytes: 192,
        ..Jvm::default()
    }
}

/// An application at `port` that registers as web-1:NAME:PORT.
pub(crate) fn application(world: &World, name: &'static str, port: u16, more: &[&str]) -> Process {
    let (port, name_option) = (
        format!("--server.port={port}"),
        format!("--spring.application.name={name}"),
    );
    let mut args = vec![
        &*port,
        &*name_option,
        "--spring.cloud.client.hostname=web-1",
        "--eureka.instance.ip-address=10.1.2.3",
        "--eureka.client.service-url.defaultZone=http://127.0.0.1:8761/eureka/",
        "--eureka.instance.lease-renewal-interval-in-seconds=10",
        "--eureka.instance.lease-expiration-duration-in-seconds=30",
        "--eureka.client.registry-fetch-interval-seconds=5",
    ];
    args.extend(more);
    world.java(name, "spring", "App", &spring_jvm(), &args)
}

pub(crate) fn customer(world: &World) -> Process {
    let exposed = "--management.endpoints.web.exposure.include=serviceregistry";
    application(world, "customer", 9810, &[exposed])
}

/// What the server says of the instance now: its status, and what that is overridden with.
fn now() -> [String; 2] {
    let url = format!("8761/eureka/apps/CUSTOMER/{ID}");
    let answer = ask("GET", &url, &["Accept: application/json"], "");
    if answer.status != 200 {
        return ["absent".to_owned(), answer.status.to_string()];
    }
    let page = answer.json();
    ["status", "overriddenStatus"].map(|key| page["instance"][key].as_str().unwrap().to_owned())
}

pub(crate) fn is(status: &str, overridden: &str) -> bool {
    now() == [status, overridden]
}

const OUT: [&str; 2] = ["OUT_OF_SERVICE"; 2];

/// The time of the last heartbeat that the server knows.
fn renewed() -> Value {
    let url = format!("8761/eureka/apps/CUSTOMER/{ID}");
    let page = ask("GET", &url, &["Accept: application/json"], "").json();
    page["instance"]["leaseInfo"]["lastRenewalTimestamp"].clone()
}

/// What a caller's load balancer chooses from.
fn caller_sees() -> String {
    get("9811/sees/customer").text()
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn eureka_and_the_actuator() {
    let world = World::new("Eureka", &OTHERS);
    let jvm = Jvm {
        megabytes: 256,
        ..Jvm::default()
    };
    let args = [
        "--server.port=8761",
        "--eureka.server.response-cache-update-interval-ms=10000",
        // It takes an address that is not its own for a peer, and would tell itself everything again 0.5 s later.
        "--eureka.instance.hostname=localhost",
        "--eureka.client.service-url.defaultZone=http://localhost:8761/eureka/",
        "--eureka.client.register-with-eureka=false",
        "--eureka.client.fetch-registry=false",
        "--spring.security.user.name=web",
        "--spring.security.user.password=secret",
    ];
    let mut server = world.java("eureka", "eureka", "Eureka", &jvm, &args);
    up(120, &mut server, || get("8761/eureka/apps").status == 200);
    world.ok("the server is up");
    let mut app = customer(&world);
    let mut caller = application(&world, "caller", 9811, &[]);
    up(60, &mut app, || is("UP", "UNKNOWN"));
    up(60, &mut caller, || caller_sees() == format!("{ID}\n"));
    world.ok("the application is registered, and a caller sees it");

    seen_by_a_caller(&world);
    each_runner(&world);
    unknown(&world);
    password(&world);
    dead_servers_first(&world);
    goes_by_the_list(&world);
    let app = after_a_crash(&world, app);
    spring::actuator(&world, app);
}

/// Two that register over HTTP and never renew.
fn goes_by_the_list(world: &World) {
    const JSON: &str = "Content-Type: application/json";
    let [this, other] = ["10.1.3.1", "10.1.3.2"].map(|ip| {
        settings()
            .with("podip", ip)
            .with("SILKROLL_EUREKA_APP", "pair")
            .with("SILKROLL_EUREKA_INSTANCE", "{podip}:pair:9810")
    });
    let appear = |at: usize| {
        let ip = format!("10.1.3.{}", at + 1);
        let id = format!("{ip}:pair:9810");
        // The override goes with the instance.
        ask("DELETE", &format!("8761/eureka/apps/PAIR/{id}"), &[], "");
        let body = serde_json::json!({"instance": {
            "instanceId": id, "hostName": ip, "app": "PAIR", "ipAddr": ip, "status": "UP",
            "vipAddress": "pair", "port": {"$": 9810, "@enabled": "true"},
            "leaseInfo": {"durationInSecs": 3600},
            "dataCenterInfo": {"name": "MyOwn",
                "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"},
        }});
        let answer = ask("POST", "8761/eureka/apps/PAIR", &[JSON], &body.to_string());
        assert_eq!(answer.status, 204, "{answer:?}");
    };
    let usable = || {
        let list = ask(
            "GET",
            "8761/eureka/apps/PAIR",
            &["Accept: application/json"],
            "",
        );
        list.text().matches("\"status\":\"UP\"").count()
    };
    let pair = Pair {
        settings: [&this, &other],
        appear: &appear,
        usable: &usable,
        old: LIST,
    };
    listed::goes_by_the_list(world, &pair);
}

fn seen_by_a_caller(world: &World) {
    ONE.stop(&settings()).has("silkroll: eureka: left as ");
    // The change counts as a heartbeat.
    let before = renewed();
    assert_eq!(now(), OUT);
    let took = within(LIST, "the caller forgets it", || caller_sees().is_empty());
    world.ok(&format!("left; a caller forgets it {took:.1?} later"));
    within(HEARTBEAT, "a heartbeat", || renewed() != before);
    assert_eq!(now(), OUT);
    world.ok("it stays out of service through a heartbeat");
    ONE.start(&settings());
    within(HEARTBEAT, "it is back with its next heartbeat", || {
        is("UP", "UNKNOWN")
    });
    within(LIST, "the caller sees it", || {
        caller_sees() == format!("{ID}\n")
    });
    world.ok("re-enabling takes the override off; UP with the next heartbeat");
}

fn each_runner(world: &World) {
    for runner in RUNNERS {
        runner.stop(&settings()).has("left as ");
        assert_eq!(now(), OUT);
        runner.start(&settings());
        assert_eq!(now()[1], "UNKNOWN");
        // The id is another one than the default pattern gives: found by its address.
        let other = settings().with("SILKROLL_EUREKA_INSTANCE", "{podip}:customer:{env:NOTHING}");
        runner.stop(&other).has("left as ");
        assert_eq!(now(), OUT);
        runner.start(&other);
        assert_eq!(now()[1], "UNKNOWN");
        let other_port = other.with("SILKROLL_EUREKA_PORT", "9999");
        runner.stop(&other_port).has("is not registered");
        assert_eq!(now()[1], "UNKNOWN");
        world.ok(&format!(
            "{}: by its id and, where that is another, by address and port",
            runner.name
        ));
    }
}

fn unknown(world: &World) {
    for runner in RUNNERS {
        for (name, value) in [("SILKROLL_EUREKA_APP", "nosuch"), ("podip", "10.9.9.9")] {
            let settings = settings()
                .with("SILKROLL_EUREKA_INSTANCE", "another")
                .with(name, value);
            runner
                .stop(&settings)
                .has("is not registered, nothing to switch off");
            let said = runner.start(&settings);
            assert!(!said.log.contains("not done"), "{}", said.log);
        }
    }
    assert_eq!(now()[1], "UNKNOWN");
    world.ok("an unknown application or instance is left without a change");
}

fn password(world: &World) {
    let guarded = settings().with("SILKROLL_EUREKA_SERVER", GUARDED);
    let known = guarded
        .clone()
        .with("SILKROLL_EUREKA_USERNAME", "web")
        .with("SILKROLL_EUREKA_PASSWORD", "secret");
    let wrong = known
        .clone()
        .with("SILKROLL_EUREKA_PASSWORD", "opensesame")
        .with("SILKROLL_DEREGISTER_SECONDS", "4");
    for runner in RUNNERS {
        for refused in [&guarded, &wrong] {
            let said = runner.stop(refused);
            said.has("silkroll: eureka: not done: ");
            said.has("401");
            assert!(!said.log.contains("opensesame"), "{}", said.log);
        }
        assert_eq!(now()[1], "UNKNOWN");
        let said = runner.stop(&known);
        said.has("left as ");
        assert!(!said.log.contains("secret"), "{}", said.log);
        assert_eq!(now(), OUT);
        runner.start(&known);
        assert_eq!(now()[1], "UNKNOWN");
    }
    world.ok("where the server asks for user and password they are needed, and enough");
}

fn dead_servers_first(world: &World) {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    for first in [
        "http://127.0.0.1:9".to_owned(),
        format!("http://{}", mute.local_addr().unwrap()),
    ] {
        let both = settings().with("SILKROLL_EUREKA_SERVER", &format!("{first},{SERVER}"));
        for runner in RUNNERS {
            runner.stop(&both).has("left as ");
            assert_eq!(now(), OUT);
            runner.start(&settings());
            assert_eq!(now()[1], "UNKNOWN");
        }
    }
    world.ok("a first server that refuses or hangs is passed over");
}

/// Killed, it cannot take itself out: its entry stays, and with it the override.
fn after_a_crash(world: &World, app: Process) -> Process {
    within(HEARTBEAT, "it is as new", || is("UP", "UNKNOWN"));
    ONE.stop(&settings()).has("left as ");
    app.kill().unwrap();
    let mut app = customer(world);
    up(60, &mut app, || get("9810/sees/nobody").status == 200);
    within(10, "it has registered again", || {
        get("9810/actuator/serviceregistry").status == 200
    });
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(now(), OUT);
    world.ok("killed and started without a start hook it stays out of service");
    app.kill().unwrap();

    for runner in RUNNERS {
        ONE.stop(&settings()).has("left as ");
        assert_eq!(now(), OUT);
        runner.start(&settings());
        // Nobody listens there yet: an old entry that is UP would bring it callers.
        assert_eq!(now(), ["UNKNOWN", "UNKNOWN"], "{}", runner.name);
    }
    let mut app = customer(world);
    up(60, &mut app, || is("UP", "UNKNOWN"));
    world.ok("killed and started with one it is UP as soon as it registers, and not before");

    ONE.start(&settings());
    assert!(is("UP", "UNKNOWN"));
    world.ok("a fresh instance is not disturbed");
    app
}
