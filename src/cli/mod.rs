//! One file per subcommand: its arguments and a short `run()`.

pub mod certs;
pub mod completions;
pub mod configmap;
pub mod engine;
pub mod inject;
pub mod serve;

mod signals;
mod supervise;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Silkroll makes Kubernetes rollouts lossless: a mutating admission webhook that gives every
/// Deployment of an opted-in namespace what it needs to stop without dropping a request.
///
/// Opt a namespace in:  kubectl annotate namespace shop silkroll.dev/inject=enabled
/// See what it does:    silkroll inject -f deployment.yaml --diff --explain
#[derive(Debug, Parser)]
#[command(name = "silkroll", version, max_term_width = 100, verbatim_doc_comment)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the webhook over HTTPS, with the dry-run endpoint, probes and metrics
    Serve(Box<serve::Args>),
    /// Inject into manifests at hand, as the webhook would
    Inject(inject::Args),
    /// Print the ConfigMap with the script, for GitOps and for clusters without the webhook
    Configmap(configmap::Args),
    /// Make a CA and a serving certificate, for local use or for a cluster
    Certs(certs::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
}

impl Cli {
    /// Runs the command that was given.
    ///
    /// # Errors
    /// What could not be done, with what to do about it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        match self.command {
            Command::Serve(args) => serve::run(&args),
            Command::Inject(args) => inject::run(&args, &mut out, &mut std::io::stderr().lock()),
            Command::Configmap(args) => configmap::run(&args, &mut out),
            Command::Certs(args) => {
                certs::run(&args, &mut out, &mut std::io::stderr().lock())?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Completions(args) => completions::run(&args, Self::command(), &mut out),
        }
    }
}
