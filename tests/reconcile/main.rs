//! What applies from Git, again and again, beside Silkroll: Argo CD, the apply engine of Flux, Helm 3 and 4, `kubectl apply -k`
//! and kustomize, each the real program on a real API server, with Silkroll as the install file has it. There is no kubelet:
//! what is seen here is what the tools and the controllers make of the objects.
//!
//! `make test-gitops` builds what it takes and runs them.

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

mod git;

mod argocd;
mod flux;
mod function;
mod helm;
mod kubectl;
