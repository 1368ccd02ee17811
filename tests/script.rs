//! The hook itself, `src/deregister/hook.sh`, in real shells, with one HTTP client at a time, and the helper for images
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
#[path = "script/deregister_eureka.rs"]
mod deregister_eureka;
#[path = "script/deregister_http.rs"]
mod deregister_http;
#[path = "script/deregister_nacos.rs"]
mod deregister_nacos;
#[path = "script/drain.rs"]
mod drain;
#[path = "script/helper.rs"]
mod helper;
#[path = "script/idle.rs"]
mod idle;
#[path = "script/last_instance.rs"]
mod last_instance;
#[path = "script/places.rs"]
mod places;
#[path = "script/processes.rs"]
mod processes;
#[path = "script/random.rs"]
mod random;
#[path = "script/registered.rs"]
mod registered;
