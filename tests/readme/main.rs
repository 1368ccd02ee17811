//! The README and the pages of docs/: what they tell people to type works, and what they tell them is so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot go on has to fail the test"
)]

#[path = "../cluster/mod.rs"]
mod cluster;
mod commands;
mod languages;
mod links;
mod make;
mod page;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The code block whose first line says so, e.g. `sh install`, on whichever page it stands.
fn block(info: &str) -> String {
    testkit::pages::block(root(), info).unwrap()
}

/// A folder as a reader has it: the manifests, the README's own manifest, and its programs.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let link = |what: PathBuf, name: &str| std::os::unix::fs::symlink(what, name).unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        link(root().join("manifests"), &at("manifests"));
        link(root().join("examples"), &at("examples"));
        link(env!("CARGO_BIN_EXE_silkroll").into(), &at("bin/silkroll"));
        if let Some(cluster) = std::env::var_os("SILKROLL_CLUSTER_BIN") {
            link(Path::new(&cluster).join("kubectl"), &at("bin/kubectl"));
        }
        fs::write(at("deployment.yaml"), block("yaml before")).unwrap();
        Self { dir }
    }

    /// Runs a script as a reader who pastes it, line by line into one bash; ends at the first failure.
    fn bash(&self, script: &str, kubeconfig: &Path) -> std::process::Output {
        let path = std::env::var("PATH").unwrap();
        std::process::Command::new("timeout")
            .args(["180", "bash", "-euo", "pipefail", "-c", script])
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("KUBECONFIG", kubeconfig)
            .env(
                "PATH",
                format!("{}:{path}", self.dir.path().join("bin").display()),
            )
            .output()
            .unwrap()
    }
}
