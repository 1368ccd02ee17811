//! Crowds that hold connections without need.

use std::io::Write;

use crate::harness::{Attack, Victim, head};

/// Connections of each of the eight that strike: more than there are places.
const EACH: usize = 90;

/// Eight that do the same.
const fn crowd(name: &'static str, what: &'static str, strike: fn(&Victim, usize)) -> Attack {
    Attack {
        name,
        what,
        flags: &[],
        strikers: 8,
        strike,
    }
}

pub(crate) const HALF_OPEN: Attack = crowd(
    "half-open",
    "720 connections that stop in the TLS handshake, opened again every two seconds",
    // The start of a TLS record that announces 512 bytes.
    |victim, _| hold(victim, Victim::connect_tcp, &[0x16, 3, 1, 2, 0, 1]),
);

pub(crate) const HALF_HEADS: Attack = crowd(
    "half-heads",
    "720 connections with half a head",
    |victim, _| hold(victim, Victim::connect, b"POST /mutate HTTP/1.1\r\nHost: "),
);

pub(crate) const HALF_BODIES: Attack = crowd(
    "half-bodies",
    "720 connections with half a body",
    |victim, _| {
        let piece = [&head("/mutate", 9000)[..], b"{"].concat();
        hold(victim, Victim::connect, &piece);
    },
);

pub(crate) const UNREAD: Attack = crowd(
    "unread-heads",
    "720 connections that were answered and do not read it",
    |victim, _| hold(victim, Victim::connect, &head("/", 0)),
);

pub(crate) const PROBES: Attack = crowd(
    "admin-port",
    "720 connections with half a head at the port of the probes",
    |victim, _| {
        hold(
            victim,
            Victim::connect_admin,
            b"GET /livez HTTP/1.1\r\nHost: ",
        );
    },
);

/// Opens connections, sends a piece on each, and holds them all for a while.
fn hold<S: Write>(victim: &Victim, connect: fn(&Victim) -> Option<S>, piece: &[u8]) {
    let mut held = Vec::new();
    for _ in 0..EACH {
        if victim.over() {
            return;
        }
        // Whatever becomes of one that gives way is no matter here.
        held.extend(connect(victim).map(|mut stream| {
            let _ = stream.write_all(piece);
            let _ = stream.flush();
            stream
        }));
    }
    victim.hold(2.0);
}

#[test]
fn leave_good_reviews_and_probes_their_place() {
    for attack in [&HALF_OPEN, &HALF_HEADS, &HALF_BODIES, &UNREAD, &PROBES] {
        attack.short();
    }
}
