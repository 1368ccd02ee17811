//! The load: an open loop. Each request has its time beforehand, and no answer, however slow, holds
//! up the next one; latency counts from when a request was due.
//!
//! What counts as lost is strict. A request is ok when the whole of an answer with a status of 2xx
//! came in time. A kept connection that the other end closed while it was idle costs nothing, if
//! that is seen before a request is written on it, as HTTP clients look, too; `Connection: close`
//! in an answer is honoured. If the close crosses the request, the request is lost. Most clients
//! (Go, the JDK, Apache, nginx as a proxy) would send an idempotent one again: `Stale::Retry` does as they do.
//!
//! A stream is ok when its client has left it, and lost when the server ended it before that.

mod answers;
mod plan;
mod run;
mod tally;
pub mod told;

pub use answers::wait_for_answers;
pub use plan::{Plan, Stale, Stays};
pub use run::{Handle, start};
