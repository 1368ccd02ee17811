//! `silkroll configmap`

use std::io::Write;
use std::process::ExitCode;

use crate::manifest;

/// Print the ConfigMap that pods mount, for GitOps and for clusters without the webhook.
#[derive(Debug, clap::Args)]
#[group(id = "configmap")]
#[command(
    after_help = "The webhook keeps it in the namespaces that need it; where only `silkroll inject` is used, \
apply it once:\n\n    silkroll configmap -n shop | kubectl apply -f -\n    silkroll configmap -n shop --hook binary | kubectl apply --server-side -f -"
)]
pub struct Args {
    /// The namespace that it is for
    #[arg(short, long, value_name = "NAME", value_parser = namespace)]
    namespace: String,

    /// What runs in the containers, as silkroll.dev/hook has it
    #[arg(long, value_enum, default_value = "script")]
    hook: ConfigMapOf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ConfigMapOf {
    /// The script
    Script,
    /// The helper binary, for amd64 and arm64
    Binary,
}

pub(super) fn namespace(text: &str) -> Result<String, String> {
    if crate::policy::dns_label(text) {
        Ok(text.to_owned())
    } else {
        Err("a namespace has 1 to 63 lower-case letters, digits and -".to_owned())
    }
}

/// Prints the ConfigMap as YAML.
///
/// # Errors
/// Standard output is closed.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let files = match args.hook {
        ConfigMapOf::Script => super::engine::script(),
        ConfigMapOf::Binary => super::engine::helper(),
    };
    let map = files.config_map(&args.namespace);
    super::print(
        out,
        manifest::to_yaml(&serde_json::to_value(map)?).as_bytes(),
    )?;
    Ok(ExitCode::SUCCESS)
}
