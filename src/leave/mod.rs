//! Ways of leaving: one file each, with its settings, its defaults and what its function in the
//! script (`hook.sh`) gets told. A new way is a new file here, a line in `WAYS` and `METHODS`,
//! and a function `leave_<name>` (and `back_<name>`) in the script.

mod http;
mod nacos;
mod none;
mod script;

pub use script::{
    CONFIG_MAP_PREFIX, LAUNCH_START, LAUNCH_STOP, MOUNT_PATH, SCRIPT_KEY, Script, VOLUME,
};

use crate::policy::{Method, Policy, Port, Problem};

/// The methods as the policy needs them.
pub const METHODS: &[Method] = &[none::METHOD, nacos::METHOD, http::METHOD];

const WAYS: &[(&str, Plan)] = &[
    (none::METHOD.name, none::plan),
    (nacos::METHOD.name, nacos::plan),
    (http::METHOD.name, http::plan),
];

type Plan = fn(&Policy<'_>, &Place<'_>) -> Result<Leave, Problem>;

/// The container that leaves, as far as a way of leaving needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The workload's name; empty where only `generateName` is given.
    pub workload: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// Its declared TCP ports.
    pub ports: &'a [DeclaredPort<'a>],
}

/// A port that a container declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPort<'a> {
    /// Its name, where it has one.
    pub name: Option<std::borrow::Cow<'a, str>>,
    /// 1 to 65535.
    pub number: u16,
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
}

/// What leaving takes for one container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leave {
    /// Whether anything is called at all: without a call there is no timeout to budget for, and
    /// the native sleep action will do.
    pub calls: bool,
    /// Whether there is a way back that a start hook has to send (law 11).
    pub comes_back: bool,
    /// The script's settings, besides those that every method has.
    pub vars: Vec<Var>,
    /// One line for `--explain`.
    pub summary: String,
}

/// What the policy's method takes for this container.
///
/// # Errors
/// A setting that is missing or does not fit the object.
pub fn plan(policy: &Policy<'_>, place: &Place<'_>) -> Result<Leave, Problem> {
    match WAYS.iter().find(|(name, _)| *name == policy.method.name) {
        Some((_, plan)) => plan(policy, place),
        None => Ok(Leave::default()),
    }
}

fn text(name: &'static str, value: impl Into<String>) -> Var {
    Var {
        name,
        value: VarValue::Text(value.into()),
    }
}

impl Place<'_> {
    /// The number of a port that a setting names, else of the only TCP port that is declared.
    ///
    /// # Errors
    /// What the port would have to be, as the end of a sentence.
    pub fn port(&self, wanted: Option<Port<'_>>) -> Result<u16, String> {
        match wanted {
            Some(Port::Number(number)) => Ok(number),
            Some(Port::Name(name)) => self
                .ports
                .iter()
                .find(|port| port.name.as_deref() == Some(name))
                .map(|port| port.number)
                .ok_or_else(|| {
                    format!(
                        "container {} declares no TCP port of that name ({})",
                        self.container,
                        self.declared()
                    )
                }),
            None => match self.ports {
                [only] => Ok(only.number),
                [] => Err(format!(
                    "container {} declares no TCP port, so the port must be named",
                    self.container
                )),
                _ => Err(format!(
                    "container {} declares {} TCP ports ({}), so the port must be named",
                    self.container,
                    self.ports.len(),
                    self.declared()
                )),
            },
        }
    }

    fn declared(&self) -> String {
        /// More would push the rest out of a kubectl warning.
        const SHOWN: usize = 5;
        if self.ports.is_empty() {
            return "it declares none".to_owned();
        }
        let names: Vec<_> = self
            .ports
            .iter()
            .take(SHOWN)
            .map(|port| match &port.name {
                Some(name) => format!("{name} {}", port.number),
                None => port.number.to_string(),
            })
            .collect();
        let more = if self.ports.len() > SHOWN {
            ", …"
        } else {
            ""
        };
        format!("declared: {}{more}", names.join(", "))
    }
}
