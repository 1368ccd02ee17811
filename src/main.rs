//! The `silkroll` program: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use silkroll::cli::Cli;
use tikv_jemallocator::Jemalloc;

/// glibc keeps what a large dry run has freed for as long as the process lives, wherever something small stands above it;
/// this gives pages back some ten seconds after they were freed, by a thread of its own, so that an idle server does, too.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Cli::parse().main()
}
