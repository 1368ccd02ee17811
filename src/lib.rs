//! Silkroll makes Kubernetes rollouts lossless.
pub mod cluster;
pub mod snapshot;
