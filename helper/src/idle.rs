//! Waiting, after the drain, until no client holds a connection to the container's ports.

use alloc::vec::Vec;

use crate::attempt::World;
use crate::settings::Settings;
use crate::steps::took;
use crate::text::{cut, number, parse_number};

/// What the kernel lists connections in; the second is missing where it has no IPv6.
const TABLES: [&[u8]; 2] = [b"/proc/net/tcp", b"/proc/net/tcp6"];
/// States of `include/net/tcp_states.h`.
const ESTABLISHED: &[u8] = b"01";
const LISTEN: &[u8] = b"0A";
/// How an IPv6 address begins that is one of IPv4, as it is listed.
const MAPPED: &[u8] = b"0000000000000000FFFF0000";
/// `::1`, as it is listed.
const LOOPBACK: &[u8] = b"00000000000000000000000001000000";

/// Connections that clients hold.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    count: u64,
    /// Where one of them comes from, as it is listed.
    peer: Vec<u8>,
}

/// Waits until no client holds a connection, at most so many seconds. Its ports are those of `SILKROLL_IDLE_PORTS`, or all
/// that are listened on.
pub fn await_idle(world: &dyn World, seconds: u64) {
    const LOOK_MILLIS: u64 = 1000;
    /// A look at thousands takes a while: it may have a fifth of the time.
    const PAUSE_FOR_LOOK: u64 = 4;
    let ports: Vec<u64> = Settings(world)
        .get("SILKROLL_IDLE_PORTS")
        .split(|byte| *byte == b',')
        .filter_map(parse_number)
        .collect();
    let begun = world.now();
    let until = begun + seconds * 1000;
    let mut more = "";
    loop {
        let looked = world.now();
        let Some(held) = look(world, &ports) else {
            world.say(b"idle: not waited for: /proc/net/tcp cannot be read here");
            return;
        };
        let after = took(world, begun);
        if held.count == 0 {
            world.say(&text!("idle: no client holds a connection", more, after));
            return;
        }
        let (count, peer) = (number(held.count), address(&held.peer));
        let now = world.now();
        if now >= until {
            world.say(&text!(
                "idle: clients still hold connections: ",
                count,
                ", one from ",
                peer,
                "; going on",
                after
            ));
            return;
        }
        if more.is_empty() {
            world.say(&text!(
                "idle: clients hold connections: ",
                count,
                ", one from ",
                peer,
                "; waiting for their end, ",
                number(seconds),
                " s at most"
            ));
            more = " any more";
        }
        let pause = LOOK_MILLIS.max((now - looked) * PAUSE_FOR_LOOK);
        world.pause(pause.min(until - now));
    }
}

fn look(world: &dyn World, ports: &[u64]) -> Option<Held> {
    let mut held = Held::default();
    let mut seen = false;
    for name in TABLES {
        if let Some(table) = world.file(name) {
            seen = true;
            count(&table, ports, &mut held);
        }
    }
    seen.then_some(held)
}

/// Adds the established connections of a table that do not come from loopback. Without ports, those to ports that the same
/// table has listeners of, which stand before connections in it.
fn count(table: &[u8], ports: &[u64], held: &mut Held) {
    let mut listened = Vec::new();
    for line in table.split(|byte| *byte == b'\n').skip(1) {
        let mut fields = line
            .split(|byte| *byte == b' ')
            .filter(|field| !field.is_empty());
        let (_, local, remote, state) =
            (fields.next(), fields.next(), fields.next(), fields.next());
        let (Some(local), Some(remote)) = (local, remote) else {
            continue;
        };
        let Some(port) = cut(local, b":").and_then(|(_, port)| hexadecimal(port)) else {
            continue;
        };
        match state {
            Some(LISTEN) => listened.push(port),
            Some(ESTABLISHED) => {
                let ports = if ports.is_empty() { &listened } else { ports };
                let from = remote.split(|byte| *byte == b':').next();
                let from = from.unwrap_or_default();
                if ports.contains(&port) && !is_loopback(from) {
                    held.count += 1;
                    held.peer = from.to_vec();
                }
            }
            _ => {}
        }
    }
}

/// The IPv4 address of eight digits that it is, or that is in it.
fn of_ipv4(listed: &[u8]) -> &[u8] {
    listed.strip_prefix(MAPPED).unwrap_or(listed)
}

fn is_loopback(listed: &[u8]) -> bool {
    let short = of_ipv4(listed);
    // 127.0.0.0/8, the first byte last.
    listed == LOOPBACK || (short.len() == 8 && short.ends_with(b"7F"))
}

