//! What is to be said of the input as a whole: what was not judged, and why. Nothing is passed over in silence.

use std::collections::{BTreeMap, BTreeSet};

use super::object::Object;
use super::read::list;
use super::selectors::service_selects;
use super::workload::Workload;
use super::world::World;

/// So many of a list are named where a line is all that there is.
const SHOWN: usize = 5;

/// An object by its input and its title.
pub type Named = (String, String);

/// One thing that is to be said.
#[derive(Debug, Clone, Default)]
pub struct Remark {
    /// In front of the names.
    what: String,
    /// Behind them.
    why: String,
    /// All objects that it is about.
    objects: BTreeSet<Named>,
    /// They were not judged.
    passed_over: bool,
    /// The names are part of the sentence.
    named: bool,
    /// There are several of its kind before it, so a person is told the number.
    pub(super) beyond: bool,
}

impl Remark {
    /// A sentence about no object.
    #[must_use]
    pub fn plain(sentence: String) -> Self {
        Self {
            what: sentence,
            ..Self::default()
        }
    }

    /// The sentence, with the first of many names.
    #[must_use]
    pub fn short(&self) -> String {
        self.sentence(SHOWN)
    }

    /// The sentence, with all names.
    #[must_use]
    pub fn whole(&self) -> String {
        self.sentence(usize::MAX)
    }

    /// The sentence without the names, for whoever has them beside it.
    #[must_use]
    pub fn reason(&self) -> String {
        let Self { what, why, .. } = self;
        format!("{what}{why}")
    }

    /// All objects that it is about.
    pub fn objects(&self) -> impl Iterator<Item = &Named> {
        self.objects.iter()
    }

    /// Those of them that were not judged.
    pub fn passed_over(&self) -> impl Iterator<Item = &Named> {
        self.objects.iter().filter(|_| self.passed_over)
    }

    fn sentence(&self, most: usize) -> String {
        let Self { what, why, .. } = self;
        if !self.named {
            return self.reason();
        }
        let names: BTreeSet<&str> = self.objects.iter().map(|(_, title)| &**title).collect();
        let more = names.len().saturating_sub(most);
        let shown: Vec<&str> = names.into_iter().take(most).collect();
        let shown = shown.join(", ");
        if more > 0 {
            return format!("{what}: {shown} and {more} more (-o json names all){why}");
        }
        format!("{what}: {shown}{why}")
    }
}

/// What a person is told: of what was said five times already only the number.
#[must_use]
pub fn sentences(remarks: &[Remark]) -> Vec<String> {
    let beyond = remarks.iter().filter(|remark| remark.beyond).count();
    let said = remarks.iter().filter(|remark| !remark.beyond);
    let mut said: Vec<String> = said.map(Remark::short).collect();
    if beyond > 0 {
        said.push(format!("the same is so of {beyond} more ports of Services"));
    }
    said
}

/// What is to be said of a world.
#[must_use]
pub fn remarks(world: &World<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let passed_over = || world.objects.iter().filter(|one| one.is_passed_over());
    for object in passed_over() {
        *kinds.entry((object.kind, object.group())).or_default() += 1;
    }
    if !kinds.is_empty() {
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|((kind, group), number)| match group {
                "" => format!("{number} {kind}"),
                group => format!("{number} {kind} of {group}"),
            })
            .collect();
        remarks.push(Remark {
            what: format!(
                "not judged: {}: they keep pods running, and no rule knows their kind",
                kinds.join(", ")
            ),
            objects: passed_over().map(named).collect(),
            passed_over: true,
            ..Remark::default()
        });
    }
    let local = || world.objects.iter().filter(|one| one.is_local());
    let number = local().count();
    if number > 0 {
        let objects = if number == 1 { "object" } else { "objects" };
        remarks.push(Remark {
            what: format!(
                "not judged: {number} {objects} with config.kubernetes.io/local-config, which are never applied"
            ),
            objects: local().map(named).collect(),
            passed_over: true,
            ..Remark::default()
        });
    }
    remarks.extend(of_workloads(world));
    let services = world.objects.iter().enumerate().filter(|(at, one)| {
        (one.group(), one.kind) == ("", "Service")
            && !one.is_local()
            && service_selects(one)
            && !world.selected.contains_key(at)
    });
    let services: BTreeSet<Named> = services.map(|(_, one)| named(one)).collect();
    if !services.is_empty() {
        remarks.push(Remark {
            what: "selects no workload that stands here".to_owned(),
            objects: services,
            named: true,
            ..Remark::default()
        });
    }
    remarks.extend(world.environments.remark().into_iter().map(Remark::plain));
    remarks
}

/// What is said of workloads and of the ports that lead to them.
fn of_workloads(world: &World<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let (mut silent, mut by_pods) = (BTreeSet::new(), BTreeSet::new());
    for at in 0..world.workloads() {
        let (object, _, relations) = &world.workloads[at];
        let object = &world.objects[*object];
        if world.is_left_to_pods(object) {
            by_pods.insert(named(object));
        }
        let containers = list(&object.spec()["template"]["spec"], "containers");
        // One alone is what a Service leads to.
        if !relations.services.is_empty() && containers.len() < 2 {
            continue;
        }
        let workload = Workload::new(world, at);
        for (service, port) in &workload.unclear {
            let service = &world.objects[*service];
            remarks.push(Remark {
                what: format!(
                    "{} leads to port {port} of {}, and no container there declares it: which of them serves cannot be told, \
                     declare it for the one that does",
                    title(service),
                    title(object),
                ),
                objects: BTreeSet::from([named(service), named(object)]),
                beyond: remarks.len() >= SHOWN,
                ..Remark::default()
            });
        }
        if relations.services.is_empty() && !workload.is_off() && workload.may_serve() {
            silent.insert(named(object));
        }
    }
    if !silent.is_empty() {
        remarks.push(Remark {
            what: "taken to serve nobody, though ports are declared".to_owned(),
            why: ": no Service here selects the pods, where their namespace has Services; is one missing, or its selector \
                  wrong? What is in a registry says so by silkroll.dev/deregister"
                .to_owned(),
            objects: silent,
            passed_over: true,
            named: true,
            ..Remark::default()
        });
    }
    if !by_pods.is_empty() {
        remarks.push(Remark {
            what: "judged as they stand".to_owned(),
            why: ": their namespace has its Pods injected (silkroll.dev/level: pod), and what that mends is not taken into \
                  account"
                .to_owned(),
            objects: by_pods,
            named: true,
            ..Remark::default()
        });
    }
    remarks
}

fn named(object: &Object<'_>) -> Named {
    (object.file.to_owned(), title(object))
}

fn title(object: &Object<'_>) -> String {
    format!("{} {}/{}", object.kind, object.namespace, object.name)
}
