//! What is in Git, and what the cluster has of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use testkit::process::run;
use testkit::wait::eventually;

use super::manifests;
use super::world::World;

/// So often is applied what has not changed.
pub(crate) const RECONCILES: usize = 20;

/// A namespace with workloads in it.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    annotations: &'static [(&'static str, &'static str)],
    workloads: fn() -> Vec<Value>,
    /// The workloads' own templates are injected.
    injected: bool,
    /// They state what injection changes, so that Argo CD without settings sees a difference.
    pub(crate) differs: bool,
}

/// What teams have: nothing of their own, a registry, hooks and grace and strategy of their own, both, a namespace whose Pods
/// are injected. The last has not opted in: how the tool behaves without Silkroll.
pub(crate) const SETS: &[Set] = &[
    Set {
        name: "plain",
        annotations: &[("inject", "enabled")],
        workloads: || of_each_kind(manifests::workload),
        injected: true,
        differs: false,
    },
    Set {
        name: "nacos",
        annotations: manifests::NACOS,
        workloads: || of_each_kind(manifests::workload),
        injected: true,
        differs: false,
    },
    Set {
        name: "own",
        annotations: &[
            ("inject", "enabled"),
            ("rollout", "surge"),
            ("min-ready-seconds", "5"),
        ],
        workloads: || of_each_kind(own),
        injected: true,
        differs: true,
    },
    Set {
        name: "both",
        annotations: manifests::NACOS,
        workloads: || {
            let mut all = of_each_kind(own);
            all.push(manifests::rich("rich"));
            all
        },
        injected: true,
        differs: true,
    },
    Set {
        name: "pods",
        annotations: &[("inject", "enabled"), ("level", "pod")],
        workloads: || of_each_kind(own),
        injected: false,
        differs: false,
    },
    Set {
        name: "without",
        annotations: &[],
        workloads: || of_each_kind(own),
        injected: false,
        differs: false,
    },
];

fn of_each_kind(workload: fn(&str, &str) -> Value) -> Vec<Value> {
    ["Deployment", "StatefulSet", "DaemonSet"]
        .map(|kind| workload(kind, &kind.to_lowercase()))
        .into()
}

/// One that states all that injection changes though it is in Git.
fn own(kind: &str, name: &str) -> Value {
    let mut object = manifests::workload(kind, name);
    let rolling =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}});
    match kind {
        "Deployment" => object["spec"]["strategy"] = rolling,
        "DaemonSet" => object["spec"]["updateStrategy"] = rolling,
        _ => {}
    }
    object["spec"]["minReadySeconds"] = 0.into();
    object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 30.into();
    let hook = |word: &str| json!({"exec": {"command": ["/bin/echo", word]}});
    let web = manifests::container(&mut object);
    web["lifecycle"] = json!({"preStop": hook("bye"), "postStart": hook("hello")});
    web["readinessProbe"] = json!({"httpGet": {"path": "/ready", "port": "http"}});
    object
}

/// What a workload is and what was rolled out of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    generation: i64,
    template: Value,
    /// `ReplicaSet`s or `ControllerRevision`s: one for each template that there was.
    revisions: usize,
}

/// All sets as one tool has them, in namespaces of its own.
pub(crate) struct Git {
    pub(crate) world: &'static World,
    tool: &'static str,
    image: &'static str,
    folder: tempfile::TempDir,
}

impl Git {
    /// Makes the namespaces and the first commit.
    pub(crate) fn new(tool: &'static str) -> Self {
        let world = World::shared();
        for set in SETS {
            let name = format!("{tool}-{}", set.name);
            let namespace = manifests::namespace(&name, set.annotations);
            world
                .plane
                .ok(&["create", "-f", "-"], &namespace.to_string());
        }
        let git = Self {
            world,
            tool,
            image: "web:1",
            folder: tempfile::tempdir().unwrap(),
        };
        git.git(&["init", "--quiet", "--initial-branch=main"]);
        git.commit();
        git
    }

