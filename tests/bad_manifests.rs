//! `POST /dry-run` and `silkroll inject` under input that nobody should give them: one stated answer
//! to each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a helper that fails is a test that fails; tables are long"
)]

mod hostile;
mod served;
mod support;

#[path = "bad_manifests/command.rs"]
mod command;
#[path = "bad_manifests/doors.rs"]
mod doors;
#[path = "bad_manifests/endpoint.rs"]
mod endpoint;
#[path = "bad_manifests/files.rs"]
mod files;
#[path = "bad_manifests/names.rs"]
mod names;
#[path = "bad_manifests/repeated.rs"]
mod repeated;
#[path = "bad_manifests/texts.rs"]
mod texts;
#[path = "bad_manifests/there_and_back.rs"]
mod there_and_back;
