//! Silkroll makes Kubernetes rollouts lossless.

pub mod observe;
pub mod server;
pub mod tls;
