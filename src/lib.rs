//! Silkroll makes Kubernetes rollouts lossless.

pub mod admission;
pub mod audit;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod deregister;
pub mod engine;
pub mod manifest;
pub mod observe;
mod parts;
mod plan;
pub mod policy;
pub mod server;
mod slots;
pub mod snapshot;
pub mod text;
pub mod tls;
