//! Ports, limits, shutdown, the webhook's routes and the plain routes beside it.

pub mod admin;
pub mod limits;
pub mod listener;
pub mod preview;
pub mod routes;

mod activity;
mod bodies;
mod connection;
mod door;
mod dry_run;
mod dry_run_more;
mod dry_run_work;
mod exchange;
mod page;
mod places;
mod pool;
mod shares;
