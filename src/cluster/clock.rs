//! What the API server says the time is. Certificates are for it to judge, by its clock: a node whose clock is wrong makes
//! none that it refuses, and does not take for ended what it takes.

use std::sync::atomic::{AtomicI64, Ordering};

use hyper::header::HeaderValue;
use k8s_openapi::jiff::fmt::rfc2822;

use crate::tls::date;

/// An answer is on its way for a while, and says whole seconds: up to here, clocks are the same.
const SAME: i64 = 5;

/// How far the API server's clock is from this machine's.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    /// Takes note of an answer's `Date` (RFC 9110, section 6.6.1).
    pub(super) fn hear(&self, date: &HeaderValue) {
        let date = date.to_str().ok();
        let date = date.and_then(|text| rfc2822::parse(text).ok());
        if let Some(date) = date {
            self.set(date.timestamp().as_second(), date::now());
        }
    }

    fn set(&self, there: i64, here: i64) {
        let ahead = there.saturating_sub(here);
        let ahead = if ahead.abs() > SAME { ahead } else { 0 };
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    /// How many seconds the API server's clock is ahead.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// The Unix time in seconds by the API server's clock, or by this machine's until it has answered.
    pub(super) fn now(&self) -> i64 {
        date::now().saturating_add(self.ahead())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_api_servers_where_it_says_one_that_differs() {
        let clock = Clock::default();
        for (there, ahead) in [(1_000, 0), (1_005, 0), (995, 0), (1_006, 6), (400, -600)] {
            clock.set(there, 1_000);
            assert_eq!(clock.ahead(), ahead, "{there}");
        }
        for (date, heard) in [
            ("Thu, 15 Jan 2037 08:00:00 GMT", true),
            ("yesterday", false),
            ("", false),
        ] {
            let clock = Clock::default();
            clock.hear(&HeaderValue::from_static(date));
            assert_eq!(clock.ahead() != 0, heard, "{date}");
            assert_eq!((clock.now() - 2_115_619_200).abs() <= 1, heard, "{date}");
        }
    }
}
