//! One workload under judgement, with what its rules ask for again and again.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::declared::{Declared, PortTarget};
use super::hook::{self, LifecycleHandler};
use super::idle::is_idle;
use super::image::Image;
use super::object::Object;
use super::read::{Amount, list, text, words};
use super::registry;
use super::world::{Relations, World};
use crate::deregister::is_aside;

/// The API's default for terminationGracePeriodSeconds.
pub(super) const DEFAULT_GRACE: i64 = 30;

/// One workload.
pub(super) struct Workload<'w, 'a> {
    pub(super) world: &'w World<'a>,
    /// Its place among the world's objects.
    pub(super) at: usize,
    pub(super) object: &'w Object<'a>,
    /// What runs its pods and says how many, and how they are replaced: itself, or the Rollout that takes its template.
    pub(super) runner: &'w Object<'a>,
    /// The runner's place among the world's objects.
    pub(super) runner_at: usize,
    pub(super) relations: &'w Relations,
    /// Where its pod template is, as a JSON pointer.
    pub(super) path: &'static str,
    /// The pod's spec.
    pub(super) spec: &'a Value,
    pub(super) metadata: &'a Value,
    /// Init containers are none of these, native sidecars neither.
    pub(super) containers: Vec<Container<'a>>,
    /// Init containers that run beside the others (`restartPolicy: Always`).
    pub(super) sidecars: Vec<Container<'a>>,
    /// Services that lead callers to it.
    pub(super) led_by: Vec<usize>,
    /// Ports of Services, by the Service's place and the number, of which nobody can tell where they lead.
    pub(super) unclear: Vec<(usize, i64)>,
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
    /// Whether it only keeps a pod there, whatever leads to it.
    pub(super) idle: bool,
    pub(super) serves: Serves,
    pub(super) pre_stop: Option<LifecycleHandler<'a>>,
    pub(super) post_start: Option<LifecycleHandler<'a>>,
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

    /// Whether it stands beside the app: a proxy, or nobody at all.
    pub(super) fn is_beside(&self) -> bool {
        self.is_proxy() || self.is_istio() || self.idle
    }

    /// The ports that its arguments say to be for metrics (`--metrics-bind-address=:8443`).
    pub(super) fn metrics_ports(&self) -> HashSet<i64> {
        let words = self.words().into_iter();
        let addresses = words.filter_map(|word| word.trim_start_matches('-').split_once('='));
        let metrics = addresses.filter(|(name, _)| name.starts_with("metrics"));
        let ends = metrics.filter_map(|(_, address)| address.rsplit(':').next()?.parse().ok());
        ends.collect()
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

/// Ports of Services that lead nowhere, and workloads of one of them, which are looked at for one workload.
const MISSPELT: usize = 8;

/// Variables of `ConfigMaps` that are looked at for one container: what stands once can be named by any number of them.
const VARIABLES: usize = 500;

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
        let runner_at = relations.rollout.unwrap_or(*at);
        let mut workload = Self {
            world,
            at: *at,
            object,
            runner: &world.objects[runner_at],
            runner_at,
            relations,
            path,
            spec,
            metadata: &template["metadata"],
            containers: Vec::new(),
            sidecars: Vec::new(),
            led_by: Vec::new(),
            unclear: Vec::new(),
        };
        let containers = list(spec, "containers").iter().enumerate();
        workload.containers = containers
            .map(|(at, value)| workload.container(value, format!("{path}/spec/containers/{at}")))
            .collect();
        let beside = list(spec, "initContainers").iter().enumerate();
        workload.sidecars = beside
            .filter(|(_, value)| text(value, "restartPolicy") == "Always")
            .map(|(at, value)| {
                workload.container(value, format!("{path}/spec/initContainers/{at}"))
            })
            .collect();
        workload.find_out_who_serves();
        workload
    }

