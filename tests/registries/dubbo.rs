//! Dubbo's `QoS` port: `offline` takes the provider out of `ZooKeeper`; a new process puts itself back.

use std::fs;

use crate::ask::get;
use crate::hook::{ONE, RUNNERS, Settings};
use crate::start::{Jvm, OTHERS, World, up, within};
use testkit::process::Process;

const ZOOKEEPER: &str = "127.0.0.1:2181";
/// Where Debian puts its libraries.
const LIBRARIES: &str = "/usr/share/java/*";

fn settings() -> Settings {
    Settings::told("dubbo", "10.1.2.3", &[])
}

const JVM: Jvm<'static> = Jvm {
    megabytes: 96,
    first: &[],
    // As a container without a host name that resolves would.
    options: &["-Ddubbo.network.interface.preferred=lo"],
};

fn provider(world: &World) -> Process {
    world.java("provider", "dubbo", "Provider", &JVM, &[ZOOKEEPER])
}

/// The provider's entries: for callers that look by interface, and for those that look by application.
fn entries() -> Vec<String> {
    let answer = get("8811/");
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn dubbo_3_3_5() {
    let world = World::new("Dubbo 3.3.5", &OTHERS);
    let _zookeeper = zookeeper(&world);
    let mut reader = world.java("reader", "dubbo", "Reader", &JVM, &[ZOOKEEPER, "8811"]);
    up(30, &mut reader, || get("8811/").status == 200);
    for runner in RUNNERS {
        let mut registered = provider(&world);
        up(30, &mut registered, || entries().len() == 2);
        // As an application that has published nothing answers: with 200, and only the words say it.
        let other = "http://127.0.0.1:22222/offline?service=nosuch";
        runner
            .stop(&settings().with("SILKROLL_HTTP_URL", other))
            .has("silkroll: dubbo: this pod is not registered, nothing to take out");
        assert_eq!(entries().len(), 2);
        let said = runner.stop(&settings());
        said.has("silkroll: dubbo: left");
        let gone = within(3, "its entries go", || entries().is_empty());
        // The switch is in the process, and went with it.
        registered.kill().unwrap();
        assert!(entries().is_empty());
        runner.start(&settings());
        let mut again = provider(&world);
        up(30, &mut again, || entries().len() == 2);
        again.kill().unwrap();
        // It did not leave: its entries stay until ZooKeeper takes it for dead.
        within(60, "its session ends", || entries().is_empty());
        world.ok(&format!(
            "{}: out of ZooKeeper {gone:.1?} after the hook; killed and started again it is there, without any `online`",
            runner.name
        ));
    }
    ONE.stop(&settings().with("SILKROLL_DEREGISTER_SECONDS", "3"))
        .has("silkroll: dubbo: not done: GET http://127.0.0.1:22222/offline: no answer");
    world.ok("without a QoS port the log says so");
}

fn zookeeper(world: &World) -> Process {
    assert!(
        fs::exists("/usr/share/java/zookeeper.jar").unwrap(),
        "ZooKeeper is missing: apt-get install -y zookeeper"
    );
    let (config, data) = (
        world.dir.path().join("zoo.cfg"),
        world.dir.path().join("zookeeper"),
    );
    // Short ticks: a session of a provider that was killed is over sooner.
    let settings = format!(
        "tickTime=200\nmaxSessionTimeout=4000\nclientPort=2181\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\ndataDir={}\n",
        data.display()
    );
    fs::write(&config, settings).unwrap();
    let config = config.display().to_string();
    let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    let args = ["-Xmx64m", "-cp", LIBRARIES, main, &*config];
    let mut zookeeper = world.start("zookeeper", "java", &args);
    up(30, &mut zookeeper, || {
        std::net::TcpStream::connect(ZOOKEEPER).is_ok()
    });
    zookeeper
}
