//! A report in the formats of people, programs and continuous integration: one file each.

mod github;
mod json;
mod junit;
mod sarif;
mod text;

pub use github::github;
pub use json::{JsonFinding, json, one};
pub use junit::junit;
pub use sarif::sarif;
pub use text::text;
