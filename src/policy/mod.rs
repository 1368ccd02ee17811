//! Annotations in, a checked [`Policy`] out, and every error message on the way.
//!
//! An annotation may stand in four layers; the strongest that has it wins: the workload's
//! metadata, its pod template's metadata, the Namespace, the cluster's defaults. Every value is
//! checked in every layer, also where a stronger one overrides it: a typo that sleeps is still one.

mod form;
mod keys;
mod layers;
mod problem;
mod readiness;
mod value;

use crate::text::shown;
pub use crate::text::{cut, quoted, visible};
pub use form::{Field, fields};
pub use keys::{Key, nearest, suggestion};
pub use layers::{Layer, LayerValue, Layers, Pairs, Subject};
pub use problem::Problem;
pub use readiness::{Port, Readiness};
pub use value::{
    address_list, base_url, dns_label, dns_subdomain, env_name, header_value, http_method,
    http_url, placeholder_text, port, printable_text, text_block, url_path, whole,
};

pub(crate) use keys::is_known;

use keys::KEYS;

/// All annotations of Silkroll start with this.
pub const PREFIX: &str = "silkroll.dev/";
/// The annotation by which a namespace opts in.
pub const INJECT: &str = "silkroll.dev/inject";
/// What `silkroll check` is not to report of an object; no setting, so nothing that is injected depends on it.
pub const IGNORE: &str = "silkroll.dev/ignore";
/// The record that Silkroll writes on the pod template; never read as a setting.
pub const STATUS: &str = "silkroll.dev/status";

/// The key that says where the injection happens; without the prefix, on Namespaces only.
pub(crate) const LEVEL: &str = "level";

/// One method of deregistering as the policy sees it: its name and the annotations that belong to it.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// The value of `silkroll.dev/deregister`.
    pub name: &'static str,
    /// The keys `<name>-…`, without the prefix `silkroll.dev/`.
    pub settings: &'static [Key],
    /// Seconds that callers get to forget the pod where `drain-seconds` is not given.
    pub default_drain: u32,
    /// Whether callers go by a list that the hook can read.
    pub lists: bool,
}

/// More notes on one object than anybody reads.
const MOST_NOTES: usize = 10;

/// What `silkroll.dev/inject` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inject {
    /// Covered.
    Enabled,
    /// On a namespace only: covered where the workload says `enabled`.
    OnRequest,
    /// Not covered.
    Disabled,
}

impl Inject {
    /// Reads the value of the annotation; `true` and `false` are aliases.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        match value {
            "enabled" | "true" => Some(Self::Enabled),
            "on-request" => Some(Self::OnRequest),
            "disabled" | "false" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// Whether this value of [`INJECT`] on a namespace asks for Silkroll, for all its workloads or for some.
#[must_use]
pub fn opts_in(value: &str) -> bool {
    matches!(
        Inject::parse(value),
        Some(Inject::Enabled | Inject::OnRequest)
    )
}

/// Where the injection happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// In the pod template of the workload that is applied.
    Workload,
    /// In each Pod when it is created; workloads stay as they are.
    Pod,
}

impl Level {
    /// Reads the value of the annotation.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        match value {
            "workload" => Some(Self::Workload),
            "pod" => Some(Self::Pod),
            _ => None,
        }
    }
}

/// What to do with a preStop hook that the container has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingPreStop {
    /// Leave, drain, then run the user's own.
    Chain,
    /// The user's own stays alone.
    Keep,
    /// Silkroll's stands in its place.
    Replace,
}

/// What runs in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// The script where the manifest shows a shell, else the helper binary where the nodes are known.
    Auto,
    /// The script, which needs `/bin/sh` in the image.
    Script,
    /// The helper binary, which needs nothing in the image, but its own architecture.
    Binary,
}

/// The numbers of a readiness probe; the defaults are those of the Kubernetes API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeTimes {
    /// Seconds before the first probe.
    pub initial_delay: u32,
    /// Seconds from one probe to the next.
    pub period: u32,
    /// Seconds until a probe without answer has failed.
    pub timeout: u32,
    /// Successes in a row that make a container ready.
    pub success: u32,
    /// Failures in a row that make it unready.
    pub failure: u32,
}