    pub(crate) fn namespace(&self, set: &Set) -> String {
        format!("{}-{}", self.tool, set.name)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The workloads of a set as they are in Git.
    pub(crate) fn objects(&self, set: &Set) -> Vec<Value> {
        let mut objects = (set.workloads)();
        for object in &mut objects {
            object["metadata"]["namespace"] = self.namespace(set).into();
            manifests::container(object)["image"] = self.image.into();
        }
        objects
    }

    /// All workloads, as a YAML stream.
    pub(crate) fn all(&self) -> String {
        SETS.iter().map(|set| self.text(set)).collect()
    }

    fn text(&self, set: &Set) -> String {
        let objects = self.objects(set).into_iter();
        let documents: Vec<_> = objects.map(|object| format!("---\n{object}\n")).collect();
        documents.concat()
    }

    fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.folder.path());
        command.args(["-c", "user.name=shop", "-c", "user.email=shop@example.com"]);
        let output = run(command.args(args), b"").unwrap();
        assert!(output.success, "git {args:?}: {output:?}");
    }

    fn commit(&self) {
        let mut kustomization = "resources:\n".to_owned();
        for set in SETS {
            let folder = self.folder.path().join(set.name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("all.yaml"), self.text(set)).unwrap();
            writeln!(kustomization, "- {}/all.yaml", set.name).unwrap();
        }
        std::fs::write(self.folder.path().join("kustomization.yaml"), kustomization).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", self.image]);
    }

    /// A user's change: another image for all.
    pub(crate) fn change(&mut self) {
        self.image = "web:2";
        self.commit();
    }

    /// All workloads, once their controllers have seen their last change.
    pub(crate) fn states(&self) -> BTreeMap<String, State> {
        let kinds = "deployments,statefulsets,daemonsets,replicasets,controllerrevisions";
        eventually(
            &format!("{}'s workloads seen by their controllers", self.tool),
            || {
                let list = self.world.plane.get(&["-A", kinds])?;
                let items = list["items"].as_array().unwrap();
                let mut states = BTreeMap::new();
                for set in SETS {
                    for wanted in self.objects(set) {
                        let object = items.iter().find(|item| is(item, &wanted))?;
                        if object["status"]["observedGeneration"]
                            != object["metadata"]["generation"]
                        {
                            return None;
                        }
                        let uid = &object["metadata"]["uid"];
                        let owned =
                            |item: &&Value| item["metadata"]["ownerReferences"][0]["uid"] == *uid;
                        let state = State {
                            generation: object["metadata"]["generation"].as_i64().unwrap(),
                            template: object["spec"]["template"].clone(),
                            revisions: items.iter().filter(owned).count(),
                        };
                        states.insert(
                            format!("{}/{}", set.name, wanted["metadata"]["name"]),
                            state,
                        );
                    }
                }
                // The first is made a moment after its workload was seen.
                states
                    .values()
                    .all(|state| state.revisions > 0)
                    .then_some(states)
            },
        )
    }

    /// The states after the first time, once each workload is what its set promises.
    pub(crate) fn first(&self) -> BTreeMap<String, State> {
        let states = self.states();
        for (name, state) in &states {
            let set = SETS
                .iter()
                .find(|set| name.starts_with(&format!("{}/", set.name)));
            let record = &state.template["metadata"]["annotations"]["silkroll.dev/status"];
            assert_eq!(
                record.is_string(),
                set.unwrap().injected,
                "{name}: {state:?}"
            );
            assert_eq!(state.revisions, 1, "{name}: {state:?}");
        }
        states
    }

    /// The user's change has arrived: one more template, with the new image and nothing else of the user's.
    pub(crate) fn arrived(&self, before: &BTreeMap<String, State>) -> BTreeMap<String, State> {
        let states = eventually(&format!("the change through {}", self.tool), || {
            let states = self.states();
            let new = |state: &State| state.template["spec"]["containers"][0]["image"] == "web:2";
            let rolled =
                |(name, state): (&String, &State)| state.revisions > before[name].revisions;
            (states.values().all(new) && states.iter().all(rolled)).then_some(states)
        });
        for (name, state) in &states {
            assert_eq!(state.revisions, 2, "{name}: {state:?}");
            assert_eq!(
                state.generation,
                before[name].generation + 1,
                "{name}: {state:?}"
            );
        }
        states
    }

    /// Nothing has moved since: no generation, no template, no revision.
    pub(crate) fn unmoved(&self, since: &BTreeMap<String, State>, round: usize) {
        let states = self.states();
        for (name, state) in &states {
            assert_eq!(
                state, &since[name],
                "{name} of {} in round {round}",
                self.tool
            );
        }
    }

    /// The whole course of a tool that is called: the first time, 20 times the same, a change, twice the same.
    pub(crate) fn course(mut self, mut apply: impl FnMut(&Self)) {
        apply(&self);
        let first = self.first();
        for round in 0..RECONCILES {
            apply(&self);
            self.unmoved(&first, round);
        }
        self.change();
        apply(&self);
        let second = self.arrived(&first);
        for round in 0..2 {
            apply(&self);
            self.unmoved(&second, round);
        }
    }
}

fn is(item: &Value, wanted: &Value) -> bool {
    let same = |pointer: &str| item.pointer(pointer) == wanted.pointer(pointer);
    same("/kind") && same("/metadata/name") && same("/metadata/namespace")
}

/// A folder that `make test-gitops` has built, named by a variable.
pub(crate) fn built(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) if !path.is_empty() => path.into(),
        _ => panic!("{variable} is not set: run `make test-gitops`"),
    }
}

/// What `silkroll gitops TOOL` prints.
pub(crate) fn printed(tool: &str) -> String {
    let output = super::world::silkroll(&["gitops", tool], "");
    assert!(output.success, "{output:?}");
    output.stdout
}

/// Runs a command that is printed in a comment, as it stands there, with these words put in the place of others.
pub(crate) fn as_printed(world: &World, text: &str, command: &str, instead: &[(&str, &str)]) {
    let lines = text.lines().filter_map(|line| line.strip_prefix("#   "));
    let mut found = lines.filter(|line| line.contains(command));
    let mut line = found
        .next()
        .unwrap_or_else(|| panic!("no {command} in\n{text}"))
        .to_owned();
    for (word, other) in instead {
        assert!(line.contains(word), "no {word} in {line}");
        line = line.replace(word, other);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], "kubectl");
    world.plane.ok(&words[1..], "");
}