    fn container(&self, value: &'a Value, path: String) -> Container<'a> {
        let (world, object) = (self.world, self.object);
        let (mounts, volumes) = (list(value, "volumeMounts"), list(self.spec, "volumes"));
        let script = |path: &str| {
            let data = |name: &str| world.config_map(object, name);
            hook::mounted(path, mounts, volumes, &data)
        };
        let handler = |name: &str| {
            LifecycleHandler::read(&value["lifecycle"][name], &script, &|name| env(value, name))
        };
        let mut container = Container {
            value,
            name: text(value, "name"),
            path,
            image: Image::parse(text(value, "image")),
            idle: false,
            serves: Serves::No,
            pre_stop: handler("preStop"),
            post_start: handler("postStart"),
            registry: None,
        };
        container.idle = is_idle(&container.image, &container.words());
        container.registry = self.registry(&container);
        container
    }

    /// The registry that a container says, in one way or another, to be in.
    fn registry(&self, container: &Container<'a>) -> Option<&'static str> {
        const KEY: &str = "silkroll.dev/deregister";
        // The nearest layer speaks.
        let said = [
            text(&self.metadata["annotations"], KEY),
            self.object.annotation(KEY),
            self.world.namespace_says(self.object, KEY),
        ];
        if let Some(said) = said.into_iter().find(|said| !said.is_empty())
            && let Some(name) = registry::named(said)
        {
            return Some(name);
        }
        let own = list(container.value, "env").iter();
        let own = own.map(|entry| (Cow::from(text(entry, "name")), text(entry, "value")));
        let mut variables: Vec<(Cow<'a, str>, &'a str)> = own.collect();
        for from in list(container.value, "envFrom").iter().take(VARIABLES) {
            let name = text(&from["configMapRef"], "name");
            let data = self.world.config_map(self.object, name);
            let data = data.and_then(Value::as_object).into_iter().flatten();
            let data = data.take(VARIABLES.saturating_sub(variables.len()));
            let prefix = text(from, "prefix");
            variables.extend(data.filter_map(|(key, value)| {
                let key = match prefix {
                    "" => Cow::from(key),
                    prefix => Cow::from(format!("{prefix}{key}")),
                };
                Some((key, value.as_str()?))
            }));
        }
        registry::told(&registry::RegistryHints {
            image: container.image.name(),
            variables: &variables,
            words: &container.words(),
            hook: container.pre_stop.as_ref(),
            listens: container.ports().iter().any(serves_callers),
        })
    }

    fn find_out_who_serves(&mut self) {
        let (world, relations) = (self.world, self.relations);
        let declared = if relations.services.is_empty() {
            Declared::default()
        } else {
            Declared::of(self)
        };
        let mut presumed =
            relations.services.is_empty() && !world.has_services(self.object.namespace);
        let (mut nowhere, mut looked) = (false, 0);
        for at in relations.services.iter().copied() {
            let service = &world.objects[at];
            if is_for_metrics(service.name) {
                continue;
            }
            let ports = list(service.spec(), "ports").iter();
            let mut leads = false;
            for port in ports.filter(|port| serves_callers(port)) {
                match declared.target(port) {
                    PortTarget::At(to) if declared.is_aside(to, port) => {}
                    PortTarget::At(to) => {
                        let main = self.containers.len();
                        let container = match to.checked_sub(main) {
                            None => &mut self.containers[to],
                            Some(to) => &mut self.sidecars[to],
                        };
                        container.serves = Serves::Led;
                        leads = true;
                    }
                    PortTarget::Unclear(number) => {
                        self.unclear.push((at, number));
                        leads = true;
                    }
                    PortTarget::Nowhere if nowhere || looked == MISSPELT => {}
                    PortTarget::Nowhere => {
                        looked += 1;
                        nowhere = self.is_misspelt(at, port);
                    }
                }
            }
            if leads {
                self.led_by.push(at);
            }
        }
        if nowhere && self.all().all(|one| one.serves != Serves::Led) {
            // SR207 says so. Callers are meant to come all the same, as soon as that is mended.
            match declared.only {
                Some(at) => self.containers[at].serves = Serves::Led,
                None => presumed = true,
            }
        }
        for container in &mut self.containers {
            if container.serves == Serves::Led || container.is_beside() {
                continue;
            }
            if container.registry.is_some() {
                container.serves = Serves::Registered;
            } else if presumed && container.ports().iter().any(serves_callers) {
                container.serves = Serves::Presumed;
            }
        }
    }

    /// Whether none of the workloads that a Service selects has the port that it asks for by a name; not asked of many.
    fn is_misspelt(&self, service: usize, port: &Value) -> bool {
        let Some(name) = port["targetPort"].as_str() else {
            return false;
        };
        let selected = self.world.selected.get(&service);
        let selected = selected.map_or(&[][..], Vec::as_slice);
        let mut containers = selected.iter().flat_map(|at| {
            let (at, ..) = self.world.workloads[*at];
            let spec = &self.world.objects[at].spec()["template"]["spec"];
            let beside = list(spec, "initContainers").iter();
            let beside = beside.filter(|one| text(one, "restartPolicy") == "Always");
            list(spec, "containers").iter().chain(beside)
        });
        selected.len() <= MISSPELT
            && !containers.any(|one| {
                let mut ports = list(one, "ports").iter();
                // What a webhook fills in may bring ports.
                text(one, "image") == "auto"
                    || ports.any(|one| text(one, "name") == name && is_tcp(one) == is_tcp(port))
            })
    }

    /// All containers that run while the pod does, native sidecars last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers.iter().chain(&self.sidecars)
    }

    /// Those that serve callers.
    pub(super) fn serving(&self) -> impl Iterator<Item = &Container<'a>> {
        self.all()
            .filter(|container| container.serves != Serves::No)
    }

