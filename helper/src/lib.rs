//! What the hook decides, without I/O: `main.rs` and its `sys` do what [`World`] asks for.
//! The log lines, the judgement of answers and the bounds are those of `src/deregister/hook.sh`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[macro_use]
mod text;

mod address;
mod attempt;
mod chain;
mod fill;
mod http;
mod idle;
mod json;
mod listed;
mod methods;
mod processes;
mod settings;
mod steps;
mod url;

#[cfg(test)]
mod stand_in;

pub use attempt::{Answered, World};
pub use chain::{Own, Request, own};
pub use idle::await_idle;
pub use listed::{await_other, find_self, patience, unless_ready};
pub use methods::{Direction, Method};
pub use processes::{Process, above, age, named, parse, topmost};
pub use settings::{Settings, method, seconds};
pub use steps::{Ending, Limit, Tried, Wanted, keep_trying, mark, took, wanted};
pub use text::{escape_line, number};
