//! One file per subcommand: its arguments and a short `run()`.

pub mod certs;
pub mod check;
pub mod completions;
pub mod configmap;
pub mod engine;
pub mod gitops;
mod heard;
pub mod inject;
pub mod input;
pub mod preview;
pub mod replace;
mod report;
pub mod serve;
mod signals;
mod supervise;
pub mod wait;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

use self::report::Report;
use crate::policy::dns_subdomain;
use crate::text;

/// Silkroll makes Kubernetes rollouts lossless: a mutating admission webhook that gives every
/// Deployment of an opted-in namespace what it needs to stop without dropping a request.
///
/// Opt a namespace in:  kubectl annotate --field-manager=silkroll ns shop silkroll.dev/inject=enabled
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
    /// Say what in manifests at hand, or in a cluster, is not lossless
    Check(check::Args),
    /// The dry run as a page in your browser, without a cluster
    Preview(preview::Args),
    /// Print the ConfigMap with the script, for GitOps and for clusters without the webhook
    Configmap(configmap::Args),
    /// Print the settings that keep a GitOps tool in sync with what is injected
    Gitops(gitops::Args),
    /// Make a CA and a serving certificate, for local use or for a cluster
    Certs(certs::Args),
    /// Wait until a Silkroll in a cluster answers
    Wait(wait::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
}

/// The longest error, in characters: a path of 4096 bytes and what is to be said about it fit.
const ERROR: usize = 8000;

impl Cli {
    /// Runs the command that the program was started with, and says on standard error why it failed.
    #[must_use]
    pub fn main() -> ExitCode {
        let result = match Self::try_parse() {
            Ok(cli) => cli.run(),
            Err(error) => return refused(&error),
        };
        result.unwrap_or_else(|error| {
            if reader_gone(&error) {
                return ExitCode::from(READER_GONE);
            }
            let error = text::displayed(format_args!("{error:#}"), ERROR);
            // Where the report has no reader, the exit code says it all the same.
            let _ = writeln!(Report::new(io::stderr()), "silkroll: {error}");
            ExitCode::from(2)
        })
    }

    fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        let mut report = Report::new(io::stderr().lock());
        match self.command {
            Command::Serve(args) => {
                // The log has standard error to itself.
                drop(report);
                serve::run(&args)
            }
            Command::Inject(args) => inject::run(&args, &mut out, &mut report),
            Command::Check(args) => check::run(&args, &mut out, &mut report),
            Command::Preview(args) => preview::run(&args, &mut out, &mut report),
            Command::Configmap(args) => configmap::run(&args, &mut out),
            Command::Gitops(args) => gitops::run(&args, &mut out),
            Command::Certs(args) => {
                certs::run(&args, &mut out, &mut report)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Wait(args) => wait::run(&args, &mut out),
            Command::Completions(args) => completions::run(&args, Self::command(), &mut out),
        }
    }
}

/// The exit code where whoever read standard output went away, as `head` does: what a shell says of a program that SIGPIPE
/// ended (128 + 13).
const READER_GONE: u8 = 141;

/// Says what is wrong with the arguments, or prints the help that was asked for. An argument may be the name of a file
/// that a shell has put there: `silkroll check *`.
fn refused(error: &clap::Error) -> ExitCode {
    let plain = |arg: OsString| {
        let arg = arg.to_string_lossy();
        text::line(&arg) == arg
    };
    if !error.use_stderr() || std::env::args_os().all(plain) {
        error.exit();
    }
    let _ = write!(Report::new(io::stderr()), "{}", error.render());
    ExitCode::from(2)
}

fn reader_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes to standard output, to the last byte.
fn print(out: &mut dyn Write, text: &[u8]) -> anyhow::Result<()> {
    out.write_all(text)
        .and_then(|()| out.flush())
        .context("standard output cannot be written")
}

/// A name on the command line that becomes a part of a path to the API server, or of a manifest: nothing that could lead
/// elsewhere.
fn object_name(name: &str) -> Result<String, String> {
    if dns_subdomain(name) {
        return Ok(name.to_owned());
    }
    Err("expected is an object's name: a-z, 0-9, - and ., 253 characters at most".to_owned())
}
