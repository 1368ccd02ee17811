//! One program of the node: started with a log of its own, asked whether it still runs.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::groups::Group;

/// What to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What it is called in messages; its log is NAME.log.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside those that are inherited.
    pub env: Vec<(String, String)>,
    /// With what it shares processors.
    pub group: Group,
}

/// A program that runs, until this is dropped; where nobody does that, the enclosure ends it.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

/// How much of a log is worth showing.
const TAIL: usize = 3000;

impl Process {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Where program or log cannot be opened, or the program cannot be put into its control group.
    pub fn start(spec: &Spec, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{}.log", spec.name));
        let open = || {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&log)
                .with_context(|| format!("opening {}", log.display()))
        };
        let child = Command::new(&spec.program)
            .args(&spec.args)
            .env_remove("KUBECONFIG")
            .envs(spec.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .spawn()
            .with_context(|| format!("starting {}", spec.program.display()))?;
        let process = Self {
            name: spec.name.clone(),
            log,
            child,
        };
        spec.group.take(process.child.id())?;
        Ok(process)
    }

    /// It still runs.
    ///
    /// # Errors
    ///
    /// With the end of its log where it does not.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status})\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// Ends it, which is a fault where it has ended before.
    ///
    /// # Errors
    ///
    /// With the end of its log where it did not run any more.
    pub fn end(mut self) -> Result<()> {
        self.check()
    }

    /// The end of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(TAIL)..];
        format!(
            "--- the end of {}:\n{}",
            self.log.display(),
            String::from_utf8_lossy(tail)
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
