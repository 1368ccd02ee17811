//! `silkroll completions`

use std::io::Write;
use std::process::ExitCode;

use clap_complete::Shell;

/// Print a completion script for your shell.
#[derive(Debug, clap::Args)]
#[group(id = "completions")]
#[command(
    after_help = "Example, for bash:  silkroll completions bash > /etc/bash_completion.d/silkroll"
)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output is closed.
pub fn run(
    args: &Args,
    mut command: clap::Command,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "silkroll", &mut script);
    super::print(out, &script)?;
    Ok(ExitCode::SUCCESS)
}
