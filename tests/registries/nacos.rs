//! Nacos: a subscriber sees the instance go and come back as it was.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::ask::{ask, get};
use crate::hook::{ONE, RUNNERS, Settings};
use crate::listed::{self, Pair};
use crate::nacos_back;
use crate::nacos_world::{Client, Generation, Instance, PASSWORD, SERVER, USER, server};
use crate::start::{NACOS, World, within};

/// How long a caller may take to hear of a change: the server pushes it.
const PUSH: u64 = 10;

pub(crate) fn settings(instance: &Instance) -> Settings {
    let settings = Settings::new(
        "nacos",
        instance.ip,
        &[
            ("SILKROLL_NACOS_SERVER", SERVER),
            ("SILKROLL_NACOS_SERVICE", instance.service),
            ("SILKROLL_NACOS_PORT", "9810"),
        ],
    );
    if instance.cluster == "DEFAULT" {
        return settings;
    }
    settings.with("SILKROLL_NACOS_CLUSTER", instance.cluster)
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn nacos_2_3_1() {
    let world = World::new("Nacos 2.3.1", &NACOS);
    without_login(&world, Generation::Two);
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn nacos_3_1_0() {
    let world = World::new("Nacos 3.1.0", &NACOS);
    without_login(&world, Generation::Three);
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn nacos_2_3_1_with_a_login() {
    with_login(
        &World::new("Nacos 2.3.1 with a login", &NACOS),
        Generation::Two,
    );
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn nacos_3_1_0_with_a_login() {
    with_login(
        &World::new("Nacos 3.1.0 with a login", &NACOS),
        Generation::Three,
    );
}

fn without_login(world: &World, generation: Generation) {
    let _server = server(world, generation, false);
    let caller = Client::start(world, "caller", "client", 9000, false);
    let service = Client::start(world, "service", "client", 9001, false);
    thread::scope(|scope| {
        // It mostly waits: the rest walks on beside it.
        let back = scope.spawn(|| nacos_back::restarts(world, &caller));
        leaves_and_comes_back(world, &caller, &service);
        unknown_is_no_trouble(world, &caller, &service);
        dead_servers_first(world, &caller, &service);
        goes_by_the_list(world, &service);
        match generation {
            Generation::Two => heartbeats_of_the_old_client(world, &caller),
            Generation::Three => heartbeats_over_http(world, &caller),
        }
        back.join().unwrap();
    });
}

fn leaves_and_comes_back(world: &World, caller: &Client, service: &Client) {
    let instance = Instance {
        weight: "2.5",
        cluster: "BLUE",
        ..Instance::new("customer", "10.1.2.3")
    };
    service.register(&instance);
    within(30, "the caller sees it", || {
        caller.sees("customer") == instance.line()
    });
    for runner in RUNNERS {
        runner
            .stop(&settings(&instance))
            .has("silkroll: nacos: left as 10.1.2.3:9810 of customer");
        let gone = within(PUSH, "the caller forgets it", || {
            caller.sees("customer").is_empty()
        });
        runner
            .start(&settings(&instance))
            .has("silkroll: nacos: back as 10.1.2.3:9810 of customer");
        let back = within(PUSH, "weight, cluster and metadata are back", || {
            caller.sees("customer") == instance.line()
        });
        world.ok(&format!(
            "{}: left, forgotten {gone:.1?} later; back, seen {back:.1?} later, with weight, cluster and metadata",
            runner.name
        ));
    }
}

/// Leaving what is not there must not keep it from coming.
fn unknown_is_no_trouble(world: &World, caller: &Client, service: &Client) {
    for instance in [
        Instance::new("nosuch", "10.1.0.1"),
        Instance::new("customer", "10.1.0.2"),
    ] {
        for runner in RUNNERS {
            runner
                .stop(&settings(&instance))
                .has("is not registered, nothing to switch off");
        }
        service.register(&instance);
        within(PUSH, "it is seen", || {
            caller.sees(instance.service).contains(&instance.line())
        });
    }
    world
        .ok("an unknown service or instance is left without a change; registered later it is seen");
}

fn dead_servers_first(world: &World, caller: &Client, service: &Client) {
    let instance = Instance::new("several", "10.1.2.3");
    service.register(&instance);
    within(PUSH, "it is seen", || !caller.sees("several").is_empty());
    // Takes connections and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let servers = [
        ("refuses", "http://127.0.0.1:9".to_owned()),
        ("hangs", format!("http://{}", mute.local_addr().unwrap())),
    ];
    for (how, first) in servers {
        let both = settings(&instance).with("SILKROLL_NACOS_SERVER", &format!("{first},{SERVER}"));
        for runner in RUNNERS {
            let said = runner.stop(&both);
            said.has("left as");
            within(PUSH, "it is gone", || caller.sees("several").is_empty());
            runner.start(&settings(&instance)).has("back as");
            within(PUSH, "it is seen", || !caller.sees("several").is_empty());
        }
        world.ok(&format!("a first server that {how} is passed over"));
    }
}

fn goes_by_the_list(world: &World, service: &Client) {
    let instances = ["10.1.3.1", "10.1.3.2"].map(|ip| Instance::new("pair", ip));
    let [this, other] = instances.each_ref().map(settings);
    let known = [AtomicBool::new(false), AtomicBool::new(false)];
    let appear = |at: usize| {
        if known[at].swap(true, Ordering::SeqCst) {
            ONE.start([&this, &other][at]).has("back as");
        } else {
            service.register(&instances[at]);
        }
    };
    let usable = || {
        let list = get("8848/nacos/v1/ns/instance/list?serviceName=pair");
        assert_eq!(list.status, 200, "{list:?}");
        list.json()["hosts"].as_array().unwrap().len()
    };
    let pair = Pair {
        settings: [&this, &other],
        appear: &appear,
        usable: &usable,
        old: PUSH,
    };
    listed::goes_by_the_list(world, &pair);
}

fn heartbeats_of_the_old_client(world: &World, caller: &Client) {
    let old = Client::start(world, "old", "client1", 9002, false);
    let instance = Instance::new("legacy", "10.1.2.3");
    old.register(&instance);
    outlasts_heartbeats(world, caller, &instance, "the old client");
}

/// Clients of 3.x without gRPC: registered and kept alive by the same call.
fn heartbeats_over_http(world: &World, caller: &Client) {
    let instance = Instance::new("legacy", "10.1.2.3");
    let beat = |more: &str| {
        let path = format!(
            "8848/nacos/v3/client/ns/instance?serviceName=legacy&ip=10.1.2.3&port=9810&metadata=%7B%22version%22%3A%227%22%7D{more}"
        );
        let answer = ask("POST", &path, &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    beat("");
    thread::scope(|scope| {
        let over = TcpListener::bind("127.0.0.1:0").unwrap();
        let end = over.local_addr().unwrap();
        scope.spawn(move || {
            over.set_nonblocking(true).unwrap();
            while over.accept().is_err() {
                beat("&heartBeat=true");
                thread::sleep(Duration::from_secs(1));
            }
        });
        outlasts_heartbeats(world, caller, &instance, "heartbeats over HTTP");
        drop(TcpStream::connect(end));
    });
}

fn outlasts_heartbeats(world: &World, caller: &Client, instance: &Instance, who: &str) {
    within(30, "it is seen", || {
        caller.sees(instance.service) == instance.line()
    });
    ONE.stop(&settings(instance)).has("left as");
    within(PUSH, "it is gone", || {
        caller.sees(instance.service).is_empty()
    });
    // Two of its heartbeats (5 s) and more.
    thread::sleep(Duration::from_secs(12));
    assert_eq!(caller.sees(instance.service), "");
    ONE.start(&settings(instance)).has("back as");
    within(PUSH, "it is back", || {
        caller.sees(instance.service) == instance.line()
    });
    world.ok(&format!(
        "{who}: stays away through 12 s of heartbeats, and comes back"
    ));
}

fn with_login(world: &World, generation: Generation) {
    let _server = server(world, generation, true);
    let caller = Client::start(world, "caller", "client", 9000, true);
    let service = Client::start(world, "service", "client", 9001, true);
    let instance = Instance::new("customer", "10.1.2.3");
    service.register(&instance);
    within(30, "the caller sees it", || {
        caller.sees("customer") == instance.line()
    });
    let known = settings(&instance)
        .with("SILKROLL_NACOS_USERNAME", USER)
        .with("SILKROLL_NACOS_PASSWORD", PASSWORD);
    for runner in RUNNERS {
        let nobody = runner.stop(&settings(&instance));
        nobody.has("silkroll: nacos: not done: ");
        nobody.has("answered 403 to the read");
        runner.stop(&known).has("left as");
        within(PUSH, "it is gone", || caller.sees("customer").is_empty());
        runner.start(&known).has("back as");
        within(PUSH, "it is back", || {
            caller.sees("customer") == instance.line()
        });
        world.ok(&format!(
            "{}: user and password are needed, and enough",
            runner.name
        ));
    }
    let wrong = ONE.stop(
        &known
            .with("SILKROLL_NACOS_PASSWORD", "opensesame")
            .with("SILKROLL_DEREGISTER_SECONDS", "4"),
    );
    wrong.has("silkroll: nacos: not done: ");
    assert!(!wrong.log.contains("opensesame"), "{}", wrong.log);
    assert_eq!(caller.sees("customer"), instance.line());
    world.ok(&format!(
        "a wrong password ends in time: {}",
        wrong.log.lines().next().unwrap_or_default()
    ));
}
