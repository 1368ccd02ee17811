//! One test's namespace, and workloads looked at in it.

use serde_json::Value;
use testkit::process::Output;
use testkit::wait::eventually;

use super::manifests;
use super::world::World;

pub(crate) struct Space<'w> {
    pub(crate) world: &'w World,
    pub(crate) name: String,
}

/// A workload once its controller has seen it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) object: Value,
    /// Names of its `ReplicaSet`s or `ControllerRevision`s: each is a template that was rolled out.
    pub(crate) revisions: Vec<String>,
}

impl State {
    pub(crate) fn template(&self) -> &Value {
        &self.object["spec"]["template"]
    }

    pub(crate) fn pod(&self) -> &Value {
        &self.template()["spec"]
    }

    pub(crate) fn web(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    pub(crate) fn generation(&self) -> i64 {
        self.object["metadata"]["generation"].as_i64().unwrap()
    }

    pub(crate) fn injected(&self) -> bool {
        self.template()["metadata"]["annotations"]["silkroll.dev/status"].is_string()
    }

    /// The words of the preStop hook after the launcher's own.
    pub(crate) fn chained(&self) -> Vec<&str> {
        let command = self.web()["lifecycle"]["preStop"]["exec"]["command"]
            .as_array()
            .unwrap_or_else(|| panic!("no exec hook: {}", self.web()));
        assert_eq!(command[3], "silkroll", "not a hook of ours");
        command[4..]
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect()
    }
}

impl<'w> Space<'w> {
    /// Makes a namespace; the annotations are ours, without the prefix.
    pub(crate) fn new(world: &'w World, name: &str, annotations: &[(&str, &str)]) -> Self {
        let namespace = manifests::namespace(name, annotations).to_string();
        world.plane.ok(&["create", "-f", "-"], &namespace);
        Self {
            world,
            name: name.to_owned(),
        }
    }

    /// Runs kubectl in the namespace. `kubectl replace` reads the object's version before it writes: where a controller wrote
    /// the status in between, the API server refuses, and it is run again, as people do.
    pub(crate) fn kubectl(&self, args: &[&str], stdin: &str) -> Output {
        match args {
            ["replace", ..] => self.replace(args, || stdin.to_owned()),
            _ => self.kubectl_once(args, stdin),
        }
    }

    /// `kubectl get -o json | kubectl replace -f -`.
    pub(crate) fn replace_with_stored(&self, workload: &str) -> Output {
        self.replace(&["replace", "-f", "-"], || {
            self.quiet(&["get", workload, "-o", "json"], "")
        })
    }

    fn replace(&self, args: &[&str], manifest: impl Fn() -> String) -> Output {
        eventually("kubectl replace is not overtaken by a controller", || {
            let output = self.kubectl_once(args, &manifest());
            let overtaken = output.stderr.contains("the object has been modified");
            (!overtaken).then_some(output)
        })
    }

    fn kubectl_once(&self, args: &[&str], stdin: &str) -> Output {
        let mut all = vec!["-n", &self.name];
        all.extend_from_slice(args);
        self.world.plane.kubectl(&all, stdin)
    }

    /// Runs kubectl, which must succeed and say nothing on stderr: no warning on plain success.
    pub(crate) fn quiet(&self, args: &[&str], stdin: &str) -> String {
        let output = self.kubectl(args, stdin);
        let place = format!("kubectl {args:?} in {}", self.name);
        assert!(output.success, "{place}: {output:?}");
        assert_eq!(remarks(&output), Vec::<&str>::new(), "{place}");
        output.stdout
    }

    /// Applies from stdin, quietly.
    pub(crate) fn apply(&self, object: &Value) -> String {
        self.quiet(&["apply", "-f", "-"], &object.to_string())
    }

    /// Applies, and returns the warnings of Silkroll, which there must be.
    pub(crate) fn apply_warned(&self, object: &Value) -> String {
        let output = self.kubectl(&["apply", "-f", "-"], &object.to_string());
        assert!(output.success, "{output:?}");
        assert!(output.stderr.contains("Warning: silkroll: "), "{output:?}");
        output.stderr
    }

    /// What a dry run at the API server would store.
    pub(crate) fn dry_run(&self, object: &Value) -> Value {
        let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        serde_json::from_str(&self.quiet(&args, &object.to_string())).unwrap()
    }

    /// The workload `KIND/NAME` after its controller has seen its last change: where that made a
    /// new template, its `ReplicaSet` or `ControllerRevision` is there.
    pub(crate) fn settled(&self, workload: &str) -> State {
        let (kind, name) = workload.split_once('/').unwrap();
        let kinds = format!("{kind},replicasets,controllerrevisions");
        eventually(&format!("{workload} seen by its controller"), || {
            let list = self.world.plane.get(&["-n", &self.name, &kinds])?;
            let items = list["items"].as_array().unwrap();
            let owned = |item: &&Value| item["metadata"]["ownerReferences"][0]["name"] == *name;
            let object = items.iter().find(|item| {
                item["metadata"]["name"] == *name
                    && item["kind"].as_str().unwrap().to_lowercase() == kind
            })?;
            let seen = &object["status"]["observedGeneration"];
            if *seen != object["metadata"]["generation"] {
                return None;
            }
            let mut revisions: Vec<String> = items
                .iter()
                .filter(owned)
                .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
                .collect();
            revisions.sort();
            Some(State {
                object: object.clone(),
                revisions,
            })
        })
    }

    /// Annotates the namespace and waits until Silkroll has heard of it, as a dry run of `object`
    /// shows.
    pub(crate) fn reannotate(&self, annotation: &str, object: &Value, heard: fn(&Output) -> bool) {
        let annotation = format!("silkroll.dev/{annotation}");
        let args = [
            "annotate",
            "namespace",
            &self.name,
            &annotation,
            "--overwrite",
        ];
        self.world.plane.ok(&args, "");
        let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let mut object = object.clone();
        object["metadata"]["name"] = "not-there-yet".into();
        eventually("Silkroll has heard of the annotation", || {
            heard(&self.kubectl(&args, &object.to_string())).then_some(())
        });
    }
}

/// What kubectl printed on stderr, but for its own remarks, which are not ours to avoid.
pub(crate) fn remarks(output: &Output) -> Vec<&str> {
    let lines = output.stderr.lines();
    lines
        .filter(|line| !line.contains("last-applied-configuration"))
        .collect()
}
