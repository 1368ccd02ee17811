//! Re-enabling: what deregistering switched off stays off for the address, and a container that starts again there must be
//! seen all the same.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use testkit::ports;

use crate::hook::ONE;
use crate::nacos::settings;
use crate::nacos_world::{Client, Instance};
use crate::start::{World, within};

const AT_ONCE: Instance = Instance::new("restarts", "10.2.0.1");
const LATE: Instance = Instance::new("restarts", "10.2.0.2");
const AFTER_30: Instance = Instance::new("restarts", "10.2.0.3");
const AFTER_70: Instance = Instance::new("restarts", "10.2.0.4");
const REGISTRY_DOWN: Instance = Instance::new("restarts", "10.2.0.5");
/// Without a start hook: it shows that the others have something to overcome.
const NO_HOOK: Instance = Instance::new("restarts", "10.2.0.6");
const ALL: [Instance; 6] = [AT_ONCE, LATE, AFTER_30, AFTER_70, REGISTRY_DOWN, NO_HOOK];

/// From its registration until a caller sees it: the start hook asks every 2 s, and each ask may take one or two.
const SEEN: u64 = 12;

pub(crate) fn restarts(world: &World, caller: &Client) {
    let first = Client::start(world, "first", "client", 9003, false);
    for instance in &ALL {
        first.register(instance);
    }
    within(30, "the caller sees them all", || {
        ALL.iter().all(|one| sees(caller, one))
    });
    for instance in &ALL {
        ONE.stop(&settings(instance)).has("left as");
    }
    within(5, "the caller forgets them all", || {
        caller.sees("restarts").is_empty()
    });
    first.process.kill().unwrap();
    let down = Instant::now();
    let again = Client::start(world, "again", "client", 9004, false);

    ONE.start(&settings(&AT_ONCE));
    ONE.start(&settings(&LATE));
    let [port] = ports::free().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let server = format!("http://{address}");
    ONE.start(&settings(&REGISTRY_DOWN).with("SILKROLL_NACOS_SERVER", &server));
    for instance in [&AT_ONCE, &REGISTRY_DOWN, &NO_HOOK] {
        again.register(instance);
    }
    is_back(world, caller, &AT_ONCE, "restarted at once");

    at(down, 20);
    again.register(&LATE);
    is_back(world, caller, &LATE, "registered 20 s after the start hook");
    let still = caller.sees("restarts");
    assert!(
        !still.contains(NO_HOOK.ip) && !still.contains(REGISTRY_DOWN.ip),
        "something else brings instances back: {still}"
    );
    world.ok("without a start hook, and where the registry is down, it is still away");
    thread::spawn(move || forward(&TcpListener::bind(address).unwrap()));
    is_back(
        world,
        caller,
        &REGISTRY_DOWN,
        "the registry was down at the start and is up again",
    );

    for (seconds, instance, what) in [
        (30, AFTER_30, "restarted after 30 s"),
        (70, AFTER_70, "restarted after 70 s"),
    ] {
        at(down, seconds);
        ONE.start(&settings(&instance));
        again.register(&instance);
        is_back(world, caller, &instance, what);
    }
    assert!(!sees(caller, &NO_HOOK));
    world.ok("without a start hook it is still away 70 s later");
}

fn sees(caller: &Client, instance: &Instance) -> bool {
    caller.sees("restarts").contains(&instance.line())
}

fn is_back(world: &World, caller: &Client, instance: &Instance, what: &str) {
    let took = within(SEEN, what, || sees(caller, instance));
    world.ok(&format!("{what}: seen {took:.1?} after its registration"));
}

fn at(begun: Instant, seconds: u64) {
    thread::sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed()));
}

/// A registry that comes up: passes connections on to the real one.
fn forward(listener: &TcpListener) {
    for client in listener.incoming().flatten() {
        let server = TcpStream::connect("127.0.0.1:8848").unwrap();
        for (mut from, mut to) in [
            (client.try_clone().unwrap(), server.try_clone().unwrap()),
            (server, client),
        ] {
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Write);
            });
        }
    }
}
