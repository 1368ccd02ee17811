//! One workload under judgement, with what its rules ask for again and again.

use serde_json::Value;

use super::hook::{self, Hook};
use super::image::Image;
use super::read::{Amount, list, text, words};
use super::world::{Object, Relations, World};
use crate::deregister::is_aside;

/// The API's default for terminationGracePeriodSeconds.
pub(super) const DEFAULT_GRACE: i64 = 30;

/// One workload.
pub(super) struct Workload<'w, 'a> {
    pub(super) world: &'w World<'a>,
    /// Its place among the world's objects.
    pub(super) at: usize,
    pub(super) object: &'w Object<'a>,
    pub(super) relations: &'w Relations,
    /// Where its pod template is, as a JSON pointer.
    pub(super) path: &'static str,
    /// The pod's spec.
    pub(super) spec: &'a Value,
    pub(super) metadata: &'a Value,
    /// Init containers are none of these, native sidecars neither.
    pub(super) containers: Vec<Container<'a>>,
}

/// Why a container is taken to serve callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// Nothing says that it does.
    No,
    /// It declares ports, and there is no Service here that would say more.
    Presumed,
    /// It is in a registry, where callers find it.
    Registered,
    /// A Service leads to it.
    Led,
}

/// One container.
pub(super) struct Container<'a> {
    pub(super) value: &'a Value,
    pub(super) name: &'a str,
    /// Its place in the object, as a JSON pointer.
    pub(super) path: String,
    pub(super) image: Image<'a>,
    pub(super) serves: Serves,
    pub(super) pre_stop: Option<Hook<'a>>,
    pub(super) post_start: Option<Hook<'a>>,
    /// The registry that it seems to be in.
    pub(super) registry: Option<&'static str>,
}

impl<'a> Container<'a> {
    /// Its command and arguments in one list; empty where the image says.
    pub(super) fn words(&self) -> Vec<&'a str> {
        let command = words(self.value, "command");
        command.chain(words(self.value, "args")).collect()
    }

    /// The value of a variable that stands in the manifest.
    pub(super) fn env(&self, name: &str) -> Option<&'a str> {
        env(self.value, name)
    }

    pub(super) fn ports(&self) -> &'a [Value] {
        list(self.value, "ports")
    }

    /// Whether it brings traffic to the app beside it, and serves no callers of its own.
    pub(super) fn is_proxy(&self) -> bool {
        let known = PROXIES.contains(&self.image.name())
            || self.image.repository.ends_with("linkerd/proxy");
        // A gateway of Istio's is the app itself.
        known && !self.words().contains(&"router")
    }

    /// Whether it only keeps a pod there for commands that are run in it, whatever leads to it.
    pub(super) fn is_idle(&self) -> bool {
        let words = self.words();
        let first = words.first().map(|word| hook::program(word));
        matches!(first, Some("sleep" | "tail" | "pause"))
    }

    /// Whether Istio's agent runs in it, or is put there when the pod is created: by itself it goes on for
    /// `terminationDrainDuration` after SIGTERM, 5 s by default.
    pub(super) fn is_istio(&self) -> bool {
        self.name == "istio-proxy" || self.image.name() == "proxyv2"
    }
}

/// Images that stand beside an app, by the last part of their name.
const PROXIES: [&str; 5] = [
    "proxyv2",
    "linkerd-proxy",
    "cloud-sql-proxy",
    "gce-proxy",
    "cloudsql-proxy",
];

fn env<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    // The last of a name counts.
    let mut entries = list(container, "env").iter().rev();
    entries.find(|entry| text(entry, "name") == name)?["value"].as_str()
}

impl<'w, 'a> Workload<'w, 'a> {
    pub(super) fn new(world: &'w World<'a>, at: usize) -> Self {
        let (at, path, relations) = &world.workloads[at];
        let object = &world.objects[*at];
        let template = &object.spec()["template"];
        let spec = &template["spec"];
        let mut workload = Self {
            world,
            at: *at,
            object,
            relations,
            path,
            spec,
            metadata: &template["metadata"],
            containers: Vec::new(),
        };
        let containers = list(spec, "containers").iter().enumerate();
        workload.containers = containers
            .map(|(at, value)| workload.container(value, format!("{path}/spec/containers/{at}")))
            .collect();
        workload.find_out_who_serves();
        workload
    }