/// An address as people write it. Each four bytes are listed as a number, the first byte last.
fn address(listed: &[u8]) -> Vec<u8> {
    let short = of_ipv4(listed);
    let bytes: Vec<u64> = short
        .chunks(8)
        .flat_map(|word| word.chunks(2).rev())
        .map(|byte| hexadecimal(byte).unwrap_or_default())
        .collect();
    if let [a, b, c, d] = *bytes {
        return text!(number(a), ".", number(b), ".", number(c), ".", number(d));
    }
    let mut out = Vec::new();
    for (at, pair) in bytes.chunks(2).enumerate() {
        if at > 0 {
            out.push(b':');
        }
        let group = pair.iter().fold(0, |group, byte| group << 8 | byte);
        push_hexadecimal(&mut out, group);
    }
    out
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let digits = core::str::from_utf8(digits).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// Without zeros before it.
fn push_hexadecimal(out: &mut Vec<u8>, value: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if value >= 16 {
        push_hexadecimal(out, value >> 4);
    }
    out.extend(DIGITS.get((value & 15) as usize));
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::stand_in::Registry;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// Lines as the kernel writes them.
    fn table(rows: &[(&str, &str, &str)]) -> String {
        let mut out = HEAD.to_owned();
        for (at, (local, remote, state)) in rows.iter().enumerate() {
            let rest = "00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 20 0 0 10 -1";
            writeln!(out, "{at:4}: {local} {remote} {state} {rest}").unwrap();
        }
        out
    }

    const CLIENT: &str = "0702000A:C001";
    const POD: &str = "0500F40A:1F90";
    /// 10.244.0.5 to itself as IPv4 in IPv6.
    const POD6: &str = "0000000000000000FFFF00000500F40A:1F90";

    #[test]
    fn connections_of_clients_are_told_from_all_others() {
        let v6 = "B80D0120000000000000000001000000:C001";
        for (rows, ports, count, peer) in [
            (vec![(POD, CLIENT, "01")], "8080", 1, "10.0.2.7"),
            (vec![(POD, CLIENT, "01")], "9090,8080", 1, "10.0.2.7"),
            (vec![(POD, CLIENT, "01")], "9090", 0, ""),
            // It has said, or been told, that it ends; or has not begun.
            (
                vec![
                    (POD, CLIENT, "08"),
                    (POD, CLIENT, "06"),
                    (POD, CLIENT, "04"),
                    (POD, CLIENT, "03"),
                ],
                "8080",
                0,
                "",
            ),
            // A connection of the pod's own to that port of another.
            (
                vec![("0500F40A:C001", "0702000A:1F90", "01")],
                "8080",
                0,
                "",
            ),
            // From loopback, in each writing.
            (
                vec![
                    ("0100007F:1F90", "0100007F:C001", "01"),
                    (POD, "0600007F:C001", "01"),
                    (POD6, "0000000000000000FFFF00000100007F:C001", "01"),
                    (POD6, "00000000000000000000000001000000:C001", "01"),
                ],
                "8080",
                0,
                "",
            ),
            // 127 elsewhere in the address is another network, or another host.
            (vec![(POD, "7F00000A:C001", "01")], "8080", 1, "10.0.0.127"),
            (
                vec![(POD6, "0000000000000000FFFF00000702000A:C001", "01")],
                "8080",
                1,
                "10.0.2.7",
            ),
            (vec![(POD6, v6, "01")], "8080", 1, "2001:db8:0:0:0:0:0:1"),
            // Without ports, those that are listened on.
            (
                vec![
                    ("00000000:1F90", "00000000:0000", "0A"),
                    (POD, CLIENT, "01"),
                    ("0500F40A:C001", "0702000A:1F90", "01"),
                ],
                "",
                1,
                "10.0.2.7",
            ),
            (vec![(POD, CLIENT, "01")], "", 0, ""),
            // What is no line of the kernel's.
            (
                vec![("", "", ""), ("x", "y", "01"), (POD, "", "01")],
                "8080",
                0,
                "",
            ),
        ] {
            let ports: Vec<u64> = ports
                .split(',')
                .filter_map(|port| port.parse().ok())
                .collect();
            let mut held = Held::default();
            super::count(table(&rows).as_bytes(), &ports, &mut held);
            let seen = (held.count, String::from_utf8(address(&held.peer)).unwrap());
            assert_eq!(seen, (count, peer.to_owned()), "{rows:?} {ports:?}");
        }
    }

    /// What is said, and when the waiting ended, in milliseconds.
    fn waited(
        limit: u64,
        files: impl Fn(&str, u64) -> Option<String> + 'static,
    ) -> (Vec<String>, u64) {
        let world = Registry::of_files(&[("SILKROLL_IDLE_PORTS", "8080")], files);
        await_idle(&world, limit);
        (world.said(), world.now())
    }

    #[test]
    fn the_wait_ends_with_the_last_connection_of_either_table() {
        let (said, took) = waited(60, |path, now| match path {
            "/proc/net/tcp" if now < 3000 => {
                Some(table(&[(POD, CLIENT, "01"), (POD, CLIENT, "01")]))
            }
            "/proc/net/tcp6" if now < 7000 => Some(table(&[(POD6, CLIENT, "01")])),
            _ => Some(HEAD.to_owned()),
        });
        assert_eq!(
            said,
            [
                "idle: clients hold connections: 3, one from 10.0.2.7; waiting for their end, 60 s at most",
                "idle: no client holds a connection any more in 7.0 s"
            ]
        );
        assert_eq!(took, 7000);
    }

    #[test]
    fn the_wait_ends_at_its_bound_and_says_what_remains() {
        let (said, took) = waited(5, |_, _| Some(table(&[(POD, CLIENT, "01")])));
        assert_eq!(
            said[1..],
            ["idle: clients still hold connections: 2, one from 10.0.2.7; going on in 5.0 s"]
        );
        assert_eq!(took, 5000);
    }

    #[test]
    fn nothing_is_waited_for_where_nobody_is_there_or_nothing_can_be_seen() {
        let (said, took) = waited(60, |path, _| {
            (path == "/proc/net/tcp").then(|| HEAD.to_owned())
        });
        assert_eq!(
            (said[0].as_str(), took),
            ("idle: no client holds a connection in 0.0 s", 0)
        );
        let (said, took) = waited(60, |_, _| None);
        assert_eq!(
            (said[0].as_str(), took),
            ("idle: not waited for: /proc/net/tcp cannot be read here", 0)
        );
    }
}
