//! All objects that are judged together, and how they belong to each other.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::environments::Environments;
use super::object::Object;
use super::read::{list, text};
use super::selectors::{Selectors, Share, budget_selects, labels_select, service_selects};
use crate::policy::{INJECT, Inject, Level, STATUS};

/// The annotation that says where the injection happens.
const LEVEL_KEY: &str = "silkroll.dev/level";

/// How one workload is scaled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaler {
    pub(super) object: usize,
    /// The least number of pods.
    pub(super) least: i64,
    /// The most, where it is said.
    pub(super) most: Option<i64>,
    /// Where the least is said, as a JSON pointer.
    pub(super) pointer: &'static str,
}

/// What belongs to one workload.
#[derive(Debug, Default)]
pub(super) struct Relations {
    pub(super) services: Vec<usize>,
    /// Budgets that select all of its pods.
    pub(super) budgets: Vec<usize>,
    /// Whether others select some of them.
    pub(super) some_budgeted: bool,
    pub(super) scaler: Option<Scaler>,
    /// The Rollout that takes its pod template from here (`workloadRef`), and runs its pods.
    pub(super) rollout: Option<usize>,
}

/// Objects by namespace and name, of each input.
type Named<'a> = HashMap<(&'a str, &'a str), Vec<usize>>;

/// All objects that are judged together.
#[derive(Debug)]
pub struct World<'a> {
    pub(super) objects: Vec<Object<'a>>,
    /// Each workload, and what belongs to it.
    pub(super) workloads: Vec<(usize, &'static str, Relations)>,
    /// Of each `PodDisruptionBudget` and Service the workloads that it selects whole, as places in `workloads`.
    pub(super) selected: HashMap<usize, Vec<usize>>,
    pub(super) environments: Environments<'a>,
    /// Namespaces that have a Service with a selector.
    serviced: HashSet<&'a str>,
    maps: Named<'a>,
    /// Namespaces by name.
    namespaces: HashMap<&'a str, Vec<usize>>,
    /// Ingresses by the namespace and name of each Service that they lead to.
    ingresses: Named<'a>,
    /// `StatefulSets` by namespace and the name of their governing Service.
    pub(super) governed: HashMap<(&'a str, &'a str), usize>,
}

