//! Methods of deregistering: one file each, with its settings, its defaults and what the hook gets told. A new one is a new file
//! here and a line in `WAYS`. Where one request does it, it is an `exchange::Exchange`, which the hook can make already;
//! where it takes more, a function `deregister_<name>` (and `reenable_<name>`) in the script (`hook.sh`) and its like in the helper
//! binary (`helper/` of the repository).

mod consul;
mod dubbo;
mod eureka;
mod exchange;
mod helper;
mod http;
mod nacos;
mod none;
mod port;
mod process;
mod script;
mod spring;

pub use helper::{Arch, HELPER_PATH, Helper};
pub use port::{DeclaredPort, is_aside};
pub use script::{
    CONFIG_MAP_PREFIX, LAUNCH_REGISTERED, LAUNCH_START, LAUNCH_STOP, MOUNT_PATH, SCRIPT_KEY,
    Script, VOLUME,
};

use crate::policy::{Hook, Key, Layer, LayerValue, Method, Policy, Problem};

/// In the order of the documentation.
const WAYS: [(Method, Planner); 9] = [
    (none::METHOD, none::plan),
    (nacos::METHOD, nacos::plan),
    (eureka::METHOD, eureka::plan),
    (consul::METHOD, consul::plan),
    (dubbo::METHOD, dubbo::plan),
    (spring::METHOD, spring::plan),
    (http::METHOD, http::plan),
    (process::NGINX, process::nginx),
    (process::SIGNAL, process::signal),
];

/// The methods as the policy needs them.
pub const METHODS: &[Method] = &{
    let mut methods = [none::METHOD; WAYS.len()];
    let mut at = 0;
    while at < methods.len() {
        methods[at] = WAYS[at].0;
        at += 1;
    }
    methods
};

const NAME: &str = "allowed is visible text of at most 255 bytes on one line";
const PORT: &str = "allowed is a number from 1 to 65535 or the name of a declared port";
const CREDENTIALS: &str = "allowed is the name of a Secret with the keys username and password";
const TEMPLATE: &str = "allowed is visible text of at most 255 bytes on one line, with the placeholders \
     {podip}, {podname}, {namespace}, {port}, {env:NAME}";

/// What an id may hold besides text, and `{env:NAME}`.
const PLACEHOLDERS: &[&str] = &["podip", "podname", "namespace", "port"];

type Planner = fn(&Policy<'_>, &Registrant<'_>) -> Result<Deregistration, Problem>;

/// The container that deregisters, as far as a method needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct Registrant<'a> {
    /// The workload's name; empty where only `generateName` is given.
    pub workload: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// Its declared TCP ports.
    pub ports: &'a [DeclaredPort<'a>],
}

/// An environment variable for the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Var {
    /// `SILKROLL_…`.
    pub name: &'static str,
    /// Where its value comes from.
    pub value: VarValue,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VarValue {
    /// The text itself.
    Text(String),
    /// A key of a Secret; optional, for a missing Secret must not keep a pod from starting.
    Secret {
        /// The Secret's name.
        name: String,
        /// The key in it.
        key: &'static str,
    },
    /// A field of the pod, e.g. `status.hostIP`.
    Field(&'static str),
}

/// What deregistering takes for one container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deregistration {
    /// Whether anything is called at all: without a call there is no timeout to budget for, and
    /// the native sleep action will do.
    pub calls: bool,
    /// Whether a start hook has to re-enable what was switched off (law 11).
    pub reenables: bool,
    /// Where it ends the server itself, after the drain: at most so many seconds.
    pub ends: Option<u32>,
    /// The script's settings, besides those that every method has.
    pub vars: Vec<Var>,
    /// One line for `--explain`.
    pub summary: String,
}

impl Deregistration {
    /// A deregistering that makes a call, with these settings.
    fn calling(vars: Vec<Var>) -> Self {
        Self {
            calls: true,
            vars,
            ..Self::default()
        }
    }
}

