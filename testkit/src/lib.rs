//! What the tests and the proof both need: the programs of a Kubernetes, and ways to ask them.
//!
//! `layout` says what the programs of a control plane are started with, `authority` makes their certificates, `process`
//! runs them and `kubectl` asks them. `service` stands for a Service's address. `http` reads HTTP, `wait` polls, `ports`
//! finds what is free, `pages` has the commands that users are told to type.

pub mod authority;
pub mod http;
pub mod kubectl;
pub mod layout;
pub mod pages;
pub mod ports;
pub mod process;
pub mod service;
pub mod wait;
