//! The methods: how each deregisters, and how it re-enables.

mod consul;
mod eureka;
mod http;
mod nacos;

use crate::attempt::{Attempt, Outcome};
use crate::listed::List;
use crate::settings::Settings;
pub(crate) use http::add_header;

/// Out of the registry, or back; or whether it is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Before the stop.
    Deregister,
    /// At the start.
    Reenable,
    /// While it starts: nothing is changed.
    Registered,
}

/// A method that makes a call. `nginx` and `signal` are in `processes.rs`.
#[derive(Debug)]
pub struct Method {
    pub(crate) deregister: fn(&Attempt<'_>) -> Outcome,
    pub(crate) reenable: Option<fn(&Attempt<'_>) -> Outcome>,
    /// Reads the list that callers go by, where there is one.
    pub(crate) listed: Option<List>,
    /// Whether clients may register again at a heartbeat that finds nothing: as long as they run, no success is the last.
    pub registers_again: bool,
}

const NACOS: Method = Method {
    deregister: nacos::deregister,
    reenable: Some(nacos::reenable),
    listed: Some(nacos::listed),
    registers_again: false,
};
const EUREKA: Method = Method {
    deregister: eureka::deregister,
    reenable: Some(eureka::reenable),
    listed: Some(eureka::listed),
    registers_again: false,
};
const CONSUL: Method = Method {
    deregister: http::deregister,
    reenable: None,
    listed: Some(consul::listed),
    registers_again: true,
};
const HTTP: Method = Method {
    deregister: http::deregister,
    reenable: Some(http::reenable),
    listed: None,
    registers_again: false,
};
const HTTP_FOR_GOOD: Method = Method {
    deregister: http::deregister,
    reenable: None,
    listed: None,
    registers_again: false,
};

/// The way of a method. Those without one of their own are requests, told in settings.
pub(crate) fn find(method: &[u8], settings: Settings<'_>) -> &'static Method {
    match method {
        b"nacos" => &NACOS,
        b"eureka" => &EUREKA,
        b"consul" => &CONSUL,
        _ if settings.some("SILKROLL_HTTP_START_URL").is_some() => &HTTP,
        _ => &HTTP_FOR_GOOD,
    }
}

#[cfg(test)]
mod tests;
