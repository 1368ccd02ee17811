//! Crowds that hold connections without need.

use std::io::Write;

use crate::harness::{Attack, Victim};

/// Connections of each of the eight that strike: more than there are places.
const EACH: usize = 90;

pub(crate) const HALF_OPEN: Attack = Attack {
    name: "half-open",
    what: "720 connections that stop in the TLS handshake, opened again every two seconds",
    flags: &[],
    strikers: 8,
    strike: |victim, _| {
        // The start of a TLS record that announces 512 bytes.
        hold(victim, || victim.connect_tcp(), &[0x16, 3, 1, 2, 0, 1]);
    },
};

pub(crate) const HALF_HEADS: Attack = Attack {
    name: "half-heads",
    what: "720 connections with half a head",
    flags: &[],
    strikers: 8,
    strike: |victim, _| {
        hold(
            victim,
            || victim.connect(),
            b"POST /mutate HTTP/1.1\r\nHost: ",
        );
    },
};

pub(crate) const HALF_BODIES: Attack = Attack {
    name: "half-bodies",
    what: "720 connections with half a body",
    flags: &[],
    strikers: 8,
    strike: |victim, _| {
        hold(
            victim,
            || victim.connect(),
            b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{",
        );
    },
};

pub(crate) const UNREAD: Attack = Attack {
    name: "unread-heads",
    what: "720 connections that were answered and do not read it",
    flags: &[],
    strikers: 8,
    strike: |victim, _| {
        hold(
            victim,
            || victim.connect(),
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        );
    },
};

pub(crate) const PROBES: Attack = Attack {
    name: "admin-port",
    what: "720 connections with half a head at the port of the probes",
    flags: &[],
    strikers: 8,
    strike: |victim, _| {
        hold(
            victim,
            || victim.connect_admin(),
            b"GET /livez HTTP/1.1\r\nHost: ",
        );
    },
};

/// Opens connections, sends a piece on each, and holds them all for a while.
fn hold<S: Write>(victim: &Victim, connect: impl Fn() -> Option<S>, piece: &[u8]) {
    let mut held = Vec::new();
    for _ in 0..EACH {
        if victim.over() {
            return;
        }
        // Whatever becomes of one that gives way is no matter here.
        held.extend(connect().map(|mut stream| {
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
