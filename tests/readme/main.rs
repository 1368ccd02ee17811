//! The README: what it tells people to type works, and what it tells them is so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot go on has to fail the test"
)]

#[path = "../cluster/mod.rs"]
mod cluster;
mod commands;
mod make;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The code block whose first line says so, e.g. `sh install`.
fn block(info: &str) -> String {
    let text = readme();
    let begin = format!("\n```{info}\n");
    let mut parts = text.split(&*begin);
    let (_, Some(after), None) = (parts.next(), parts.next(), parts.next()) else {
        panic!("README.md has not one block `{info}`");
    };
    let (inside, _) = after.split_once("\n```").unwrap();
    format!("{inside}\n")
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
        link(env!("CARGO_BIN_EXE_silkroll").into(), &at("bin/silkroll"));
        if let Some(cluster) = std::env::var_os("SILKROLL_CLUSTER_BIN") {
            link(Path::new(&cluster).join("kubectl"), &at("bin/kubectl"));
        }
        fs::write(at("deployment.yaml"), block("yaml before")).unwrap();
        Self { dir }
    }

    /// Runs a script as somebody who pastes it, line by line into one bash; ends at the first failure.
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
