//! The real kubectl: as the node's administrator, or in a context of the user's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// kubectl and whom it talks to.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    whom: Whom,
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
        let whom = Whom::Kubeconfig(kubeconfig);
        Self { program, whom }
    }

    /// The kubectl on the PATH with one of the user's contexts, and never with the current one.
    #[must_use]
    pub fn in_context(context: &str) -> Self {
        let whom = Whom::Context(context.to_owned());
        let program = "kubectl".into();
        Self { program, whom }
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

    /// Starts it, and gives it with what it prints until somebody ends it.
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

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if let Whom::Context(context) = &self.whom {
            command.args(["--context", context]);
        }
        command.args(args).envs(self.environment());
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
