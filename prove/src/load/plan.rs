//! What is sent when. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::Connection;

/// What becomes of a request that was written on a kept connection while the other end closed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stale {
    /// It is lost.
    #[default]
    Lost,
    /// It is sent once more, on a new connection, if no byte of an answer came and the connection
    /// broke within [`Stale::crossing`]: a longer wait means that the server worked on it.
    Retry,
}

impl Stale {
    /// How long a close may take to cross a slow request, which is being worked on from the first
    /// moment and must not hide in here: a round trip in one cluster, and room for a timer.
    pub const CROSSING: Duration = Duration::from_millis(50);

    /// The same for one that is answered at once: no server works on it, so it is the time for which a
    /// busy machine may leave it unread.
    pub const UNREAD: Duration = Duration::from_secs(1);

    pub(super) fn crossing(request: Request) -> Duration {
        if request.slow {
            Self::CROSSING
        } else {
            Self::UNREAD
        }
    }
}

/// For how long clients stay on their streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stays {
    /// At least.
    pub least: Duration,
    /// At most.
    pub most: Duration,
}

impl Stays {
    /// Of the nth client: anything between the two, the same in each run.
    fn of(self, n: u64) -> Duration {
        // SplitMix64: numbers in a row come out as if by chance.
        let mut bits = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let thousandth = u32::try_from((bits ^ (bits >> 31)) % 1001).unwrap_or_default();
        self.least + (self.most.saturating_sub(self.least)) * thousandth / 1000
    }
}

/// The load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Requests a second.
    pub rate: u32,
    /// How long; else until it is stopped.
    pub duration: Option<Duration>,
    /// The value of the Host header.
    pub host: String,
    /// What most requests ask for.
    pub path: String,
    /// Every so manieth request is a slow one; 0: none is.
    pub slow_every: u64,
    /// What the slow ones ask for.
    pub slow_path: String,
    /// How long an answer to that takes by itself.
    pub slow: Duration,
    /// How long an answer may take, for slow ones beyond `slow`.
    pub timeout: Duration,
    /// How many connections are kept to one address, used in turn.
    pub kept: usize,
    /// What becomes of a request that crosses with a close.
    pub stale: Stale,
    /// Whether the `Pod` header of an answer names the other end of the connection. Not so behind a proxy.
    pub names_pod: bool,
    /// Streams in the place of requests, by turns of server-sent events and `WebSockets`.
    #[serde(default)]
    pub streams: Option<Stays>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rate: 200,
            duration: None,
            host: "app".to_owned(),
            path: "/".to_owned(),
            slow_every: 10,
            slow_path: "/slow?ms=1000".to_owned(),
            slow: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            // At 200 a second each is used several times a second, and each of a few pods has some.
            kept: 16,
            stale: Stale::Lost,
            names_pod: true,
            streams: None,
        }
    }
}

/// One request of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// When it is due, after the start.
    pub(super) due: Duration,
    pub(super) slow: bool,
    /// Which connection it is meant for. A kept one has to be opened first.
    pub(super) connection: Connection,
    /// Where it is a stream.
    pub(super) stream: Option<Stream>,
}

/// A stream of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// A WebSocket; else server-sent events.
    pub(super) web_socket: bool,
    /// When its client leaves, after it has come.
    pub(super) stay: Duration,
}

impl Plan {
    /// A quarter of what proxies wait by default. A machine that has more to do than it can makes answers
    /// slow, and the report says how slow; lost is what gets none.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    /// The nth request; none after the end. Every other one, of the slow as of the quick ones, has
    /// a connection of its own.
    pub(super) fn request(&self, n: u64) -> Option<Request> {
        let nanos = u128::from(n) * 1_000_000_000 / u128::from(self.rate.max(1));
        let due = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if self.duration.is_some_and(|duration| due >= duration) {
            return None;
        }
        if let Some(stays) = self.streams {
            return Some(Request {
                due,
                slow: false,
                connection: Connection::New,
                stream: Some(Stream {
                    web_socket: !n.is_multiple_of(2),
                    stay: stays.of(n),
                }),
            });
        }
        let (slow, turn) = match (
            n.checked_div(self.slow_every),
            n.checked_rem(self.slow_every),
        ) {
            (Some(slow_ones), Some(0)) => (true, slow_ones),
            (Some(slow_ones), _) => (false, n - slow_ones),
            (None, _) => (false, n),
        };
        let connection = if turn.is_multiple_of(2) {
            Connection::New
        } else {
            Connection::Kept
        };
        Some(Request {
            due,
            slow,
            connection,
            stream: None,
        })
    }

    pub(super) fn path(&self, request: Request) -> &str {
        match request.stream {
            Some(Stream {
                web_socket: true, ..
            }) => "/ws",
            Some(_) => "/events",
            None if request.slow => &self.slow_path,
            None => &self.path,
        }
    }

    /// How long a request takes by itself, which no pod is to blame for.
    pub(super) fn asked_for(&self, request: Request) -> Duration {
        match request.stream {
            Some(stream) => stream.stay,
            None if request.slow => self.slow,
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_an_even_pace_until_the_end() {
        let plan = Plan {
            rate: 3,
            duration: Some(Duration::from_secs(2)),
            ..Plan::default()
        };
        let due: Vec<u128> = (0..)
            .map_while(|n| plan.request(n))
            .map(|request| request.due.as_millis())
            .collect();
        assert_eq!(due, [0, 333, 666, 1000, 1333, 1666]);
    }

    #[test]
    fn streams_are_of_both_kinds_and_their_clients_stay_for_anything_between_the_bounds() {
        let stays = Stays {
            least: Duration::from_secs(5),
            most: Duration::from_secs(60),
        };
        let plan = Plan {
            streams: Some(stays),
            ..Plan::default()
        };
        let streams: Vec<Stream> = (0..1000).filter_map(|n| plan.request(n)?.stream).collect();
        assert_eq!(streams.len(), 1000);
        assert_eq!(streams.iter().filter(|each| each.web_socket).count(), 500);
        let of = |from: u64, to: u64| {
            let within = |each: &&Stream| (from..to).contains(&each.stay.as_secs());
            streams.iter().filter(within).count()
        };
        assert_eq!(of(5, 61), 1000);
        for from in [5, 15, 25, 35, 45] {
            assert!((120..250).contains(&of(from, from + 10)), "{from}");
        }
    }

    #[test]
    fn slow_and_quick_ones_are_halved_between_new_and_kept_connections() {
        for slow_every in [0, 1, 2, 3, 7, 10] {
            let plan = Plan {
                slow_every,
                ..Plan::default()
            };
            let requests: Vec<Request> = (0..4200).filter_map(|n| plan.request(n)).collect();
            for slow in [false, true] {
                let of = |connection| {
                    requests
                        .iter()
                        .filter(|request| request.slow == slow && request.connection == connection)
                        .count()
                };
                let (new, kept) = (of(Connection::New), of(Connection::Kept));
                assert!(
                    new.abs_diff(kept) <= 2,
                    "every {slow_every}, slow {slow}: {new} {kept}"
                );
            }
            let slow = requests.iter().filter(|request| request.slow).count() as u64;
            assert_eq!(slow, 4200u64.checked_div(slow_every).unwrap_or(0));
        }
    }
}
