//! The hook on real registries and in front of real servers: `make test-registries`, which prepares them and runs this
//! in a network and process namespace of its own, one test after the other.
//!
//! A test starts its registry once and walks through what has to hold there; each step that held prints a line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: what cannot go on has to fail the test"
)]

#[path = "../script/server.rs"]
#[allow(
    dead_code,
    reason = "the hook's own tests need more of it: here it only records"
)]
mod recorder;
#[path = "../script/told.rs"]
mod told;

mod ask;
mod consul;
mod dubbo;
mod eureka;
mod hook;
mod http;
mod listed;
mod nacos;
mod nacos_back;
mod nacos_world;
mod servers;
mod spring;
mod start;
