//! The real kubectl: as the administrator of a control plane here, or in a context of the user's.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::{Output, run};

/// kubectl and whom it talks to.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    whom: Whom,
    bound: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Whom {
    /// The only one in this kubeconfig.
    Kubeconfig(PathBuf),
    /// This one of the user's own contexts.
    Context(String),
}

impl Kubectl {
    /// This kubectl with this kubeconfig.
    #[must_use]
    pub fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self {
            program,
            whom: Whom::Kubeconfig(kubeconfig),
            bound: None,
        }
    }

    /// The same, and where it hangs it is ended after this time.
    #[must_use]
    pub fn bounded(mut self, bound: Duration) -> Self {
        self.bound = Some(bound);
        self
    }

    /// The kubectl on the PATH with one of the user's contexts, and never with the current one.
    #[must_use]
    pub fn in_context(context: &str) -> Self {
        Self {
            program: "kubectl".into(),
            whom: Whom::Context(context.to_owned()),
            bound: None,
        }
    }

    /// What other programs need to talk to the same cluster: the kubeconfig, where it has one of its own.
    pub fn environment(&self) -> impl Iterator<Item = (String, String)> {
        let kubeconfig = match &self.whom {
            Whom::Kubeconfig(path) => Some(path.display().to_string()),
            Whom::Context(_) => None,
        };
        kubeconfig
            .into_iter()
            .map(|path| ("KUBECONFIG".to_owned(), path))
    }

    /// The folder of the program.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.program.parent().unwrap_or(Path::new("."))
    }

    /// Starts it, and gives it with what it prints until the caller ends it.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn stream(&self, args: &[&str]) -> Result<(Child, ChildStdout)> {
        let mut child = self
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting kubectl {}", args.join(" ")))?;
        let stdout = child.stdout.take().context("kubectl's output")?;
        Ok((child, stdout))
    }

    /// The command that runs it. With a kubeconfig of its own it gets nothing else of the environment than the PATH, and
    /// a HOME beside that file.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.bound {
            Some(bound) => {
                let mut command = Command::new("timeout");
                command.arg(bound.as_secs().to_string()).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        match &self.whom {
            Whom::Context(context) => {
                command.args(["--context", context]);
            }
            Whom::Kubeconfig(path) => {
                command
                    .env_clear()
                    .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                    .env("HOME", path.parent().unwrap_or(Path::new("/")));
            }
        }
        command.args(args).envs(self.environment());
        command
    }

    /// Runs it with `stdin`, gives back what came of it.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn output(&self, args: &[&str], stdin: &str) -> Result<Output> {
        run(&mut self.command(args), stdin.as_bytes())
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
        let output = self.output(args, stdin)?;
        if !output.success {
            bail!(
                "`kubectl {}` failed: {}{}",
                args.join(" "),
                output.stdout,
                output.stderr.trim()
            );
        }
        Ok((output.stdout, output.stderr))
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