/// Everything the annotations ask for, checked.
#[derive(Debug, Clone)]
pub struct Policy<'a> {
    /// The containers that serve traffic, where they are named.
    pub containers: Option<(Vec<&'a str>, LayerValue<'a>)>,
    /// The method of deregistering, and where it was asked for.
    pub method: Method,
    /// Where `deregister` stands; `None` where it is the built-in default.
    pub method_found: Option<LayerValue<'a>>,
    /// Seconds between deregistering and SIGTERM.
    pub drain: u32,
    /// After those, at most so many more seconds while clients hold connections; 0: it does not look.
    pub idle: u32,
    /// Leave only where the container has this variable, not empty.
    pub if_env: Option<&'a str>,
    /// Hard bound of the deregistering itself, in seconds.
    pub deregister_timeout: u32,
    /// Whether the last usable instance in the list that callers go by leaves at once.
    pub last_leaves: bool,
    /// Where a container has started only once it is in that list: the seconds after which it counts as started all the same.
    pub registered: Option<(u32, LayerValue<'a>)>,
    /// The app's own seconds between SIGTERM and its end, where they are given.
    pub shutdown: Option<u32>,
    /// The probe that is asked for; `None`: the default.
    pub readiness: Option<(Readiness<'a>, LayerValue<'a>)>,
    /// The probe's numbers.
    pub probe: ProbeTimes,
    /// What runs in the container.
    pub hook: Hook,
    /// The architecture of the nodes, `amd64` or `arm64`, where it is given.
    pub hook_arch: Option<&'a str>,
    /// Whether the pod is re-enabled at start.
    pub start_hook: bool,
    /// What happens to a preStop hook that is there.
    pub existing_pre_stop: ExistingPreStop,
    /// Seconds that the user's own preStop hook needs, where they are given.
    pub existing_pre_stop_seconds: Option<u32>,
    /// `spec.minReadySeconds`, where the object has none.
    pub min_ready: Option<u32>,
    /// Whether maxUnavailable is to be 0 and maxSurge at least 1.
    pub surge: bool,
    layers: Layers<'a>,
}

/// Seconds of `deregister-timeout-seconds` from which on the last usable instance has time to wait for another one.
pub const LEAST_WAIT: u32 = 6;

impl<'a> Policy<'a> {
    /// The value of one setting of the method, by its name without `<method>-`.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<LayerValue<'a>> {
        let key = self.method.settings.iter().find(|key| {
            key.name
                .strip_prefix(self.method.name)
                .and_then(|rest| rest.strip_prefix('-'))
                == Some(name)
        })?;
        self.full_setting(key)
    }

    /// The value of one of the method's settings.
    #[must_use]
    pub fn full_setting(&self, key: &Key) -> Option<LayerValue<'a>> {
        self.layers.find(key.name)
    }

    /// Whether a key, given without the prefix, was written out and not taken by default: who wrote it
    /// knows the object.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.layers.find(name).is_some()
    }

    /// Seconds, at most, that the last usable instance waits for another one; none where it does not.
    #[must_use]
    pub fn last_instance_waits(&self) -> Option<u32> {
        /// What hook and helper keep for the calls that deregister.
        const KEPT: u32 = 3;
        let waits = self.method.lists && !self.last_leaves;
        (waits && self.deregister_timeout >= LEAST_WAIT).then(|| self.deregister_timeout - KEPT)
    }

    /// The value of a key, given without the prefix, where the author of the object wrote it: neither the namespace nor the cluster.
    #[must_use]
    pub fn authors(&self, name: &str) -> Option<&'a str> {
        let found = self.layers.find(name)?;
        found.layer.is_authors().then_some(found.value)
    }

    /// The keys under our prefix, given without it, that the author of the object wrote.
    pub fn all_authors(&self) -> impl Iterator<Item = &'a str> {
        self.layers
            .each()
            .filter(|(layer, _)| layer.is_authors())
            .flat_map(|(_, pairs)| pairs)
            .filter_map(|(key, _)| key.strip_prefix(PREFIX))
    }

    /// The value of a setting that the method cannot do without; `what` says what it is.
    ///
    /// # Errors
    /// It is missing.
    pub fn needs(&self, name: &str, what: &str) -> Result<&'a str, Problem> {
        self.setting(name).map(|found| found.value).ok_or_else(|| {
            self.method_problem(format!(
                "it needs {PREFIX}{}-{name}, {what}",
                self.method.name
            ))
        })
    }

    /// The same for a Pod, which has no say in how a workload replaces its Pods.
    #[must_use]
    pub fn of_a_pod(mut self) -> Self {
        self.surge = false;
        self.min_ready = None;
        self
    }

    /// The problem of a method that lacks something: it stands where the method was chosen.
    #[must_use]
    pub fn method_problem(&self, allowed: String) -> Problem {
        Problem::new(
            "deregister",
            self.method.name,
            self.method_found
                .as_ref()
                .map_or(Layer::Default, |found| found.layer),
            self.layers.subject,
            allowed,
        )
    }

    /// The problem of what runs in the container: it stands where `hook` was set.
    #[must_use]
    pub fn hook_problem(&self, allowed: String) -> Problem {
        let found = self.layers.find("hook");
        Problem::new(
            "hook",
            found.as_ref().map_or("auto", |found| found.value),
            found.as_ref().map_or(Layer::Default, |found| found.layer),
            self.layers.subject,
            allowed,
        )
    }

    /// The problem of a value that is well formed but does not fit this object.
    #[must_use]
    pub fn misfit(&self, key: &'static str, found: &LayerValue<'_>, allowed: String) -> Problem {
        Problem::new(key, found.value, found.layer, self.layers.subject, allowed)
    }
}