    pub(super) fn serves(&self) -> bool {
        self.serving().next().is_some() && !self.is_off()
    }

    /// Whether a container is passed over that declares ports for callers: there are Services, and none leads here.
    pub(super) fn may_serve(&self) -> bool {
        self.containers.iter().any(|container| {
            container.serves == Serves::No
                && !container.is_beside()
                && container.ports().iter().any(serves_callers)
        })
    }

    /// Whether it is scaled to nothing, and not by an autoscaler, which lets it begin again.
    pub(super) fn is_off(&self) -> bool {
        self.relations.scaler.is_none() && self.replicas() == Some(0)
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

    /// The least number of pods that there are meant to be; none where there is one for each node.
    pub(super) fn replicas(&self) -> Option<i64> {
        if self.is("DaemonSet") {
            return None;
        }
        let scaled = self.relations.scaler.map(|scaler| scaler.least);
        scaled.or_else(|| Some(self.runner.spec()["replicas"].as_i64().unwrap_or(1)))
    }

    /// Whether what runs its pods is of a kind.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.runner.kind == kind
    }

    /// A JSON pointer into the pod's spec.
    pub(super) fn of_pod(&self, rest: &str) -> String {
        format!("{}/spec/{rest}", self.path)
    }

    /// Where the strategy stands, and how many of so many pods may be away by it. As the deployment controller reckons
    /// (`ResolveFenceposts` in `pkg/controller/deployment/util`, and its like in Argo Rollouts): `maxSurge` is rounded up,
    /// `maxUnavailable` down, and where both come out as 0 the latter is 1.
    pub(super) fn unavailable(&self, of: i64) -> Option<(&'static str, i64)> {
        let strategy = &self.runner.spec()["strategy"];
        let (path, amounts) = match self.runner.kind {
            "Deployment" => (
                "/spec/strategy/rollingUpdate/maxUnavailable",
                &strategy["rollingUpdate"],
            ),
            // With a router of its own nothing asks it: the stable pods all stay, or follow their share of the traffic
            // (`CalculateReplicaCountsForTrafficRoutedCanary` in `utils/replicaset`).
            "Rollout" if strategy["canary"]["trafficRouting"].is_object() => return None,
            "Rollout" if strategy["canary"].is_object() => {
                ("/spec/strategy/canary/maxUnavailable", &strategy["canary"])
            }
            _ => return None,
        };
        let amount = |name: &str| Amount::read(&amounts[name]).unwrap_or(Amount::Percent(25));
        let away = match amount("maxUnavailable").floor(of) {
            0 if amount("maxSurge").ceiling(of) == 0 => 1,
            away => away,
        };
        Some((path, away.min(of)))
    }
}

pub(super) fn is_tcp(port: &Value) -> bool {
    port["protocol"].as_str().is_none_or(|name| name == "TCP")
}

/// Whether a Service's name says that it is there for metrics alone, as that of kubebuilder's projects.
fn is_for_metrics(name: &str) -> bool {
    ["-metrics", "-metrics-service", "-metrics-svc"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Names of ports that are not for callers, beside those that [`is_aside`] knows: a CSI driver's sidecars have one for
/// metrics and probes, Go's servers for profiles.
const ASIDE: [&str; 3] = ["http-endpoint", "profiling", "pprof"];

/// Whether a port, of a container or of a Service, is for callers: TCP, and not named for something else.
pub(super) fn serves_callers(port: &Value) -> bool {
    let named = |name: &str| {
        let name = text(port, name);
        // Most names are shorter than any of these, and to prepare a search takes longer than to see that.
        let within = |known: &&str| known.len() <= name.len() && name.contains(*known);
        !is_aside(name) && !ASIDE.iter().any(within)
    };
    is_tcp(port) && named("name") && named("targetPort")
}
