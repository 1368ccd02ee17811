//! The `silkroll` program: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use silkroll::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // A reader that has read enough, as `head` does, is no failure.
            let closed = error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
            if closed {
                return ExitCode::SUCCESS;
            }
            eprintln!("silkroll: {error:#}");
            ExitCode::from(2)
        }
    }
}
