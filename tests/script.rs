//! The hook itself, `src/leave/hook.sh`, in real shells, with one HTTP client at a time, and the helper for images
//! without a shell, against servers that record and misbehave.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot go on has to fail the test"
)]

#[path = "script/methods.rs"]
mod methods;
#[path = "script/nacos.rs"]
mod nacos;
#[path = "script/run.rs"]
mod run;
#[path = "script/server.rs"]
mod server;
#[path = "script/told.rs"]
mod told;

#[path = "script/answers.rs"]
mod answers;
#[path = "script/back.rs"]
mod back;
#[path = "script/bounds.rs"]
mod bounds;
#[path = "script/chain.rs"]
mod chain;
#[path = "script/drain.rs"]
mod drain;
#[path = "script/helper.rs"]
mod helper;
#[path = "script/leave_eureka.rs"]
mod leave_eureka;
#[path = "script/leave_http.rs"]
mod leave_http;
#[path = "script/leave_nacos.rs"]
mod leave_nacos;
#[path = "script/places.rs"]
mod places;
#[path = "script/processes.rs"]
mod processes;
#[path = "script/random.rs"]
mod random;
