//! Rollouts of Argo Rollouts on a real API server with its real CRDs, controller and kubectl plugin, and Silkroll as the
//! install file has it. There is no kubelet: the tests say of each pod that it is ready, so what is seen here is what
//! the controllers make of the objects and not a process that stops.
//!
//! `make test-rollouts` builds what it takes and runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../cluster/mod.rs"]
mod cluster;
#[path = "../kubectl/manifests.rs"]
#[allow(dead_code, reason = "tests/kubectl uses all of it")]
mod manifests;
#[path = "../kubectl/space.rs"]
#[allow(dead_code, reason = "tests/kubectl uses all of it")]
mod space;
#[path = "../kubectl/world.rs"]
#[allow(dead_code, reason = "tests/kubectl uses all of it")]
mod world;

mod argo;

mod blue_green;
mod canary;
mod reference;
