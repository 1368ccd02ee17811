//! The gateway and its caches, over a registry that is a file: what a caller with an old list loses
//! when an instance goes, and that it loses nothing when the instance leaves first and waits.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot be had has to fail the test"
)]

mod programs;
mod servers;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use programs::Program;
use prove::load::{Handle, Plan, Target, start};
use prove::record::{Kind, Load};
use prove::registry::{Format, Instances, Source};
use servers::{OK, answer_all, serve};

/// A list of instances in a file, gone with the test.
struct List(PathBuf);

impl List {
    fn of(name: &str, instances: &[SocketAddr]) -> Self {
        let list = Self(std::env::temp_dir().join(format!("{name}-{}", std::process::id())));
        list.write(instances);
        list
    }

    /// In one step: a reader must not see half a list.
    fn write(&self, instances: &[SocketAddr]) {
        let lines: Vec<String> = instances.iter().map(ToString::to_string).collect();
        let new = self.0.with_extension("new");
        fs::write(&new, lines.join("\n")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }

    fn source(&self) -> Source {
        Source {
            place: self.0.to_str().unwrap().parse().unwrap(),
            format: Format::Lines,
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[track_caller]
fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(10));
    }
}

/// Two apps, of which the first dies at SIGTERM, behind a gateway with a list up to 1 s old, under load.
struct Scene {
    apps: [Program; 2],
    addresses: [SocketAddr; 2],
    list: List,
    _gateway: Program,
    load: Handle,
}

impl Scene {
    fn new(name: &str) -> Self {
        let mut apps = ["app-0", "app-1"].map(|pod| Program::app(pod, &["--on-term", "die"]));
        let addresses = [apps[0].address(), apps[1].address()];
        let list = List::of(name, &addresses);
        let mut gateway = Program::start(
            Command::new(env!("CARGO_BIN_EXE_gateway"))
                .args(["--listen", "127.0.0.1:0", "--cache-seconds", "0.5,0.5"])
                .arg("--instances")
                .arg(&list.0),
        );
        let at = gateway.address();
        gateway.says("list");
        let plan = Plan {
            slow_every: 0,
            names_pod: false,
            ..Plan::default()
        };
        let load = start(plan, Target::Address(at)).unwrap();
        let scene = Self {
            apps,
            addresses,
            list,
            _gateway: gateway,
            load,
        };
        scene.send(100);
        scene
    }

    /// Waits for so many more requests.
    fn send(&self, more: u64) {
        let until_now = self.load.so_far().0;
        until(|| self.load.so_far().0 >= until_now + more);
    }