/// What the layers say about a workload: the policy, or why there is none.
#[derive(Debug)]
pub struct Resolved<'a> {
    /// The policy; `Err` holds at least one problem.
    pub policy: Result<Policy<'a>, Vec<Problem>>,
    /// Things worth saying that do not stand in the way: unknown keys, labels for annotations.
    pub notes: Vec<String>,
}

/// Reads and checks all layers. `methods` are the methods that this build knows.
///
/// # Errors
/// The `policy` of the answer holds the problems, each with its annotation, value, place and what
/// is allowed.
#[must_use]
pub fn resolve<'a>(layers: &Layers<'a>, methods: &'static [Method]) -> Resolved<'a> {
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let mut more = 0;
    for (layer, pairs) in layers.each() {
        // A forged object may have a key as often as it likes; one problem of each key says enough.
        let mut told: Vec<&str> = Vec::new();
        for (full, value) in pairs {
            let Some(name) = full.strip_prefix(PREFIX) else {
                continue;
            };
            if name == "status" {
                if layer != Layer::Template && notes.len() < MOST_NOTES {
                    notes.push(format!(
                        "{} on {} is ignored: Silkroll writes it, on pod templates only",
                        STATUS,
                        layers.subject.place(layer)
                    ));
                }
                continue;
            }
            if name == LEVEL && layer != Layer::Namespace {
                if notes.len() < MOST_NOTES {
                    notes.push(format!(
                        "{full} on {} has no effect: the level of a namespace stands on the Namespace",
                        layers.subject.place(layer)
                    ));
                }
                continue;
            }
            match keys::lookup(name, methods) {
                Some(key) => {
                    if !told.contains(&key.name)
                        && let Err(allowed) = key.check(value, layer, methods)
                    {
                        told.push(key.name);
                        problems.push(Problem::new(
                            key.name,
                            value,
                            layer,
                            layers.subject,
                            allowed,
                        ));
                    }
                }
                // Each costs a comparison with every known key, and more are not read.
                None if notes.len() >= MOST_NOTES => more += 1,
                None => {
                    let near = suggestion(name, value, pairs, methods);
                    notes.push(unknown(name, near, layer, layers.subject));
                }
            }
        }
    }
    if more > 0 {
        notes.push(format!("{more} more unknown annotations under {PREFIX}"));
    }
    notes.extend(layers.labels().take(MOST_NOTES).map(|(layer, name)| {
        format!(
            "{PREFIX}{} is a label on {}: Silkroll reads annotations, make it one",
            cut(name, 40),
            layers.subject.place(layer)
        )
    }));
    let policy = if problems.is_empty() {
        build(*layers, methods)
    } else {
        Err(problems)
    };
    Resolved { policy, notes }
}

