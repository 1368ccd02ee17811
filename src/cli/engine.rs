//! The settings that `serve` and `inject` share: given alike, both make the same patch.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cluster;
use crate::deregister::{Arch, Helper, METHODS, SCRIPT_KEY, Script};
use crate::engine::{Kind, Settings};
use crate::manifest::{self, Document, Limits};
use crate::policy::check_default;
use crate::snapshot::Namespaces;

/// What to do with an annotation that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Invalid {
    /// Deny the request of its author
    Deny,
    /// Warn, and inject nothing
    Warn,
}

/// Settings of the engine.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "engine")]
pub struct Args {
    /// A default for the whole cluster, e.g. drain-seconds=20; weaker than every annotation.
    /// May be given several times
    #[arg(long = "default", value_name = "ANNOTATION=VALUE")]
    pub defaults: Vec<String>,

    /// What to do with an annotation on a workload that cannot be used
    #[arg(long, value_enum, default_value = "deny")]
    pub invalid: Invalid,

    /// The kinds of workload to inject into; the webhook's rules must ask for them, too
    #[arg(long, value_name = "KIND", value_parser = kinds(), value_delimiter = ',', default_value = "deployment")]
    pub workloads: Vec<Kind>,

    /// The cluster's version, e.g. 1.29: before 1.30 there is no native sleep action and the script
    /// sleeps instead [default: `serve` asks the cluster; otherwise a current version]
    #[arg(long, value_name = "MAJOR.MINOR", value_parser = version)]
    pub kubernetes_version: Option<(u32, u32)>,

    /// The architecture that all nodes of the cluster have, by which hook: auto can take the helper binary
    /// [default: `serve` looks at the nodes; otherwise unknown]
    #[arg(long, value_name = "ARCH", value_parser = arches())]
    pub node_arch: Option<Arch>,
}

/// Reads a kind's name; the table of kinds says which there are.
fn kinds() -> impl TypedValueParser<Value = Kind> {
    let options: Vec<_> = Kind::ALL.into_iter().map(Kind::option).collect();
    PossibleValuesParser::new(options).try_map(|name| {
        let mut kinds = Kind::ALL.into_iter();
        kinds.find(|kind| kind.option() == name).ok_or("no kind")
    })
}

fn arches() -> impl TypedValueParser<Value = Arch> {
    let names = Arch::ALL.map(Arch::name);
    PossibleValuesParser::new(names).try_map(|name| Arch::parse(&name).ok_or("no architecture"))
}

fn version(text: &str) -> Result<(u32, u32), String> {
    let parse = || {
        let (major, rest) = text.trim_start_matches('v').split_once('.')?;
        let minor = rest.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    parse().ok_or_else(|| "a version looks like 1.36".to_owned())
}

impl Args {
    /// Whether the cluster has the native sleep action, as far as is said here.
    #[must_use]
    pub fn native_sleep(&self) -> bool {
        self.kubernetes_version
            .is_none_or(|version| version >= (1, 30))
    }

    /// The engine's settings.
    ///
    /// # Errors
    /// A default that cannot be used.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings {
            deny_invalid: self.invalid == Invalid::Deny,
            native_sleep: self.native_sleep(),
            kinds: self.workloads.clone(),
            node_arch: self.node_arch,
            ..Settings::default()
        };
        for given in &self.defaults {
            let Some((key, value)) = given.split_once('=') else {
                bail!("--default {given}: expected is ANNOTATION=VALUE, e.g. drain-seconds=20");
            };
            let key = check_default(key, value, METHODS)
                .map_err(|message| anyhow::anyhow!("--default {given}: {message}"))?;
            settings
                .defaults
                .push((Cow::Owned(key), Cow::Owned(value.to_owned())));
        }
        Ok(settings)
    }
}

/// The script of this build as the ConfigMap that pods mount.
#[must_use]
pub fn script() -> cluster::Files {
    let script = Script::current();
    cluster::Files {
        name: script.config_map,
        data: BTreeMap::from([(SCRIPT_KEY.to_owned(), script.text.to_owned())]),
        ..cluster::Files::default()
    }
}

/// The helper binary of this build as the ConfigMap that pods mount with `hook: binary`.
#[must_use]
pub fn helper() -> cluster::Files {
    let programs = Arch::ALL.map(|arch| (arch.key().to_owned(), arch.program().to_vec()));
    cluster::Files {
        name: Helper::current().config_map,
        binary_data: BTreeMap::from(programs),
        ..cluster::Files::default()
    }
}

/// Reads Namespace manifests, as `kubectl get namespaces -o yaml` prints them; and says what in them kubectl takes without
/// a word, and was hardly meant.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn namespaces(path: &Path) -> anyhow::Result<(Namespaces, Vec<String>)> {
    let shown = super::input::name(path);
    let bytes = super::input::file(path).with_context(|| {
        format!("--namespaces {shown} cannot be used; it takes what `kubectl get namespaces -o yaml` prints")
    })?;
    let bytes = manifest::as_text(&bytes);
    let documents = manifest::read(&bytes, &Limits::default())
        .with_context(|| format!("--namespaces {shown}"))?;
    let (mut read, mut warnings) = (Vec::new(), Vec::new());
    for document in documents {
        let document = document.with_context(|| format!("--namespaces {shown}"))?;
        for warning in document.warnings() {
            warnings.push(format!("--namespaces {shown}: {warning}"));
        }
        if !document.value().is_null() {
            read.push(document);
        }
    }
    if read.is_empty() {
        bail!(
            "--namespaces {shown} holds nothing; it takes what `kubectl get namespaces -o yaml` prints"
        );
    }
    let namespaces = Namespaces::from_manifests(read.iter().map(Document::value))
        .with_context(|| format!("--namespaces {shown}"))?;
    Ok((namespaces, warnings))
}
