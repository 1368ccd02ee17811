//! Runs the hook as a container would, in each of its forms.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use testkit::wait::over;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/deregister/hook.sh");

const HELPER: &str = if cfg!(target_arch = "aarch64") {
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/deregister/helper/hook-arm64"
    )
} else {
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/deregister/helper/hook-amd64"
    )
};

/// A form of the hook: what stands before `stop` or `start`.
pub(crate) struct Runner {
    pub(crate) name: &'static str,
    words: &'static [&'static str],
}

pub(crate) const RUNNERS: &[Runner] = &[
    Runner {
        name: "dash",
        words: &["dash", SCRIPT],
    },
    Runner {
        name: "bash",
        words: &["bash", SCRIPT],
    },
    Runner {
        name: "busybox sh",
        words: &["busybox", "sh", SCRIPT],
    },
    Runner {
        name: "helper",
        words: &[HELPER],
    },
];

/// Where a step needs no more than one of them.
pub(crate) const ONE: &Runner = &RUNNERS[0];

/// The time that the bounds of the hook leave beside leaving, drain, wait and the user's own hook.
const SPARE: Duration = Duration::from_secs(2);

/// After this a start hook goes on in a process of its own.
const START: Duration = Duration::from_secs(3);

pub(crate) struct Said {
    pub(crate) log: String,
    pub(crate) took: Duration,
}

impl Said {
    /// What a person reads in the container's log.
    pub(crate) fn has(&self, text: &str) {
        assert!(
            self.log.contains(text),
            "the log has no {text:?}:\n{}",
            self.log
        );
    }
}

/// The settings of a container, as the webhook writes them, and changes of them.
#[derive(Clone)]
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    pub(crate) fn new(method: &str, podip: &str, more: &[(&'static str, &str)]) -> Self {
        let common = Self(vec![]).with("SILKROLL_LOG", "-");
        common
            .with("SILKROLL_DRAIN_SECONDS", "0")
            .with("SILKROLL_DEREGISTER_SECONDS", "10")
            // Most steps are about one instance, which would wait for another one each time.
            .with("SILKROLL_LAST_INSTANCE", "leave")
            .with("SILKROLL_READY_SECONDS", "3600")
            .with("SILKROLL_POD_NAME", "web-1")
            .with("SILKROLL_POD_NAMESPACE", "shop")
            .with("SILKROLL_METHOD", method)
            .with("podip", podip)
            .and(more)
    }

    /// As the webhook makes them of these annotations.
    pub(crate) fn told(method: &str, podip: &str, annotations: &[(&str, &str)]) -> Self {
        let annotations = [&[("deregister", method)], annotations].concat();
        let told = crate::told::told(&annotations, "", "127.0.0.1");
        let mut settings = Self::new(method, podip, &[]);
        settings.0.extend(told);
        settings
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, value.to_owned()));
        self
    }

    pub(crate) fn and(self, more: &[(&'static str, &str)]) -> Self {
        more.iter()
            .fold(self, |all, (name, value)| all.with(name, value))
    }

    fn seconds(&self, name: &str) -> Duration {
        let found = self.0.iter().find(|(other, _)| *other == name);
        Duration::from_secs(found.map_or(0, |(_, value)| value.parse().unwrap()))
    }
}

impl Runner {
    pub(crate) fn stop(&self, settings: &Settings) -> Said {
        let budget = [
            "SILKROLL_DEREGISTER_SECONDS",
            "SILKROLL_DRAIN_SECONDS",
            "SILKROLL_WAIT_SECONDS",
        ];
        let budget: Duration = budget.iter().map(|name| settings.seconds(name)).sum();
        let (said, over) = over(budget, || self.run("stop", settings));
        assert!(
            over < SPARE,
            "{} took {:?} of {budget:?}:\n{}",
            self.name,
            said.took,
            said.log
        );
        said
    }

    pub(crate) fn start(&self, settings: &Settings) -> Said {
        let (said, over) = over(START, || self.run("start", settings));
        // It runs beside the application, which is only ready when it has ended.
        assert!(over < SPARE, "{:?}", said.took);
        said
    }

    /// Whether the startup probe passes, with what it says, to the kubelet and in the container's log.
    pub(crate) fn registered(&self, settings: &Settings) -> (bool, String) {
        let output = self.output("registered", settings);
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    fn run(&self, what: &str, settings: &Settings) -> Said {
        let begun = Instant::now();
        let output = self.output(what, settings);
        let log = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{} {what} ended with {}:\n{log}{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Said {
            log,
            took: begun.elapsed(),
        }
    }

    fn output(&self, what: &str, settings: &Settings) -> Output {
        Command::new(self.words[0])
            .args(&self.words[1..])
            .arg(what)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(settings.0.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| {
                panic!(
                    "{} does not start: {error}: apt-get install -y dash bash busybox curl",
                    self.words[0]
                )
            })
    }
}
