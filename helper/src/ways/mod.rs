//! The ways of leaving, and their ways back.

mod consul;
mod dubbo;
mod eureka;
mod http;
mod nacos;
mod spring;

use crate::attempt::{Attempt, Outcome};
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
pub struct Way {
    /// As in `silkroll.dev/deregister`.
    pub name: &'static str,
    pub(crate) leave: fn(&Attempt<'_>) -> Outcome,
    pub(crate) back: Option<fn(&Attempt<'_>) -> Outcome>,
    /// For how long the way back is tried after a start.
    pub back_seconds: u64,
}

/// A registry that is down is up again after this, or its pods have other troubles.
const BACK_SECONDS: u64 = 120;
/// Spring's switch is in the application, which may take long to start.
const SPRING_BACK_SECONDS: u64 = 300;

pub(crate) const WAYS: &[Way] = &[
    Way {
        name: "nacos",
        leave: nacos::leave,
        back: Some(nacos::back),
        back_seconds: BACK_SECONDS,
    },
    Way {
        name: "http",
        leave: http::leave,
        back: Some(http::back),
        back_seconds: BACK_SECONDS,
    },
    Way {
        name: "eureka",
        leave: eureka::leave,
        back: Some(eureka::back),
        back_seconds: BACK_SECONDS,
    },
    Way {
        name: "consul",
        leave: consul::leave,
        back: None,
        back_seconds: 0,
    },
    Way {
        name: "dubbo",
        leave: dubbo::leave,
        back: None,
        back_seconds: 0,
    },
    Way {
        name: "spring",
        leave: spring::leave,
        back: Some(spring::back),
        back_seconds: SPRING_BACK_SECONDS,
    },
];

pub(crate) fn find(name: &[u8]) -> Option<&'static Way> {
    WAYS.iter().find(|way| way.name.as_bytes() == name)
}

#[cfg(test)]
mod tests;
