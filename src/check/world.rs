//! All objects that are judged together, and how they belong to each other.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::read::{list, selects, text};
use crate::policy::{INJECT, Inject, Level, STATUS};

/// The annotation that says where the injection happens.
const LEVEL_KEY: &str = "silkroll.dev/level";

/// One object of the world.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// The object as it stands there.
    pub value: &'a Value,
    /// `apiVersion`, empty where it has none.
    pub api_version: &'a str,
    /// `kind`, empty where it has none.
    pub kind: &'a str,
    /// Its namespace, or the one that it goes to.
    pub namespace: &'a str,
    /// Its name, empty where it has none.
    pub name: &'a str,
}

impl<'a> Object<'a> {
    /// Reads an object; `namespace` is the one of those that name none.
    #[must_use]
    pub fn new(value: &'a Value, api_version: &'a str, kind: &'a str, namespace: &'a str) -> Self {
        let metadata = &value["metadata"];
        let named = |name: &str| metadata[name].as_str().filter(|text| !text.is_empty());
        Self {
            value,
            api_version,
            kind,
            namespace: named("namespace").unwrap_or(namespace),
            name: named("name").or(named("generateName")).unwrap_or_default(),
        }
    }

    /// Whether it was read from a cluster and not from its author's file.
    pub(super) fn is_live(&self) -> bool {
        self.value["metadata"]["uid"].is_string()
    }

    /// Whether it is a Namespace.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.group().is_empty() && self.kind == "Namespace"
    }

    pub(super) fn annotation(&self, name: &str) -> &'a str {
        text(&self.value["metadata"]["annotations"], name)
    }

    fn is_owned(&self) -> bool {
        let owners = list(&self.value["metadata"], "ownerReferences");
        owners.iter().any(|owner| owner["controller"] == true)
    }

    pub(super) fn spec(&self) -> &'a Value {
        &self.value["spec"]
    }

    fn group(&self) -> &'a str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// Where its pod template is, as a JSON pointer, where it keeps pods that serve running: a Job's end by themselves, and
    /// a Knative Service brings its own drain.
    fn template(&self) -> Option<&'static str> {
        let judged = match self.group() {
            "apps" | "extensions" => {
                matches!(
                    self.kind,
                    "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
                )
            }
            "argoproj.io" => self.kind == "Rollout",
            "apps.kruise.io" => matches!(self.kind, "CloneSet" | "StatefulSet" | "DaemonSet"),
            "" => self.kind == "ReplicationController",
            _ => false,
        };
        // The workload that it belongs to is judged in its place.
        let part = matches!(self.kind, "ReplicaSet" | "ReplicationController") && self.is_owned();
        (judged && !part && self.spec()["template"]["spec"]["containers"].is_array())
            .then_some("/spec/template")
    }
}

/// How one workload is scaled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaler {
    pub(super) object: usize,
    /// The least number of pods, where it is known.
    pub(super) least: Option<i64>,
}

/// What belongs to one workload.
#[derive(Debug, Default)]
pub(super) struct Relations {
    pub(super) services: Vec<usize>,
    pub(super) budgets: Vec<usize>,
    pub(super) scaler: Option<Scaler>,
}

/// All objects that are judged together.
#[derive(Debug)]
pub struct World<'a> {
    pub(super) objects: Vec<Object<'a>>,
    /// Each workload, and what belongs to it.
    pub(super) workloads: Vec<(usize, &'static str, Relations)>,
    /// Of each `PodDisruptionBudget` and Service the workloads that it selects, as places in `workloads`.
    pub(super) selected: HashMap<usize, Vec<usize>>,
    /// Namespaces that have a Service with a selector.
    serviced: HashSet<&'a str>,
    /// `ConfigMaps` by namespace and name.
    maps: HashMap<(&'a str, &'a str), usize>,
    /// Namespaces by name.
    namespaces: HashMap<&'a str, usize>,
    /// Ingresses by the namespace and name of each Service that they lead to.
    pub(super) ingresses: HashMap<(&'a str, &'a str), Vec<usize>>,
    /// `StatefulSets` by namespace and the name of their governing Service.
    pub(super) governed: HashMap<(&'a str, &'a str), usize>,
}

