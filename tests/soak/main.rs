//! Days of a cluster in minutes: rotations, deletions, replicas that go and replicas that die, an API server that is away,
//! and upgrades, each under admissions that a real API server asks two real replicas about.
//!
//! In `make test` each is short; `make soak` runs the whole of it and prints the figures, of the program as it is shipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../cluster/mod.rs"]
mod cluster;

mod load;
mod world;

mod api_server;
mod healed;
mod killed;
mod rotations;
mod terminated;
mod upgrade;

/// A number from the environment, which `make soak` sets, or what a test by the way is content with.
fn number(name: &str, short: u32) -> u32 {
    std::env::var(name).map_or(short, |text| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}
