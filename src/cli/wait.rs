//! `silkroll wait`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep, timeout_at};

use super::configmap::namespace;
use crate::cluster::{Cluster, Probe};
use crate::engine::Kind;

/// Between two looks: an answer is seconds away, and a dry run costs an API server little.
const PAUSE: Duration = Duration::from_secs(1);

/// Wait until all of Silkroll's pods are new and ready, those of before have gone, and API servers get its answer
///
/// The cluster leads calls to new pods some moments after they are ready, and what is applied before then is admitted as it
/// is, or decided by the pods of before. This tries a workload by a server-side dry run, so nothing is made. The cluster is found as kubectl
/// finds it. The Helm chart's hook after install and upgrade, and `helm test`, are this command.
#[derive(Debug, clap::Args)]
#[group(id = "wait")]
pub struct Args {
    /// Silkroll's Deployment
    #[arg(long, value_name = "NAME", default_value = "silkroll")]
    deployment: String,

    /// The namespace of that Deployment
    #[arg(long, short, value_name = "NAME", default_value = "silkroll-system", value_parser = namespace)]
    namespace: String,

    /// The namespace to try a Deployment in: one that the webhook is asked about
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = namespace)]
    try_in: String,

    /// The kind of the workload that is tried: one that the webhook is asked about
    #[arg(long, value_name = "KIND", default_value = "deployment", value_parser = kind)]
    try_kind: Kind,

    /// A label of that workload, where the webhook is asked about some labels only; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    try_label: Vec<(String, String)>,

    /// How long to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

/// As `--workloads` calls them; a Pod has no template that could be tried.
fn kind(text: &str) -> Result<Kind, String> {
    let mut kinds = Kind::ALL
        .into_iter()
        .filter(|kind| !kind.template().is_empty());
    let named = kinds.clone().find(|kind| kind.option() == text);
    named.ok_or_else(|| {
        let first = kinds.next().map(Kind::option).unwrap_or_default();
        let all = kinds.fold(first.to_owned(), |all, kind| all + ", " + kind.option());
        format!("expected is one of {all}")
    })
}

fn label(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=');
    let parts = parts.filter(|(key, _)| !key.is_empty());
    parts
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected is KEY=VALUE".to_owned())
}

/// Waits, and says so on standard output.
///
/// # Errors
/// The time is over: with what was waited for last.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(answers(args))?;
    super::print(out, b"Silkroll answers\n")?;
    Ok(ExitCode::SUCCESS)
}

async fn answers(args: &Args) -> anyhow::Result<()> {
    let cluster = Cluster::connect().await?;
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let probe = Probe {
        namespace: args.try_in.clone(),
        kind: args.try_kind,
        labels: args.try_label.clone(),
    };
    let mut last = format!("no answer from {}", cluster.url());
    loop {
        let look = async {
            cluster
                .rolled_out(&args.namespace, &args.deployment)
                .await?;
            cluster.answered(&probe).await
        };
        match timeout_at(end, look).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(waits_for)) => last = waits_for,
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= end {
            bail!("Silkroll did not answer within {} s: {last}", args.seconds);
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_has_a_template_and_labels_have_keys() {
        for named in ["deployment", "statefulset", "daemonset", "rollout"] {
            assert_eq!(kind(named).map(Kind::option), Ok(named));
        }
        for wrong in ["pod", "Deployment", ""] {
            let expected = "expected is one of deployment, statefulset, daemonset, rollout";
            assert_eq!(kind(wrong), Err(expected.to_owned()), "{wrong}");
        }
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(label("a/b=c=d"), pair("a/b", "c=d"));
        assert_eq!(label("a="), pair("a", ""));
        assert!(label("a").is_err() && label("=b").is_err());
    }
}