    pub(super) fn container(&self, value: &'a Value, path: String) -> Container<'a> {
        let (world, namespace) = (self.world, self.object.namespace);
        let (mounts, volumes) = (list(value, "volumeMounts"), list(self.spec, "volumes"));
        let script = |path: &str| {
            let data = |name: &str| world.config_map(namespace, name);
            hook::mounted(path, mounts, volumes, &data)
        };
        let handler =
            |name: &str| Hook::read(&value["lifecycle"][name], &script, &|name| env(value, name));
        let mut container = Container {
            value,
            name: text(value, "name"),
            path,
            image: Image::parse(text(value, "image")),
            serves: Serves::No,
            pre_stop: handler("preStop"),
            post_start: handler("postStart"),
            registry: None,
        };
        container.registry = self.registry(&container);
        container
    }

    /// The registry that a container says, in one way or another, to be in.
    fn registry(&self, container: &Container<'a>) -> Option<&'static str> {
        const KNOWN: [(&str, &[&str], &[&str]); 4] = [
            (
                "nacos",
                &["NACOS_", "SPRING_CLOUD_NACOS_DISCOVERY"],
                &["nacos.discovery", "/ns/instance", "nacos://"],
            ),
            (
                "eureka",
                &[
                    "EUREKA_CLIENT",
                    "EUREKA_INSTANCE",
                    "EUREKA_SERVER",
                    "EUREKA_URL",
                ],
                &["eureka.client", "eureka.instance", "/eureka"],
            ),
            (
                "consul",
                &["SPRING_CLOUD_CONSUL"],
                &["cloud.consul", "/v1/agent/service/"],
            ),
            ("dubbo", &["DUBBO_"], &["dubbo.registry", "dubbo.protocol"]),
        ];
        let named = [
            self.object.annotation("silkroll.dev/deregister"),
            text(&self.metadata["annotations"], "silkroll.dev/deregister"),
        ];
        if let Some((name, ..)) = KNOWN.iter().find(|(name, ..)| named.contains(name)) {
            return Some(name);
        }
        let words = container.words();
        KNOWN.into_iter().find_map(|(name, variables, parts)| {
            // A registry is in none itself.
            if container.image.name().contains(name) {
                return None;
            }
            let entries = list(container.value, "env");
            let by_env = entries.iter().any(|entry| {
                let key = text(entry, "name");
                variables.iter().any(|begin| key.starts_with(begin))
                    || hook::mentions(text(entry, "value"), parts)
            });
            let by_words = words.iter().any(|word| hook::mentions(word, parts));
            let hooked = |hook: &Hook<'_>| hook.says(parts);
            let by_hook = container.pre_stop.as_ref().is_some_and(hooked);
            (by_env || by_words || by_hook).then_some(name)
        })
    }

    fn find_out_who_serves(&mut self) {
        let (world, relations) = (self.world, self.relations);
        for service in &relations.services {
            let spec = world.objects[*service].spec();
            for port in list(spec, "ports")
                .iter()
                .filter(|port| serves_callers(port))
            {
                if let Some(at) = self.target(port)
                    && !self.containers[at].is_idle()
                {
                    self.containers[at].serves = Serves::Led;
                }
            }
        }
        let presumed = relations.services.is_empty() && !world.has_services(self.object.namespace);
        for container in &mut self.containers {
            if container.serves == Serves::Led
                || container.is_proxy()
                || container.is_istio()
                || container.is_idle()
            {
                continue;
            }
            if container.registry.is_some() {
                container.serves = Serves::Registered;
            } else if presumed && container.ports().iter().any(serves_callers) {
                container.serves = Serves::Presumed;
            }
        }
    }

    /// The container that a Service's port leads to.
    pub(super) fn target(&self, port: &Value) -> Option<usize> {
        let target = match &port["targetPort"] {
            Value::Null => &port["port"],
            target => target,
        };
        let has = |container: &Container<'_>| {
            container.ports().iter().any(|port| match target {
                Value::String(name) => {
                    text(port, "name") == name
                        || name.parse() == Ok(port["containerPort"].as_i64().unwrap_or(-1))
                }
                number => port["containerPort"] == *number,
            })
        };
        let declared = self.containers.iter().position(has);
        // What is not declared can be reached all the same.
        let only = self.containers.len() == 1 && !target.is_string();
        declared.or_else(|| only.then_some(0))
    }

    /// Those that serve callers.
    pub(super) fn serving(&self) -> impl Iterator<Item = &Container<'a>> {
        let mut all = self.containers.iter();
        std::iter::from_fn(move || all.find(|container| container.serves != Serves::No))
    }

    pub(super) fn serves(&self) -> bool {
        self.serving().next().is_some() && self.replicas() != Some(0)
    }

    /// Services that lead to it.
    pub(super) fn services(&self) -> impl Iterator<Item = (usize, &'w Object<'a>)> {
        let objects = &self.world.objects;
        let services = self.relations.services.iter();
        services.map(move |at| (*at, &objects[*at]))
    }

    /// The grace period, in seconds.
    pub(super) fn grace(&self) -> i64 {
        let grace = self.spec["terminationGracePeriodSeconds"].as_i64();
        grace.unwrap_or(DEFAULT_GRACE)
    }

    /// The least number of pods that there are meant to be; none where that is unknown, or one for each node.
    pub(super) fn replicas(&self) -> Option<i64> {
        if self.is("DaemonSet") {
            return None;
        }
        match self.relations.scaler {
            Some(scaler) => scaler.least,
            None => Some(self.object.spec()["replicas"].as_i64().unwrap_or(1)),
        }
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.object.kind == kind
    }

    /// A JSON pointer into the pod's spec.
    pub(super) fn of_pod(&self, rest: &str) -> String {
        format!("{}/spec/{rest}", self.path)
    }

    /// Where the strategy stands, and what it says of pods that may be away.
    pub(super) fn unavailable(&self) -> Option<(&'static str, Amount)> {
        let spec = self.object.spec();
        let (path, amount) = match self.object.kind {
            "Deployment" => (
                "/spec/strategy/rollingUpdate/maxUnavailable",
                &spec["strategy"]["rollingUpdate"]["maxUnavailable"],
            ),
            "Rollout" if spec["strategy"]["canary"].is_object() => (
                "/spec/strategy/canary/maxUnavailable",
                &spec["strategy"]["canary"]["maxUnavailable"],
            ),
            _ => return None,
        };
        let amount = Amount::read(amount).unwrap_or(Amount::Percent(25));
        Some((path, amount))
    }
}

/// Names of ports that are not for callers, beside those that [`is_aside`] knows: a CSI driver's sidecars have one for
/// metrics and probes, Go's servers for profiles.
const ASIDE: [&str; 3] = ["http-endpoint", "profiling", "pprof"];

/// Whether a port, of a container or of a Service, is for callers: TCP, and not named for something else.
pub(super) fn serves_callers(port: &Value) -> bool {
    let tcp = port["protocol"].as_str().is_none_or(|name| name == "TCP");
    let named = |name: &str| {
        let name = text(port, name);
        !is_aside(name) && !ASIDE.iter().any(|known| name.contains(known))
    };
    tcp && named("name") && named("targetPort")
}