/// Selectors by one of their labels, so that a workload is compared with the few that have one of its own.
#[derive(Default)]
struct Selectors<'a> {
    by_label: HashMap<(&'a str, &'a str, &'a str), Vec<usize>>,
    /// Those without a plain label, by namespace.
    others: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Selectors<'a> {
    fn add(&mut self, object: &Object<'a>, labels: &'a Value, at: usize) {
        let mut labels = labels.as_object().into_iter().flatten();
        match labels.find_map(|(key, value)| Some((key.as_str(), value.as_str()?))) {
            Some((key, value)) => {
                let place = (object.namespace, key, value);
                self.by_label.entry(place).or_default().push(at);
            }
            None => self.others.entry(object.namespace).or_default().push(at),
        }
    }

    fn near(&self, namespace: &'a str, labels: &'a Value) -> Vec<usize> {
        let mut near: Vec<usize> = self.others.get(namespace).cloned().unwrap_or_default();
        for (key, value) in labels.as_object().into_iter().flatten() {
            let Some(value) = value.as_str() else {
                continue;
            };
            near.extend(
                self.by_label
                    .get(&(namespace, key.as_str(), value))
                    .into_iter()
                    .flatten(),
            );
        }
        near.sort_unstable();
        near
    }
}

impl<'a> World<'a> {
    /// Sorts out who belongs to whom. The places of findings are those in `objects`.
    #[must_use]
    pub fn new(objects: Vec<Object<'a>>) -> Self {
        let mut world = Self {
            objects: Vec::new(),
            workloads: Vec::new(),
            selected: HashMap::new(),
            serviced: HashSet::new(),
            maps: HashMap::new(),
            namespaces: HashMap::new(),
            ingresses: HashMap::new(),
            governed: HashMap::new(),
        };
        let (mut services, mut budgets) = (Selectors::default(), Selectors::default());
        let mut scalers = HashMap::new();
        for (at, object) in objects.iter().enumerate() {
            match (object.group(), object.kind) {
                ("", "Service") => {
                    let selector = &object.spec()["selector"];
                    if selector
                        .as_object()
                        .is_some_and(|labels| !labels.is_empty())
                    {
                        services.add(object, selector, at);
                        world.serviced.insert(object.namespace);
                    }
                }
                ("policy", "PodDisruptionBudget") => {
                    let labels = &object.spec()["selector"]["matchLabels"];
                    budgets.add(object, labels, at);
                }
                ("autoscaling", "HorizontalPodAutoscaler") => {
                    let least = object.spec()["minReplicas"].as_i64().unwrap_or(1);
                    let target = scale_target(object, "");
                    scalers.insert(target, (at, Some(least)));
                }
                ("keda.sh", "ScaledObject") => {
                    let least = object.spec()["minReplicaCount"].as_i64();
                    scalers.insert(scale_target(object, "Deployment"), (at, least));
                }
                ("", "ConfigMap") => {
                    world.maps.insert((object.namespace, object.name), at);
                }
                _ if object.is_namespace() => {
                    world.namespaces.insert(object.name, at);
                }
                ("networking.k8s.io" | "extensions", "Ingress") => {
                    for service in backends(object.spec()) {
                        let leads = world.ingresses.entry((object.namespace, service));
                        leads.or_default().push(at);
                    }
                }
                _ => {}
            }
        }
        for (at, object) in objects.iter().enumerate() {
            let Some(template) = object.template() else {
                continue;
            };
            let labels = &object.spec()["template"]["metadata"]["labels"];
            let mut relations = Relations::default();
            for service in services.near(object.namespace, labels) {
                let selector = &objects[service].spec()["selector"];
                let mut wanted = selector.as_object().into_iter().flatten();
                if wanted.all(|(key, value)| labels[key] == *value) {
                    relations.services.push(service);
                }
            }
            for budget in budgets.near(object.namespace, labels) {
                if selects(&objects[budget].spec()["selector"], labels) {
                    relations.budgets.push(budget);
                }
            }
            let scaler = scalers.get(&(object.namespace, object.kind, object.name));
            relations.scaler = scaler.map(|(object, least)| Scaler {
                object: *object,
                least: *least,
            });
            for selecting in relations.services.iter().chain(&relations.budgets) {
                let selected = world.selected.entry(*selecting).or_default();
                selected.push(world.workloads.len());
            }
            if let Some(service) = object.spec()["serviceName"].as_str() {
                world.governed.insert((object.namespace, service), at);
            }
            world.workloads.push((at, template, relations));
        }
        world.objects = objects;
        world
    }

