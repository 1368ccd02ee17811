//! Ports for programs that have to be told theirs.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::ops::Range;

/// Chosen from these. The kernel gives none of them to whoever asks for any port or connects, as tests do all the time: by
/// default it begins at 32,768. Those from 30,000 on are for Services of a node, and what tests start at its usual port is
/// below (Dubbo: 20,880 and 22,222).
const OURS: Range<u16> = 23_000..30_000;

/// Tries for a port, where some are taken.
const TRIES: usize = 100;

/// Ports of 127.0.0.1 that are free and differ, until a program listens on one of them. That can be another caller of this,
/// who is as likely to choose the same as any other of seven thousand.
///
/// # Errors
///
/// Where there is none.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until all are chosen, so they differ.
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = listen()?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Listens on one of them, for a server of this process. To let a port go and take it again can fail: what another test
/// starts in between has a copy of the listener, until it has become its program.
///
/// # Errors
///
/// Where there is none.
pub fn listen() -> io::Result<TcpListener> {
    let mut taken = io::Error::from(ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        // Seeded by the system anew each time.
        let dice = RandomState::new().build_hasher().finish();
        let at = dice % u64::from(OURS.end - OURS.start);
        let port = OURS.start + u16::try_from(at).unwrap_or_default();
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => taken = error,
        }
    }
    Err(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;

    #[test]
    fn they_are_free_and_differ_and_no_other_caller_is_given_them() {
        let mut ports = free::<50>().unwrap();
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        assert!(ports.iter().all(|port| *port < first), "{ports:?}, {range}");
        for port in ports {
            // What another test starts has a copy of all that is open here, until it has become its program.
            eventually("a port that was let go is free", || {
                TcpListener::bind(("127.0.0.1", port)).ok()
            });
        }
        ports.sort_unstable();
        assert!(ports.windows(2).all(|two| two[0] != two[1]), "{ports:?}");
    }
}
