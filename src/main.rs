//! The `silkroll` program: parse, run, exit code.

use std::process::ExitCode;

use silkroll::cli::Cli;
use tikv_jemallocator::Jemalloc;

/// glibc keeps what large dry runs have freed for as long as the process lives, wherever something small stands above it.
/// This gives pages back as soon as they are free, which `.cargo/config.toml` asks of it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Cli::main()
}
