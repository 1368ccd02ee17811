//! The real kubectl, as an administrator.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// kubectl and whom it talks to.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// This kubectl with this kubeconfig.
    #[must_use]
    pub fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self {
            program,
            kubeconfig,
        }
    }

    /// The kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder of the program.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.program.parent().unwrap_or(Path::new("."))
    }

    /// A command to be run in another way than [`Self::run`] does it.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Runs it with `stdin`, gives back what it printed.
    ///
    /// # Errors
    ///
    /// Where it fails, with what it said.
    pub fn run(&self, args: &[&str], stdin: &str) -> Result<String> {
        self.run_with_warnings(args, stdin).map(|(said, _)| said)
    }

    /// As [`Self::run`], and gives back what it said besides, such as the warnings of webhooks.
    ///
    /// # Errors
    ///
    /// Where it fails, with what it said.
    pub fn run_with_warnings(&self, args: &[&str], stdin: &str) -> Result<(String, String)> {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let pipe = child.stdin.take();
        let stdin = stdin.to_owned();
        // kubectl may end before it has read everything: its exit code says what that means.
        let feeder = thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(stdin.as_bytes())));
        let output = child.wait_with_output()?;
        drop(feeder.join());
        if !output.status.success() {
            bail!(
                "`kubectl {}` failed: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&output.stdout), text(&output.stderr)))
    }

    /// What `kubectl get` knows, as JSON.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn get(&self, args: &[&str]) -> Result<Value> {
        let mut all = vec!["get", "-o", "json"];
        all.extend_from_slice(args);
        let said = self.run(&all, "")?;
        serde_json::from_str(&said).context("kubectl's JSON")
    }
}
