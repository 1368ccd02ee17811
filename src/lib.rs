//! Silkroll makes Kubernetes rollouts lossless.

pub mod cli;
pub mod observe;
pub mod server;
pub mod tls;
