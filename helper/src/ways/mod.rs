//! The ways of leaving, and their ways back.

mod eureka;
mod http;
mod nacos;

use crate::attempt::{Attempt, Outcome};
use crate::settings::Settings;
pub(crate) use http::add_header;

/// Out of the registry, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Before the stop.
    Leave,
    /// At the start.
    Back,
}

/// A way of leaving that calls something. `nginx` and `signal` are in `processes.rs`.
#[derive(Debug)]
pub struct Way {
    pub(crate) leave: fn(&Attempt<'_>) -> Outcome,
    pub(crate) back: Option<fn(&Attempt<'_>) -> Outcome>,
}

const NACOS: Way = Way {
    leave: nacos::leave,
    back: Some(nacos::back),
};
const EUREKA: Way = Way {
    leave: eureka::leave,
    back: Some(eureka::back),
};
const HTTP: Way = Way {
    leave: http::leave,
    back: Some(http::back),
};
const HTTP_FOR_GOOD: Way = Way {
    leave: http::leave,
    back: None,
};

/// The way of a method. Those without one of their own are requests, told in settings.
pub(crate) fn find(method: &[u8], settings: Settings<'_>) -> &'static Way {
    match method {
        b"nacos" => &NACOS,
        b"eureka" => &EUREKA,
        _ if settings.some("SILKROLL_HTTP_START_URL").is_some() => &HTTP,
        _ => &HTTP_FOR_GOOD,
    }
}

#[cfg(test)]
mod tests;
