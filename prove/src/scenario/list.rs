//! The scenarios.

use super::replace::REPLICAS;
use super::{Beside, Entry, Replace, Scenario};
use crate::load::Stale;
use crate::node::registry::{EUREKA_SERVER, NACOS_SERVER, Registry};
use crate::node::services::{SLOW_NGINX_SECONDS, Service};

/// All that are run on the proof's own node, in the order in which the report tells them.
#[must_use]
pub fn all() -> &'static [Scenario] {
    &SCENARIOS
}

/// All that can be run in any cluster.
#[must_use]
pub fn anywhere() -> Vec<&'static Scenario> {
    let alone = all().iter().filter(|scenario| scenario.needs().is_none());
    alone.chain([&SCALING]).collect()
}

const SERVICE: &str = include_str!("../../manifests/service.yaml");
const OPERATOR: &str = include_str!("../../manifests/operator.yaml");
const OWNED: &str = include_str!("../../manifests/owned.yaml");
const NO_PROBE: &str = include_str!("../../manifests/no-probe.yaml");
const BARE: &str = include_str!("../../manifests/bare.yaml");
const OWN_HOOK: &str = include_str!("../../manifests/own-hook.yaml");
const BUDGET: &str = include_str!("../../manifests/budget.yaml");
const NGINX: &str = include_str!("../../manifests/nginx.yaml");
const GUNICORN: &str = include_str!("../../manifests/gunicorn.yaml");
const NACOS: &str = include_str!("../../manifests/nacos.yaml");
const LAST_INSTANCE: &str = include_str!("../../manifests/last-instance.yaml");
const READY_WHEN: &str = include_str!("../../manifests/ready-when.yaml");
const LIVENESS: &str = include_str!("../../manifests/liveness.yaml");
const EUREKA: &str = include_str!("../../manifests/eureka.yaml");
const INGRESS: &str = include_str!("../../manifests/ingress.yaml");

/// The default, Kubernetes' own, is 10 s: a pod that is not ready at the first probe waits that long
/// for the next, and a hundred rollouts would take hours.
const OFTEN: (&str, &str) = ("readiness-period-seconds", "1");

/// The annotation by which a namespace has its Pods injected, and not its workloads.
pub(super) const LEVEL_POD: (&str, &str) = ("level", "pod");

/// Longer than the grace period in its manifest.
const SLOW_GUNICORN_SECONDS: u64 = 6;

/// A Service with a rollout after the other; the others say what is different.
const PLAIN: Scenario = Scenario {
    name: "service",
    about: "a Service through kube-proxy (nftables) and its cluster address",
    image: Service::Shell,
    manifests: &[SERVICE],
    annotations: &[],
    control: &[],
    replicas: REPLICAS,
    fresh: false,
    entry: Entry::ClusterIp,
    replace: Replace::Rollouts,
    rarer: 1,
    beside: Beside::Others,
    own_hook: false,
    slow: 1,
    silent: 0,
    stale: Stale::Lost,
    streams: false,
};

/// The image has a shell, which its manifest does not show. Without it Silkroll takes the helper binary, and sends no way
/// back at start.
const SCRIPT: (&str, &str) = ("hook", "script");

/// On a busy machine a Java application takes longer to register than the default of 10 s lets the last instance wait.
const PATIENT: (&str, &str) = ("deregister-timeout-seconds", "90");

/// What the helper binary is built for, as Kubernetes calls this machine's architecture.
const ARCH: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// What is left of `drain` where nodes are not to be touched.
static SCALING: Scenario = Scenario {
    name: "scaling",
    about: "scaling down and up instead of rollouts",
    replace: Replace::Scaling,
    ..PLAIN
};

