//! `silkroll gitops`

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use crate::engine::{Kind, overwritten};

/// Print the settings that keep a GitOps tool in sync with what Silkroll injects.
#[derive(Debug, clap::Args)]
#[group(id = "gitops")]
#[command(
    after_help = "It prints YAML with comments and changes nothing. For Argo CD there are two ways; read the comments, and \
apply the ConfigMap only for the second:\n\n    silkroll gitops argocd | kubectl apply --server-side --field-manager=silkroll -f -"
)]
pub struct Args {
    /// The tool
    #[arg(value_enum)]
    tool: Tool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Tool {
    /// Argo CD: the choice of server-side diff, or a ConfigMap with what to ignore
    Argocd,
    /// Flux: nothing to set, but names of field managers to keep to
    Flux,
}

const ARGOCD: &str = "\
# Argo CD and Silkroll. Choose one of two ways.
#
# First choice, for each Application: compare by the API server's own dry run. Nothing below is needed then.
#   kubectl annotate --field-manager=silkroll application -n argocd NAME argocd.argoproj.io/compare-options=ServerSideDiff=true
#   kubectl annotate --field-manager=silkroll application -n argocd NAME argocd.argoproj.io/refresh=hard
#
# Where a project watches for orphaned resources, let its spec pass over Silkroll's ConfigMaps:
#   orphanedResources:
#     ignore:
#     - kind: ConfigMap
#       name: silkroll-*
#
# Second choice, for all Applications: ignore what Silkroll may change although it is in Git. Argo CD then does not
# report a change that is made to these members by other means either.
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
  labels:
    app.kubernetes.io/part-of: argocd
data:
";

const FLUX: &str = "\
# Flux and Silkroll. Nothing needs to be set: Flux applies server-side, and what the webhook adds is not undone.
#
# Flux takes away what a field manager owns whose name begins with \"kubectl\", of objects that are in Git. So put
# the opt-in in Git, in the Namespace's manifest:
#   metadata:
#     annotations:
#       silkroll.dev/inject: enabled
# or name another manager when you set something by hand:
#   kubectl annotate --field-manager=silkroll ns shop silkroll.dev/inject=enabled
#   kubectl rollout restart --field-manager=silkroll -n shop deployment/web
";

/// Prints the settings.
///
/// # Errors
/// Standard output is closed.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let text = match args.tool {
        Tool::Argocd => argocd()?,
        Tool::Flux => FLUX.to_owned(),
    };
    super::print(out, text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn argocd() -> Result<String, std::fmt::Error> {
    let mut text = ARGOCD.to_owned();
    for kind in Kind::ALL {
        let paths = overwritten(kind);
        if paths.is_empty() {
            continue;
        }
        let (group, _) = kind.api_version().split_once('/').unwrap_or_default();
        let name = kind.name();
        writeln!(
            text,
            "  resource.customizations.ignoreDifferences.{group}_{name}: |\n    jqPathExpressions:"
        )?;
        for path in paths {
            writeln!(text, "    - {path}")?;
        }
    }
    Ok(text)
}
