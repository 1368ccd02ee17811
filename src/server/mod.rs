//! Ports, limits, shutdown, and the plain routes beside the webhook.

pub mod admin;
pub mod limits;
pub mod listener;

mod activity;
mod connection;