/// What to say of a key that is not known; `near` is the one that may have been meant.
pub(crate) fn unknown(
    name: &str,
    near: Option<&str>,
    layer: Layer,
    subject: Subject<'_>,
) -> String {
    let place = subject.place(layer);
    let key = shown(name, 60);
    match near {
        Some(near) => {
            format!("{PREFIX}{key} on {place} is not known; did you mean {PREFIX}{near}?")
        }
        None => format!("{PREFIX}{key} on {place} is not known and has no effect"),
    }
}

fn build<'a>(layers: Layers<'a>, methods: &'static [Method]) -> Result<Policy<'a>, Vec<Problem>> {
    let number = |name: &str| layers.find(name).and_then(|found| found.value.parse().ok());
    let method_found = layers.find("deregister");
    let method = method_found
        .as_ref()
        .and_then(|found| methods.iter().find(|method| method.name == found.value))
        .or_else(|| methods.iter().find(|method| method.name == "none"));
    let Some(method) = method.copied() else {
        return Err(Vec::new());
    };
    let readiness = layers
        .find("readiness")
        .and_then(|found| Some((Readiness::parse(found.value).ok()?, found)));
    Ok(Policy {
        containers: layers
            .find("container")
            .map(|found| (found.value.split(',').map(str::trim).collect(), found)),
        drain: number("drain-seconds").unwrap_or(method.default_drain),
        idle: number("drain-until-idle-seconds").unwrap_or(0),
        method,
        method_found,
        if_env: layers.find("deregister-if-env").map(|found| found.value),
        deregister_timeout: number("deregister-timeout-seconds").unwrap_or(10),
        last_leaves: layers
            .find("last-instance")
            .is_some_and(|found| found.value == "leave"),
        registered: layers
            .find("ready-when")
            .filter(|found| found.value == "registered")
            .map(|found| (number("ready-when-seconds").unwrap_or(120), found)),
        shutdown: number("shutdown-seconds"),
        readiness,
        probe: ProbeTimes {
            initial_delay: number("readiness-initial-delay-seconds").unwrap_or(0),
            period: number("readiness-period-seconds").unwrap_or(10),
            timeout: number("readiness-timeout-seconds").unwrap_or(1),
            success: number("readiness-success-threshold").unwrap_or(1),
            failure: number("readiness-failure-threshold").unwrap_or(3),
        },
        hook: match layers.find("hook").map(|found| found.value) {
            Some("script") => Hook::Script,
            Some("binary") => Hook::Binary,
            _ => Hook::Auto,
        },
        hook_arch: layers.find("hook-arch").map(|found| found.value),
        start_hook: layers
            .find("start-hook")
            .is_none_or(|found| found.value == "auto"),
        existing_pre_stop: match layers.find("existing-pre-stop").map(|found| found.value) {
            Some("keep") => ExistingPreStop::Keep,
            Some("replace") => ExistingPreStop::Replace,
            _ => ExistingPreStop::Chain,
        },
        existing_pre_stop_seconds: number("existing-pre-stop-seconds"),
        min_ready: number("min-ready-seconds"),
        surge: layers
            .find("rollout")
            .is_some_and(|found| found.value == "surge"),
        layers,
    })
}

/// Checks one annotation on its own, as `serve --default KEY=VALUE` needs at start.
///
/// # Errors
/// The problem as a sentence.
pub fn check_default(key: &str, value: &str, methods: &'static [Method]) -> Result<String, String> {
    let name = key.strip_prefix(PREFIX).unwrap_or(key);
    let subject = Subject::default();
    if name == "inject" || name == "status" || name == LEVEL {
        return Err(format!(
            "{PREFIX}{name} cannot be a cluster default: namespaces opt in for themselves"
        ));
    }
    let Some(known) = keys::lookup(name, methods) else {
        let near = nearest(name, methods);
        return Err(unknown(name, near, Layer::Default, subject));
    };
    match known.check(value, Layer::Default, methods) {
        Ok(()) => Ok(format!("{PREFIX}{name}")),
        Err(allowed) => {
            Err(Problem::new(known.name, value, Layer::Default, subject, allowed).to_string())
        }
    }
}

/// All keys with what they allow, in the order of the documentation.
pub fn catalogue(methods: &'static [Method]) -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
        .chain(methods.iter().flat_map(|method| method.settings.iter()))
}

#[cfg(test)]
mod tests;