    fn end(self) -> Load {
        self.load.stop().unwrap()
    }
}

#[test]
fn an_instance_that_just_dies_is_asked_until_the_list_is_new() {
    let scene = Scene::new("dies");
    scene.apps[0].term();
    scene.list.write(&scene.addresses[1..]);
    scene.send(400);
    let gone = scene.addresses[0];
    let load = scene.end();
    assert!(!load.lost.is_empty());
    for lost in &load.lost {
        assert_eq!(lost.kind, Kind::Status(502), "{lost:?}");
        assert!(lost.detail.contains(&gone.to_string()), "{lost:?}");
    }
    assert_eq!(load.seconds.last().unwrap().lost, 0, "{:?}", load.seconds);
}

#[test]
fn an_instance_that_leaves_first_and_waits_is_missed_by_nobody() {
    let scene = Scene::new("leaves");
    scene.list.write(&scene.addresses[1..]);
    // Both caches may be half a second old.
    thread::sleep(Duration::from_millis(1500));
    scene.apps[0].term();
    scene.send(200);
    let load = scene.end();
    assert!(load.lost.is_empty(), "{:?}", load.lost[0]);
}

#[test]
fn caches_pass_a_change_on_one_after_the_other_and_keep_what_they_know() {
    let [a, b]: [SocketAddr; 2] = ["10.0.0.1:80", "10.0.0.2:80"].map(|at| at.parse().unwrap());
    let list = List::of("caches", &[b, a]);
    let periods = [Duration::ZERO, Duration::from_secs(2)];
    let instances = Instances::keep(list.source(), &periods, |_| {}).unwrap();
    until(|| !instances.all().is_empty());
    let picked: BTreeSet<SocketAddr> = (0..2).filter_map(|_| instances.pick()).collect();
    assert_eq!(picked, BTreeSet::from([a, b]));
    // The second cache has just looked, and will not for two seconds.
    list.write(&[a]);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(instances.all(), [a, b]);
    until(|| instances.all() == [a]);
    fs::remove_file(&list.0).unwrap();
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(instances.pick(), Some(a));
}

#[test]
fn the_ages_of_caches_add_up() {
    let at: SocketAddr = "10.0.0.1:80".parse().unwrap();
    let list = List::of("ages", &[at]);
    let second = Duration::from_secs(1);
    let instances = Instances::keep(list.source(), &[second, second], |_| {}).unwrap();
    until(|| !instances.all().is_empty());
    let known = Instant::now();
    list.write(&[]);
    until(|| instances.all().is_empty());
    assert!(known.elapsed() > second * 3 / 2, "{:?}", known.elapsed());
}

#[test]
fn a_registry_is_asked_over_http() {
    let list = r#"{"hosts":[{"ip":"10.0.0.1","port":8080,"healthy":true,"enabled":true}]}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{list}\r\n0\r\n\r\n",
        list.len()
    );
    let nacos = serve(move |stream| answer_all(stream, Duration::ZERO, &answer));
    let source = Source {
        place: format!("http://{nacos}/nacos/v1/ns/instance/list?serviceName=app")
            .parse()
            .unwrap(),
        format: Format::Nacos,
    };
    let instances = Instances::keep(source, &[Duration::from_secs(60)], |_| {}).unwrap();
    until(|| instances.all() == ["10.0.0.1:8080".parse().unwrap()]);
}

#[test]
fn an_answer_that_is_no_list_is_told() {
    let source = Source {
        place: format!(
            "http://{}/",
            serve(|stream| answer_all(stream, Duration::ZERO, OK))
        )
        .parse()
        .unwrap(),
        format: Format::Lines,
    };
    let (told, tells) = mpsc::channel();
    let periods = [Duration::from_secs(60)];
    let instances = Instances::keep(source, &periods, move |text| {
        let _ = told.send(text.to_owned());
    });
    assert!(tells.recv().unwrap().contains("hello"));
    assert_eq!(instances.unwrap().pick(), None);
}

#[test]
fn a_gateway_without_instances_says_so() {
    let mut gateway = Program::start(Command::new(env!("CARGO_BIN_EXE_gateway")).args([
        "--listen",
        "127.0.0.1:0",
        "--instances",
        "/nowhere/at/all",
    ]));
    assert!(gateway.says("list").contains("/nowhere/at/all"));
    let address = gateway.address();
    let plan = Plan {
        duration: Some(Duration::from_millis(200)),
        ..Plan::default()
    };
    let load = start(plan, Target::Address(address))
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(load.lost.len(), 40);
    assert!(load.lost.iter().all(|lost| lost.kind == Kind::Status(503)));
}

#[test]
fn a_wrong_flag_is_named() {
    for (args, said) in [
        (&["--instances", "http://nacos:8848/"], "ADDRESS:PORT/PATH"),
        (&["--format", "zookeeper"], "nacos, eureka or lines"),
        (
            &["--cache-seconds", "30,soon"],
            "\"soon\": a number of seconds",
        ),
        (&["--listen", "127.0.0.1:0"], "--instances is missing"),
    ] {
        let mut gateway = Program::start(Command::new(env!("CARGO_BIN_EXE_gateway")).args(args));
        assert!(gateway.says("error").contains(said));
        assert_eq!(gateway.code(), Some(2));
    }
}
