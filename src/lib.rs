//! Silkroll makes Kubernetes rollouts lossless.

pub mod observe;
pub mod tls;
