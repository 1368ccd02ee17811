//! The Helm chart with the real Helm, 3 and 4: what it renders, what it refuses, and its life on a real API server. There
//! is no kubelet: `silkroll` runs as a process where its pods would be.
//!
//! `make test-helm` builds what it takes and runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../cluster/mod.rs"]
mod cluster;

mod helm;
mod variants;

mod cert_manager;
mod given;
mod hook;
mod hostile;
mod life;
mod nodes;
mod own;
mod post_renderer;
mod refused;
mod rendered;