/// What the policy's method takes for this container.
///
/// # Errors
/// A setting that is missing or does not fit the object.
pub fn plan(policy: &Policy<'_>, place: &Registrant<'_>) -> Result<Deregistration, Problem> {
    if policy.hook == Hook::Binary {
        plain_http_only(policy)?;
    }
    registered_in_a_list(policy)?;
    let way = WAYS
        .iter()
        .find(|(method, _)| method.name == policy.method.name);
    let mut plan = match way {
        Some((_, plan)) => plan(policy, place)?,
        None => Deregistration::default(),
    };
    if plan.reenables {
        // By this and the pod's name a stop hook finds its own container's re-enabling, and no other's.
        plan.vars.push(text("SILKROLL_CONTAINER", place.container));
    }
    Ok(plan)
}

/// Who chose another method over one with a list has no list to be found in. And the cluster's default is for whoever has one, as
/// is the namespace's where nobody chose a method.
fn registered_in_a_list(policy: &Policy<'_>) -> Result<(), Problem> {
    let Some((_, found)) = &policy.registered else {
        return Ok(());
    };
    let chosen = policy.method_found.as_ref().map(|found| found.layer);
    let for_whoever_has_one =
        found.layer == Layer::Default || (found.layer == Layer::Namespace && chosen.is_none());
    if policy.method.lists || for_whoever_has_one || chosen.is_some_and(|layer| layer < found.layer)
    {
        return Ok(());
    }
    let lists: Vec<_> = METHODS.iter().filter(|method| method.lists).collect();
    let names: Vec<_> = lists.iter().map(|method| method.name).collect();
    let allowed = format!(
        "allowed with deregister: {} is probe; registered goes with {}",
        policy.method.name,
        names.join(", ")
    );
    Err(policy.misfit("ready-when", found, allowed))
}

/// Whether the policy's method calls over https.
#[must_use]
pub fn needs_tls(policy: &Policy<'_>) -> bool {
    over_tls(policy).is_some()
}

/// The setting that has it call over https.
fn over_tls<'a>(policy: &Policy<'a>) -> Option<(&'static Key, LayerValue<'a>)> {
    let addresses = policy.method.settings.iter().filter(|key| key.addresses());
    addresses
        .filter_map(|key| Some((key, policy.full_setting(key)?)))
        .find(|(_, found)| found.value.contains("https://"))
}

/// The helper binary speaks no TLS: with it, it would not fit a ConfigMap.
fn plain_http_only(policy: &Policy<'_>) -> Result<(), Problem> {
    match over_tls(policy) {
        None => Ok(()),
        Some((key, found)) => Err(policy.misfit(
            key.name,
            &found,
            "the helper binary (hook: binary) speaks no TLS; use http:// or hook: script"
                .to_owned(),
        )),
    }
}

fn secret(name: &'static str, secret: &str, key: &'static str) -> Var {
    Var {
        name,
        value: VarValue::Secret {
            name: secret.to_owned(),
            key,
        },
    }
}

/// A list as the hook reads it: no spaces around the commas.
fn list(value: &str) -> String {
    value
        .split(',')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(",")
}

/// A name in the registry; by default the workload's.
fn named_or_workload<'a>(
    policy: &Policy<'a>,
    place: &Registrant<'a>,
    key: &str,
) -> Result<&'a str, Problem> {
    match policy.setting(key) {
        Some(found) => Ok(found.value),
        None if place.workload.is_empty() => Err(policy.method_problem(format!(
            "it needs silkroll.dev/{}-{key} where the object has only a generateName",
            policy.method.name
        ))),
        None => Ok(place.workload),
    }
}

/// Fills `{port}` in: which port that is, only the manifest tells.
fn with_port(
    policy: &Policy<'_>,
    key: &'static str,
    found: &LayerValue<'_>,
    port: &Result<u16, String>,
) -> Result<String, Problem> {
    if !found.value.contains("{port}") {
        return Ok(found.value.to_owned());
    }
    match port {
        Ok(port) => Ok(found.value.replace("{port}", &port.to_string())),
        Err(why) => Err(policy.misfit(key, found, format!("write the number for {{port}}: {why}"))),
    }
}

fn text(name: &'static str, value: impl Into<String>) -> Var {
    Var {
        name,
        value: VarValue::Text(value.into()),
    }
}