static SCENARIOS: [Scenario; 16] = [
    PLAIN,
    Scenario {
        name: "no-probe",
        about: "the same service without a readiness probe: Silkroll adds one",
        manifests: &[NO_PROBE],
        annotations: &[OFTEN],
        ..PLAIN
    },
    Scenario {
        name: "drain",
        about: "drains of the node and scaling down instead of rollouts",
        manifests: &[SERVICE, BUDGET],
        replace: Replace::DrainAndScale,
        rarer: 2,
        beside: Beside::Anything,
        ..PLAIN
    },
    Scenario {
        name: "ingress",
        about: "Traefik, which watches EndpointSlices and connects to pods itself",
        manifests: &[SERVICE, INGRESS],
        entry: Entry::Ingress,
        ..PLAIN
    },
    Scenario {
        name: "no-shell",
        about: "an image from scratch, in which no hook could run: the native sleep",
        image: Service::Bare,
        manifests: &[BARE],
        ..PLAIN
    },
    Scenario {
        name: "binary-hook",
        about: "the same image, where the helper binary drains and then ends the server by a signal",
        image: Service::Bare,
        manifests: &[BARE],
        annotations: &[
            ("hook", "binary"),
            ("hook-arch", ARCH),
            ("deregister", "signal"),
            ("signal-name", "TERM"),
            ("signal-process", "app"),
        ],
        ..PLAIN
    },
    Scenario {
        name: "own-hook",
        about: "a preStop hook of the user's own, chained by the script from the ConfigMap",
        manifests: &[OWN_HOOK],
        annotations: &[SCRIPT],
        own_hook: true,
        ..PLAIN
    },
    Scenario {
        name: "pod-level",
        about: "a Deployment that an operator owns and would write back: its Pods are injected in its place",
        manifests: &[OPERATOR, OWNED],
        annotations: &[LEVEL_POD],
        ..PLAIN
    },
    Scenario {
        name: "streams",
        about: "WebSockets and server-sent events through a Service, of clients that stay for 5 to 60 s; at SIGTERM the server ends them",
        annotations: &[("drain-until-idle-seconds", "90")],
        control: &[("drain-until-idle-seconds", "0")],
        rarer: 5,
        beside: Beside::Anything,
        streams: true,
        ..PLAIN
    },
    Scenario {
        name: "liveness",
        about: "liveness failures: a container restarts in place and has to be in its registry again",
        image: Service::Nacos,
        manifests: &[LIVENESS],
        annotations: &[
            ("deregister", "nacos"),
            ("nacos-server", NACOS_SERVER),
            ("nacos-service", "web"),
            ("nacos-group", "liveness-silkroll"),
            SCRIPT,
        ],
        entry: Entry::Gateway(Registry::Nacos),
        replace: Replace::LivenessFailures,
        rarer: 5,
        beside: Beside::Nothing,
        ..PLAIN
    },
    Scenario {
        name: "nginx",
        about: "nginx in the container, with requests of several seconds: drained, then asked to quit",
        image: Service::Nginx,
        manifests: &[NGINX],
        annotations: &[("deregister", "nginx")],
        slow: SLOW_NGINX_SECONDS,
        // It closes its idle connections when it quits, whoever is about to write on one.
        stale: Stale::Retry,
        ..PLAIN
    },
    Scenario {
        name: "gunicorn",
        about: "gunicorn behind a shell as PID 1, which forwards no signal, with requests longer than its grace period",
        image: Service::Gunicorn,
        manifests: &[GUNICORN],
        annotations: &[
            ("deregister", "signal"),
            ("signal-name", "TERM"),
            ("signal-process", "gunicorn"),
        ],
        slow: SLOW_GUNICORN_SECONDS,
        rarer: 2,
        beside: Beside::Another,
        ..PLAIN
    },
    Scenario {
        name: "nacos",
        about: "Nacos 2.3.1, an app with the official client, and Spring Cloud Gateway, whose list is up to 35 s old",
        image: Service::Nacos,
        manifests: &[NACOS],
        annotations: &[
            ("deregister", "nacos"),
            ("nacos-server", NACOS_SERVER),
            ("nacos-service", "web"),
            ("nacos-group", "nacos-silkroll"),
            SCRIPT,
        ],
        entry: Entry::Gateway(Registry::Nacos),
        rarer: 5,
        beside: Beside::Nothing,
        ..PLAIN
    },
    Scenario {
        name: "last-instance",
        about: "one pod, in Nacos, that registers 5 s after its port opens: the old one waits for it before it leaves the list",
        image: Service::Nacos,
        manifests: &[LAST_INSTANCE],
        annotations: &[
            ("deregister", "nacos"),
            ("nacos-server", NACOS_SERVER),
            ("nacos-service", "web"),
            ("nacos-group", "last-instance-silkroll"),
            PATIENT,
        ],
        control: &[
            ("deregister", "nacos"),
            ("nacos-server", NACOS_SERVER),
            ("nacos-service", "web"),
            ("nacos-group", "last-instance-control"),
            PATIENT,
            ("last-instance", "leave"),
        ],
        replicas: 1,
        // With a list that is kept for 35 s an empty one is met by chance only.
        fresh: true,
        entry: Entry::Gateway(Registry::Nacos),
        rarer: 5,
        beside: Beside::Another,
        silent: 1,
        ..PLAIN
    },
    Scenario {
        name: "ready-when",
        about: "a version that answers its probe and never registers in Nacos is rolled out, and taken back: the rollout stands still",
        image: Service::Nacos,
        manifests: &[READY_WHEN],
        annotations: &[
            ("deregister", "nacos"),
            ("nacos-server", NACOS_SERVER),
            ("nacos-service", "web"),
            ("nacos-group", "ready-when-silkroll"),
            ("hook", "script"),
            ("ready-when-seconds", "600"),
            ("ready-when", "registered"),
        ],
        control: &[
            ("deregister", "nacos"),
            ("nacos-server", NACOS_SERVER),
            ("nacos-service", "web"),
            ("nacos-group", "ready-when-control"),
            ("hook", "script"),
            ("ready-when-seconds", "600"),
        ],
        entry: Entry::Gateway(Registry::Nacos),
        replace: Replace::NeverRegisters,
        silent: 10,
        rarer: 10,
        beside: Beside::Nothing,
        ..PLAIN
    },
    Scenario {
        name: "eureka",
        about: "Eureka and Spring Cloud Gateway, whose list is up to 95 s old by three caches",
        manifests: &[EUREKA],
        annotations: &[
            ("deregister", "eureka"),
            ("eureka-server", EUREKA_SERVER),
            ("eureka-app", "eureka-silkroll"),
        ],
        entry: Entry::Gateway(Registry::Eureka),
        rarer: 10,
        beside: Beside::Nothing,
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_those_of_namespaces_and_are_different() {
        let all: Vec<&Scenario> = all().iter().chain([&SCALING]).collect();
        for (n, scenario) in all.iter().enumerate() {
            let fits = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(scenario.name.chars().all(fits), "{}", scenario.name);
            let others = &all[n + 1..];
            assert!(others.iter().all(|other| other.name != scenario.name));
        }
    }

    #[test]
    fn some_need_nothing_but_a_cluster() {
        let names: Vec<&str> = anywhere().iter().map(|scenario| scenario.name).collect();
        let expected = [
            "service",
            "no-probe",
            "no-shell",
            "binary-hook",
            "own-hook",
            "streams",
            "scaling",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_applied_says_nothing_about_silkroll() {
        for manifest in all().iter().flat_map(|scenario| scenario.manifests) {
            assert!(!manifest.contains("silkroll"), "{manifest}");
        }
    }
}
