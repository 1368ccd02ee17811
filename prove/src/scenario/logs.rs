//! What the containers print: from the kubelet's files where this machine is the node, else by
//! `kubectl logs`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::kubectl::Kubectl;

use super::pods::Pods;
use crate::lock::lock;
use crate::record::{Millis, now_ms};

/// Where they are read.
pub(super) enum Logs {
    Files(Files),
    Kubectl(Followed),
}

impl Logs {
    /// Those of a namespace of this machine's own node.
    pub(super) fn files(namespace: &str, kept: &Path, seen: &Pods) -> Result<Self> {
        Ok(Self::Files(Files {
            prefix: format!("{namespace}_"),
            open: HashMap::new(),
            ear: Ear::new(kept, seen)?,
        }))
    }

    /// Those of a namespace of any cluster.
    pub(super) fn kubectl(
        kubectl: &Kubectl,
        namespace: &str,
        kept: &Path,
        seen: &Pods,
    ) -> Result<Self> {
        Ok(Self::Kubectl(Followed {
            kubectl: kubectl.clone(),
            namespace: namespace.to_owned(),
            following: BTreeMap::new(),
            ear: Arc::new(Ear::new(kept, seen)?),
        }))
    }

    /// What is new; has to be done often enough that a log is opened before it is removed.
    pub(super) fn read(&mut self) {
        match self {
            Self::Files(files) => files.read(),
            Self::Kubectl(followed) => followed.open_new(),
        }
    }

    /// Reads to the end.
    pub(super) fn end(mut self) {
        self.read();
        if let Self::Kubectl(followed) = self {
            followed.end();
        }
    }
}

/// Where lines go.
struct Ear {
    seen: Pods,
    /// All of them go here as well, for whoever wants to know what a hook did.
    kept: Mutex<File>,
}

impl Ear {
    fn new(kept: &Path, seen: &Pods) -> Result<Self> {
        let file = File::create(kept).with_context(|| format!("opening {}", kept.display()))?;
        Ok(Self {
            seen: Arc::clone(seen),
            kept: Mutex::new(file),
        })
    }

    /// A line of a container's log, and what the program printed in it, at which time.
    fn hear(&self, uid: &str, line: &str, said: Option<&Value>, at: Option<Millis>) {
        let mut seen = lock(&self.seen);
        let name = seen.get(uid).map_or("", |seen| &seen.pod.name);
        {
            let mut kept = lock(&self.kept);
            // A log that cannot be written is no reason to lose a run.
            drop(write!(kept, "{name} {line}"));
        }
        if let (Some(said), Some(seen)) = (said, seen.get_mut(uid)) {
            match said["phase"].as_str() {
                Some("sigterm") => seen.pod.killed_ms = at,
                Some("own-pre-stop") => seen.own_hooks += 1,
                _ => {}
            }
        }
    }
}

/// The logs of the containers, as the kubelet of this machine has them.
pub(super) struct Files {
    prefix: String,
    open: HashMap<PathBuf, (String, BufReader<File>)>,
    ear: Ear,
}

impl Files {
    fn read(&mut self) {
        self.open_new();
        for (uid, log) in self.open.values_mut() {
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|length| length > 0) {
                let said = said(&line, IN_FILES);
                let at = said.as_ref().and_then(|said| said["at_ms"].as_u64());
                self.ear.hear(uid, &line, said.as_ref(), at);
                line.clear();
            }
        }
    }

    /// An open file can be read when the kubelet has removed its name with the pod.
    fn open_new(&mut self) {
        let folders = fs::read_dir("/var/log/pods")
            .into_iter()
            .flatten()
            .flatten();
        for folder in folders {
            let name = folder.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(&self.prefix)) else {
                continue;
            };
            let uid = name.rsplit('_').next().unwrap_or("").to_owned();
            let containers = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            // One for each time that a container was started.
            let logs = containers.flat_map(|container| fs::read_dir(container.path()));
            for log in logs.flatten().flatten() {
                let path = log.path();
                if !self.open.contains_key(&path)
                    && let Ok(file) = File::open(&path)
                {
                    let log = (uid.clone(), BufReader::new(file));
                    self.open.insert(path, log);
                }
            }
        }
    }
}

