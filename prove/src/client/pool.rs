//! Kept connections, by address.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::Socket;

/// Idle connections, the longest idle first: used in turn, so that each pod keeps its share of
/// them. A pool that takes the youngest would settle on one or two.
#[derive(Debug)]
pub struct Pool {
    kept: usize,
    places: HashMap<SocketAddr, Place>,
    /// How many were found closed by the other end.
    pub closed_idle: u64,
}

#[derive(Debug, Default)]
struct Place {
    idle: VecDeque<Socket>,
    busy: usize,
}

impl Pool {
    /// Keeps so many connections to each address.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self {
            kept,
            places: HashMap::new(),
            closed_idle: 0,
        }
    }

    /// A connection for the next request, until [`Pool::put`]; none where one has to be opened.
    pub fn take(&mut self, address: SocketAddr) -> Option<Socket> {
        let place = self.places.entry(address).or_default();
        let mut found = None;
        while found.is_none() && place.idle.len() + place.busy >= self.kept {
            let Some(socket) = place.idle.pop_front() else {
                break;
            };
            if socket.idle() {
                found = Some(socket);
            } else {
                self.closed_idle += 1;
            }
        }
        place.busy += 1;
        found
    }

    /// Ends what `take` began, with the connection where it can be used again.
    pub fn put(&mut self, address: SocketAddr, socket: Option<Socket>) {
        let place = self.places.entry(address).or_default();
        place.busy = place.busy.saturating_sub(1);
        place.idle.extend(socket);
        if place.idle.len() > self.kept {
            place.idle.pop_front();
        }
    }

    /// Lets go of what the other end has closed, at addresses that no request asks for any more, too.
    pub fn sweep(&mut self) {
        for place in self.places.values_mut() {
            let before = place.idle.len();
            place.idle.retain(Socket::idle);
            self.closed_idle += (before - place.idle.len()) as u64;
        }
        self.places
            .retain(|_, place| !place.idle.is_empty() || place.busy > 0);
    }
}
