//! Silkroll makes Kubernetes rollouts lossless.

pub mod admission;
pub mod engine;
pub mod leave;
pub mod policy;
