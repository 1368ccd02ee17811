//! Logs and metrics.

pub mod labels;
mod line;
pub mod logs;
pub mod metrics;
mod writer;

pub use metrics::Metrics;