/// A `kubectl logs --follow` for each pod, from when it runs to its end.
pub(super) struct Followed {
    kubectl: Kubectl,
    namespace: String,
    /// By the pod's uid.
    following: BTreeMap<String, Following>,
    ear: Arc<Ear>,
}

struct Following {
    child: Child,
    /// Gives how many lines there were.
    reader: JoinHandle<usize>,
}

impl Followed {
    fn open_new(&mut self) {
        let seen = lock(&self.ear.seen);
        let running: Vec<(String, String)> = seen
            .iter()
            .filter(|(_, seen)| seen.pod.started_ms.is_some() && seen.pod.gone_ms.is_none())
            .map(|(uid, seen)| (uid.clone(), seen.pod.name.clone()))
            .collect();
        drop(seen);
        for (uid, pod) in running {
            let following = self.following.remove(&uid);
            let following = match following {
                // It came too early, or the API server was busy. A line that was heard once must not be
                // heard again.
                Some(ended) if ended.reader.is_finished() => ended.try_again(),
                other => other,
            };
            // What cannot be started is missed in the report.
            let following = following.or_else(|| self.follow(&uid, &pod).ok());
            following.map(|following| self.following.insert(uid, following));
        }
    }

    fn follow(&self, uid: &str, pod: &str) -> Result<Following> {
        let namespace = &self.namespace;
        let logs = ["logs", "--follow", "--timestamps", pod, "-n", namespace];
        let (child, stdout) = self.kubectl.stream(&logs)?;
        let (ear, uid) = (Arc::clone(&self.ear), uid.to_owned());
        let reader = thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let (mut line, mut count) = (String::new(), 0);
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                let said = said(&line, BY_KUBECTL);
                let at = said.as_ref().and_then(|said| said["at_ms"].as_u64());
                ear.hear(&uid, &line, said.as_ref(), Some(when(at, now_ms())));
                line.clear();
                count += 1;
            }
            count
        });
        Ok(Following { child, reader })
    }

    fn end(self) {
        for mut following in self.following.into_values() {
            // Those of pods that have gone are at their end.
            drop(following.child.kill());
            drop(following.child.wait());
            drop(following.reader.join());
        }
    }
}

impl Following {
    /// None where nothing was read.
    fn try_again(mut self) -> Option<Self> {
        let count = self.reader.join().unwrap_or(0);
        if count == 0 {
            drop(self.child.wait());
            return None;
        }
        self.reader = thread::spawn(move || count);
        Some(self)
    }
}

/// A kubelet may pass a line on this late: it looks for new ones once a second, if nothing wakes it.
const PASSED_ON: Millis = 1500;

/// When something was said. Each node has a clock of its own, so that the time in a line counts only
/// where it can be right; else it is now, by the clock of everything else.
fn when(said: Option<Millis>, now: Millis) -> Millis {
    said.filter(|said| *said <= now && now - said < PASSED_ON)
        .unwrap_or(now)
}

/// In a line of the kubelet's file there stand a time stamp, the stream and a flag before what the
/// program printed.
const IN_FILES: usize = 3;

/// In one of `kubectl logs --timestamps` only the time stamp does.
const BY_KUBECTL: usize = 1;

/// What the program printed in a line, behind so many words.
fn said(line: &str, words: usize) -> Option<Value> {
    serde_json::from_str(line.splitn(words + 1, ' ').nth(words)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_that_cannot_be_right_is_that_of_another_clock() {
        let now = 10_000;
        let times = [Some(9_000), Some(8_000), Some(10_001), None].map(|said| when(said, now));
        assert_eq!(times, [9_000, now, now, now]);
    }

    #[test]
    fn what_a_program_says_is_read_from_the_log_and_nothing_else_is() {
        let line = |said: &str| format!("2026-01-01T00:00:00.1Z stdout F {said}\n");
        let text = r#"{"at_ms":17,"phase":"sigterm"}"#;
        let term = json!({"at_ms": 17, "phase": "sigterm"});
        assert_eq!(said(&line(text), IN_FILES), Some(term.clone()));
        assert_eq!(said(&line("silkroll: waiting"), IN_FILES), None);
        assert_eq!(said("2026-01-01", IN_FILES), None);
        let line = format!("2026-01-01T00:00:00.1Z {text}\n");
        assert_eq!(said(&line, BY_KUBECTL), Some(term));
    }
}
