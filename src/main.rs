//! The `silkroll` program: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use silkroll::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().main()
}
