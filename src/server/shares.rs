//! Who has used how much of something lately.
//!
//! The ports do not ask callers who they are, so all that tells one sender from another is the address that it comes from. An API
//! server has one of its own, and so has each pod. Whoever has used least goes first: an attacker is behind everybody
//! else from its second request on, however many it sends.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::time::Instant;

/// After this time half of what was used is forgotten: long enough that a flood is remembered between its waves, short
/// enough that a pipeline's last burst does not count in its next.
const HALF: Duration = Duration::from_secs(10);

/// Addresses that are remembered: more than there are connections. Of more, those that have used least are forgotten.
const MOST: usize = 1024;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// An IPv4 address is the same however the socket writes it.
    pub(super) fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl Default for Peer {
    /// One that came through no socket.
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED.into())
    }
}

#[derive(Debug, Clone, Copy)]
struct Used {
    amount: f64,
    at: Instant,
}

impl Used {
    fn now(self, now: Instant) -> f64 {
        let halves = (now - self.at).as_secs_f64() / HALF.as_secs_f64();
        self.amount * (-halves).exp2()
    }
}

/// What each peer has used, in whatever unit is added.
#[derive(Debug, Default)]
pub(super) struct Shares(HashMap<Peer, Used>);

impl Shares {
    /// What it has used lately.
    pub(super) fn used(&self, peer: Peer, now: Instant) -> f64 {
        self.0.get(&peer).map_or(0.0, |used| used.now(now))
    }

    /// It has used so much more.
    pub(super) fn add(&mut self, peer: Peer, amount: f64, now: Instant) {
        let amount = amount + self.used(peer, now);
        self.0.insert(peer, Used { amount, at: now });
        if self.0.len() > MOST {
            let least = self.0.iter().min_by(|(_, one), (_, other)| {
                let (one, other) = (one.now(now), other.now(now));
                one.total_cmp(&other)
            });
            if let Some(peer) = least.map(|(peer, _)| *peer) {
                self.0.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> Peer {
        Peer::new(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn half_of_what_was_used_is_forgotten_in_ten_seconds() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        shares.add(peer(1), 8.0, now);
        shares.add(peer(1), 8.0, now + HALF);
        for (seconds, left) in [(10, 12.0), (20, 6.0), (30, 3.0)] {
            let used = shares.used(peer(1), now + Duration::from_secs(seconds));
            assert!((used - left).abs() < 1e-9, "{used}");
        }
        assert!(shares.used(peer(2), now) == 0.0);
    }

    #[test]
    fn those_that_have_used_least_are_forgotten_first() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        shares.add(peer(0), 5.0, now);
        for number in 1..3000 {
            shares.add(peer(number), 1.0, now);
        }
        assert_eq!(shares.0.len(), MOST);
        assert!(shares.used(peer(0), now) > 4.0);
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_in_ipv6() {
        let v4 = Ipv4Addr::new(10, 0, 0, 7);
        assert_eq!(Peer::new(v4.into()), Peer::new(v4.to_ipv6_mapped().into()));
    }
}