/// What is looked up while a world is sorted out.
#[derive(Default)]
struct Index<'a> {
    services: Selectors<'a>,
    budgets: Selectors<'a>,
    /// By namespace, and the kind and name of what is scaled.
    scalers: HashMap<(&'a str, &'a str, &'a str), Vec<Scaler>>,
    /// Rollouts by namespace, and the kind and name of the workload that has their template.
    rollouts: HashMap<(&'a str, &'a str, &'a str), Vec<usize>>,
}

impl<'a> World<'a> {
    /// Sorts out who belongs to whom. The places of findings are those in `objects`.
    #[must_use]
    pub fn new(objects: Vec<Object<'a>>) -> Self {
        let mut world = Self {
            environments: Environments::new(&objects),
            objects,
            workloads: Vec::new(),
            selected: HashMap::new(),
            serviced: HashSet::new(),
            maps: HashMap::new(),
            namespaces: HashMap::new(),
            ingresses: HashMap::new(),
            governed: HashMap::new(),
        };
        let index = world.index();
        for at in 0..world.objects.len() {
            let object = &world.objects[at];
            let Some(template) = object.template() else {
                continue;
            };
            let relations = world.relations(object, &index);
            let selecting = relations.services.iter().chain(&relations.budgets);
            for selecting in selecting.copied() {
                let selected = world.selected.entry(selecting).or_default();
                selected.push(world.workloads.len());
            }
            if let Some(service) = object.spec()["serviceName"].as_str() {
                world.governed.insert((object.namespace, service), at);
            }
            world.workloads.push((at, template, relations));
        }
        world
    }

    fn index(&mut self) -> Index<'a> {
        let mut index = Index::default();
        for (at, object) in self.objects.iter().enumerate() {
            if object.is_local() {
                continue;
            }
            let named = (object.namespace, object.name);
            let same_file = |other: usize| self.objects[other].file == object.file;
            // The last of an input counts, as where it is applied.
            let put = |of: &mut Vec<usize>| match of.last_mut() {
                Some(last) if same_file(*last) => *last = at,
                _ => of.push(at),
            };
            match (object.group(), object.kind) {
                ("", "Service") if service_selects(object) => {
                    index.services.add(object, &object.spec()["selector"], at);
                    self.serviced.insert(object.namespace);
                }
                ("policy", "PodDisruptionBudget") => {
                    let labels = &object.spec()["selector"]["matchLabels"];
                    index.budgets.add(object, labels, at);
                }
                ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject") => {
                    let (kind, scaler) = scaler(object, at);
                    let target = named_by(object, "scaleTargetRef", kind);
                    let of = index.scalers.entry(target).or_default();
                    // Of two the pods may go as low as either says.
                    match of.last_mut().filter(|last| same_file(last.object)) {
                        Some(last) if last.least <= scaler.least => {}
                        Some(last) => *last = scaler,
                        None => of.push(scaler),
                    }
                }
                ("argoproj.io", "Rollout") if object.spec()["workloadRef"].is_object() => {
                    let target = named_by(object, "workloadRef", "");
                    put(index.rollouts.entry(target).or_default());
                }
                ("", "ConfigMap") => put(self.maps.entry(named).or_default()),
                _ if object.is_namespace() => {
                    put(self.namespaces.entry(object.name).or_default());
                }
                ("networking.k8s.io" | "extensions", "Ingress")
                | ("elbv2.k8s.aws", "TargetGroupBinding") => {
                    for service in backends(object.spec()) {
                        let leads = self.ingresses.entry((object.namespace, service));
                        leads.or_default().push(at);
                    }
                }
                _ => {}
            }
        }
        index
    }

    fn relations(&self, object: &Object<'a>, index: &Index<'a>) -> Relations {
        let mut relations = Relations::default();
        let labels = object.pod_labels();
        let together = |at: &usize| !self.environments.apart(object.file, self.objects[*at].file);
        let near = index.services.near(object.namespace, labels);
        for service in near.into_iter().filter(together) {
            let selector = &self.objects[service].spec()["selector"];
            if labels_select(selector, object) != Share::None {
                relations.services.push(service);
            }
        }
        let near = index.budgets.near(object.namespace, labels);
        for budget in near.into_iter().filter(together) {
            match budget_selects(&self.objects[budget], object) {
                Share::All => relations.budgets.push(budget),
                Share::Some => relations.some_budgeted = true,
                Share::None => {}
            }
        }
        let own = (object.namespace, object.kind, object.name);
        let rollouts = index.rollouts.get(&own).map_or(&[][..], Vec::as_slice);
        relations.rollout = self.nearest(object, rollouts).last();
        let runner = relations.rollout.map_or(object, |at| &self.objects[at]);
        let own = (runner.namespace, runner.kind, runner.name);
        let scalers = index.scalers.get(&own).map_or(&[][..], Vec::as_slice);
        let places: Vec<usize> = scalers.iter().map(|one| one.object).collect();
        let nearest: HashSet<usize> = self.nearest(runner, &places).collect();
        let nearest = scalers.iter().filter(|one| nearest.contains(&one.object));
        relations.scaler = nearest.min_by_key(|one| one.least).copied();
        relations
    }

    /// Of these objects those that may belong to one, of the inputs nearest to its own.
    fn nearest(&self, object: &Object<'_>, of: &[usize]) -> impl Iterator<Item = usize> {
        self.environments.nearest(object.file, of, &self.objects)
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
            let near = selectors.near(object.namespace, object.pod_labels());
            near.len()
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

    /// The data of a `ConfigMap` that an object names.
    pub(super) fn config_map(&self, of: &Object<'_>, name: &str) -> Option<&'a Value> {
        let all = self.maps.get(&(of.namespace, name))?;
        let at = self.nearest(of, all).last()?;
        Some(&self.objects[at].value["data"])
    }

    /// The Ingresses that lead to a Service.
    pub(super) fn ingresses(&self, service: &Object<'a>) -> impl Iterator<Item = &Object<'a>> {
        let all = self.ingresses.get(&(service.namespace, service.name));
        let file = service.file;
        let all = all.into_iter().flatten().map(|at| &self.objects[*at]);
        all.filter(move |ingress| !self.environments.apart(file, ingress.file))
    }

    /// The Namespace of a workload.
    fn namespace(&self, of: &Object<'_>) -> Option<&Object<'a>> {
        let all = self.namespaces.get(of.namespace)?;
        let at = self.nearest(of, all).last()?;
        self.objects.get(at)
    }

    /// What the Namespace of a workload says in an annotation; empty where it says nothing.
    pub(super) fn namespace_says(&self, workload: &Object<'_>, key: &str) -> &'a str {
        let namespace = self.namespace(workload);
        namespace.map_or("", |namespace| namespace.annotation(key))
    }

    /// Whether a Namespace that stands here leaves it to each workload to ask for the injection.
    pub(super) fn is_on_request(&self, workload: &Object<'_>) -> bool {
        Inject::parse(self.namespace_says(workload, INJECT)) == Some(Inject::OnRequest)
    }

    /// How many pods a workload, by its place in `workloads`, has at least and at most, as far as that is known, and whether
    /// an autoscaler says so.
    pub(super) fn scale(&self, workload: usize) -> (Option<i64>, Option<i64>, bool) {
        let (at, _, relations) = &self.workloads[workload];
        let runner = &self.objects[relations.rollout.unwrap_or(*at)];
        match relations.scaler {
            _ if runner.kind == "DaemonSet" => (None, None, false),
            Some(scaler) => (Some(scaler.least), scaler.most, true),
            None => {
                let replicas = Some(runner.spec()["replicas"].as_i64().unwrap_or(1));
                (replicas, replicas, false)
            }
        }
    }

    /// Whether a workload is covered by what its namespace, as it stands here, and it itself say.
    pub(super) fn has_opted_in(&self, workload: &Object<'a>) -> bool {
        let template = &workload.spec()["template"]["metadata"]["annotations"];
        let Some(namespace) = self.namespace(workload) else {
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
        let level = self.namespace_says(workload, LEVEL_KEY);
        Level::parse(level) == Some(Level::Pod)
    }
}

/// What an object names in a member of its spec: namespace, kind and name.
fn named_by<'a>(object: &Object<'a>, member: &str, kind: &'a str) -> (&'a str, &'a str, &'a str) {
    let target = &object.spec()[member];
    let kind = target["kind"].as_str().unwrap_or(kind);
    (object.namespace, kind, text(target, "name"))
}

/// An autoscaler, and the kind of what it scales where it names none. Where nothing is said the least is 1, for a
/// `ScaledObject` 0 (KEDA's `minReplicaCount`; `idleReplicaCount` is below that).
fn scaler(object: &Object<'_>, at: usize) -> (&'static str, Scaler) {
    let number = |name: &str| object.spec()[name].as_i64();
    if object.kind == "ScaledObject" {
        let least = number("idleReplicaCount").or(number("minReplicaCount"));
        let scaler = Scaler {
            object: at,
            least: least.unwrap_or(0),
            // KEDA's default.
            most: Some(number("maxReplicaCount").unwrap_or(100)),
            pointer: "/spec/minReplicaCount",
        };
        return ("Deployment", scaler);
    }
    let scaler = Scaler {
        object: at,
        least: number("minReplicas").unwrap_or(1),
        most: number("maxReplicas"),
        pointer: "/spec/minReplicas",
    };
    ("", scaler)
}

/// The names of the Services that an Ingress leads to, in either version of its API, or a target group of AWS.
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
    // Of a TargetGroupBinding.
    found.extend(spec["serviceRef"]["name"].as_str());
    found.sort_unstable();
    found.dedup();
    found
}
