//! Helm, and what it prints.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use silkroll::manifest::{self, Limits};
use testkit::process::{Output, run};

use super::cluster::ControlPlane;

/// A file of this repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The namespace that charts are installed to, and the release's name.
pub(crate) const NAMESPACE: &str = "silkroll-system";
pub(crate) const RELEASE: &str = "silkroll";

/// A Helm with folders of its own.
pub(crate) struct Helm {
    /// 3 or 4.
    pub(crate) major: u32,
    kubeconfig: PathBuf,
    home: tempfile::TempDir,
}

impl Helm {
    /// Both of them, without a cluster.
    pub(crate) fn both() -> [Self; 2] {
        [3, 4].map(|major| Self::new(major, "/nonexistent".into()))
    }

    /// One for a cluster.
    pub(crate) fn on(plane: &ControlPlane, major: u32) -> Self {
        Self::new(major, plane.kubeconfig())
    }

    fn new(major: u32, kubeconfig: PathBuf) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self {
            major,
            kubeconfig,
            home,
        }
    }

    pub(crate) fn program(&self) -> PathBuf {
        let folder = std::env::var_os("SILKROLL_HELM").unwrap_or_else(|| {
            panic!("these tests need Helm: run `make test-helm`, or: export SILKROLL_HELM=$(tests/helm/build.sh)")
        });
        Path::new(&folder).join(format!("helm{}", self.major))
    }

    /// Runs it, with `values` as a file behind `-f -`.
    pub(crate) fn run(&self, args: &[&str], values: &str) -> Output {
        self.run_with(args, values, &[])
    }

    /// The same, with these variables.
    pub(crate) fn run_with(&self, args: &[&str], values: &str, env: &[(&str, &str)]) -> Output {
        let mut command = Command::new("timeout");
        command.envs(env.iter().copied());
        command.arg("120").arg(self.program()).args(args);
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(folder, self.home.path());
        }
        command.env("KUBECONFIG", &self.kubeconfig);
        run(&mut command, values.as_bytes()).unwrap()
    }

    /// Runs it, and it has to work.
    pub(crate) fn ok(&self, args: &[&str], values: &str) -> String {
        let output = self.run(args, values);
        let major = self.major;
        assert!(output.success, "helm{major} {args:?}: {output:?}");
        output.stdout
    }

    /// `helm template` of the release, hooks included.
    pub(crate) fn template(&self, values: &str) -> Output {
        let chart = chart();
        let args = ["template", RELEASE, &chart, "-n", NAMESPACE, "-f", "-"];
        self.run(&args, values)
    }
}

/// The chart's folder.
pub(crate) fn chart() -> String {
    file("manifests/chart").display().to_string()
}

/// The documents of a YAML stream.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    let values = documents
        .into_iter()
        .map(|document| document.unwrap().value().clone());
    values.filter(|value| !value.is_null()).collect()
}

/// The object of this kind and name.
pub(crate) fn find<'v>(all: &'v [Value], kind: &str, name: &str) -> &'v Value {
    let found = all
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}
