//! The namespaces that the scenarios make, so that those in a user's cluster are deleted whatever
//! happens.

use std::sync::{Mutex, MutexGuard};

use anyhow::{Result, bail};
use testkit::kubectl::Kubectl;

use crate::lock::lock;
use crate::record::Arm;

/// What was made, and whether more may be.
#[derive(Debug)]
pub struct Namespaces {
    prefix: String,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    names: Vec<String>,
    over: bool,
}

/// Bounds the wait for the end of the namespaces: ten times what pods and their volumes take.
const GOING: &str = "--timeout=180s";

impl Namespaces {
    /// Their names begin with this.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            made: Mutex::default(),
        }
    }

    /// The name of an arm's.
    pub(super) fn name(&self, scenario: &str, arm: Arm) -> String {
        format!("{}{scenario}-{arm}", self.prefix)
    }

    /// Makes one, unless that is over.
    pub(super) fn create(&self, kubectl: &Kubectl, name: &str, manifest: &str) -> Result<()> {
        let mut made = self.lock();
        if made.over {
            bail!("interrupted");
        }
        // Even where it fails: the API server may have made it all the same.
        made.names.push(name.to_owned());
        let created = kubectl.run(&["create", "-f", "-"], manifest);
        if created
            .as_ref()
            .is_err_and(|error| error.to_string().contains("AlreadyExists"))
        {
            // Another's, which must not be deleted.
            made.names.pop();
        }
        created.map(drop)
    }

    /// Begins to delete one.
    pub(super) fn delete(kubectl: &Kubectl, name: &str) -> Result<()> {
        kubectl
            .run(&["delete", "namespace", name, "--wait=false"], "")
            .map(drop)
    }

    /// Deletes whatever is left of them, and lets nobody make another. Where there is time to `wait`, it
    /// returns when they are gone.
    ///
    /// # Errors
    ///
    /// Where they cannot be deleted: the message says which.
    pub fn end(&self, kubectl: &Kubectl, wait: bool) -> Result<()> {
        let mut made = self.lock();
        made.over = true;
        if made.names.is_empty() {
            return Ok(());
        }
        let mut args = vec!["delete", "namespace", "--ignore-not-found", GOING];
        args.push(if wait { "--wait=true" } else { "--wait=false" });
        args.extend(made.names.iter().map(String::as_str));
        kubectl.run(&args, "").map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        lock(&self.made)
    }
}
