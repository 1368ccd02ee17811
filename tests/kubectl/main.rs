//! The whole line on a real API server: the install file as it is shipped, `silkroll serve` as a
//! process with the account and certificates of that install, and the real kubectl.
//!
//! One control plane and one webhook serve all tests, each test in namespaces of its own. What
//! stops, restarts or reconfigures Silkroll has a second one, whose tests take turns.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../cluster/mod.rs"]
mod cluster;
#[path = "../support/mod.rs"]
mod support;

mod manifests;
mod patches;
mod space;
mod world;

mod answers;
mod changes;
mod denials;
mod examples;
mod fresh;
mod generated;
mod helper;
mod hooks;
mod kinds;
mod not_injected;
mod nothing;
mod opting;
mod others;
mod pods;
mod price;
mod rules;
mod sent;
mod told;
mod upheaval;
mod validity;