    /// How often a workload among objects meets a Service or a budget that may select it, at most: with that grows what a
    /// world takes, and what can be found in it.
    #[must_use]
    pub fn pairs(objects: &[Object<'a>]) -> usize {
        let mut selectors = Selectors::default();
        for (at, object) in objects.iter().enumerate() {
            let selector = &object.spec()["selector"];
            match (object.group(), object.kind) {
                ("", "Service") => selectors.add(object, selector, at),
                ("policy", "PodDisruptionBudget") => {
                    selectors.add(object, &selector["matchLabels"], at);
                }
                _ => {}
            }
        }
        let workloads = objects.iter().filter(|object| object.template().is_some());
        let near = workloads.map(|object| {
            let labels = &object.spec()["template"]["metadata"]["labels"];
            selectors.near(object.namespace, labels).len()
        });
        near.sum()
    }

    /// How many workloads there are to judge.
    #[must_use]
    pub fn workloads(&self) -> usize {
        self.workloads.len()
    }

    /// The objects, in the order that they were given in.
    #[must_use]
    pub fn objects(&self) -> &[Object<'a>] {
        &self.objects
    }

    /// Whether a namespace has Services here: then a workload without one is without on purpose.
    pub(super) fn has_services(&self, namespace: &str) -> bool {
        self.serviced.contains(namespace)
    }

    pub(super) fn config_map(&self, namespace: &str, name: &str) -> Option<&'a Value> {
        let at = *self.maps.get(&(namespace, name))?;
        Some(&self.objects.get(at)?.value["data"])
    }

    fn namespace(&self, name: &str) -> Option<&Object<'a>> {
        self.objects.get(*self.namespaces.get(name)?)
    }

    /// Whether a workload is covered by what its namespace, as it stands here, and it itself say.
    pub(super) fn has_opted_in(&self, workload: &Object<'a>) -> bool {
        let template = &workload.spec()["template"]["metadata"]["annotations"];
        let Some(namespace) = self.namespace(workload.namespace) else {
            // What runs with an injection got it there.
            return workload.is_live() && template[STATUS].is_string();
        };
        let own = Inject::parse(workload.annotation(INJECT));
        let own = own.or_else(|| Inject::parse(text(template, INJECT)));
        match Inject::parse(namespace.annotation(INJECT)) {
            Some(Inject::Enabled) => own != Some(Inject::Disabled),
            Some(Inject::OnRequest) => own == Some(Inject::Enabled),
            _ => false,
        }
    }

    /// Whether its namespace, as it stands here, has its Pods injected and not itself.
    pub(super) fn is_left_to_pods(&self, workload: &Object<'a>) -> bool {
        let namespace = self.namespace(workload.namespace);
        let level = namespace.map_or("", |namespace| namespace.annotation(LEVEL_KEY));
        Level::parse(level) == Some(Level::Pod)
    }
}

fn scale_target<'a>(object: &Object<'a>, kind: &'a str) -> (&'a str, &'a str, &'a str) {
    let target = &object.spec()["scaleTargetRef"];
    let kind = target["kind"].as_str().unwrap_or(kind);
    (object.namespace, kind, text(target, "name"))
}

/// The names of the Services that an Ingress leads to, in either version of its API.
fn backends(spec: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let defaults = [&spec["defaultBackend"], &spec["backend"]];
    let paths = list(spec, "rules")
        .iter()
        .flat_map(|rule| list(&rule["http"], "paths"))
        .map(|path| &path["backend"]);
    for backend in defaults.into_iter().chain(paths) {
        let name = backend["service"]["name"].as_str();
        found.extend(name.or_else(|| backend["serviceName"].as_str()));
    }
    found.sort_unstable();
    found.dedup();
    found
}
