//! New connections that kube-proxy's rules let through to a Service's own address, which is nobody's: they are refused
//! right behind, though the Service has endpoints. Nothing that a pod or its stop hook does can lead to that, so they
//! are counted, with their times: a lost request can be told to be one of them. docs/proof.md says how it comes about.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result};

use super::ground::command;
use super::programs::SERVICE_RANGE;
use crate::record::{Millis, Undelivered, now_ms};

/// The table that counts them, beside kube-proxy's own.
const TABLE: &str = "prove";
/// A set tells how long it will remember; longer than any run, so that it remembers all.
const REMEMBERED: (&str, Millis) = ("30d", 30 * 24 * 60 * 60 * 1000);

/// Begins to count.
///
/// # Errors
///
/// Where `nft` refuses it.
pub fn watch() -> Result<()> {
    // Between kube-proxy's two looks: before it writes the endpoint's address into the packet (-100), connections to
    // Services without endpoints have been refused (-110); after it (-90), all that is addressed to a Service still.
    let chain = |hook: &str| {
        format!(
            "chain {hook} {{ type filter hook {hook} priority -95; ct state new tcp flags syn / syn,ack \
             ip daddr {SERVICE_RANGE} counter name undelivered add @undelivered {{ ip daddr . tcp dport . tcp sport }}; }}\n"
        )
    };
    let hooks: Vec<String> = ["output", "forward", "input"].map(chain).into();
    let set = format!(
        "set undelivered {{ type ipv4_addr . inet_service . inet_service; size 65535; flags dynamic,timeout; \
         timeout {}; }}\n",
        REMEMBERED.0
    );
    let table = format!(
        "table ip {TABLE} {{\ncounter undelivered {{ }}\n{set}{}}}\n",
        hooks.concat()
    );
    command("nft", &[&table]).map(drop)
}

/// How many there were.
///
/// # Errors
///
/// Where `nft` does not say.
pub fn count() -> Result<u64> {
    let listed = command("nft", &["list", "counter", "ip", TABLE, "undelivered"])?;
    packets(&listed).with_context(|| format!("no count of packets in what nft says: {listed}"))
}

/// Which ones, where a set of 65,535 had room for them.
///
/// # Errors
///
/// Where `nft` does not say.
pub fn seen() -> Result<Vec<Undelivered>> {
    let now = now_ms();
    let listed = command("nft", &["list", "set", "ip", TABLE, "undelivered"])?;
    elements(&listed, now).with_context(|| format!("nft lists connections otherwise: {listed}"))
}

fn packets(listed: &str) -> Option<u64> {
    let mut words = listed.split_whitespace();
    words.find(|&word| word == "packets")?;
    words.next()?.parse().ok()
}

/// `elements = { ADDRESS . PORT . PORT expires TIME, … }`
fn elements(listed: &str, now: Millis) -> Option<Vec<Undelivered>> {
    let Some((_, elements)) = listed.split_once("elements = {") else {
        return Some(Vec::new());
    };
    let (elements, _) = elements.split_once('}')?;
    let element = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [address, ".", port, ".", _, .., "expires", left] = *words else {
            return None;
        };
        let address: Ipv4Addr = address.parse().ok()?;
        let age = REMEMBERED.1.saturating_sub(duration(left)?);
        Some(Undelivered {
            at_ms: now.saturating_sub(age),
            to: SocketAddrV4::new(address, port.parse().ok()?),
        })
    };
    let elements = elements.split(',').map(str::trim);
    elements
        .filter(|text| !text.is_empty())
        .map(element)
        .collect()
}

/// `29d23h59m58s344ms`, any of them left out.
fn duration(text: &str) -> Option<Millis> {
    let mut rest = text;
    let mut sum = 0;
    while !rest.is_empty() {
        let digits = rest.find(|byte: char| !byte.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|byte: char| byte.is_ascii_digit());
        let (unit, behind) = behind.split_at(letters.unwrap_or(behind.len()));
        let millis = match unit {
            "d" => 24 * 60 * 60 * 1000,
            "h" => 60 * 60 * 1000,
            "m" => 60 * 1000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        sum += number.parse::<Millis>().ok()? * millis;
        rest = behind;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_nft_lists() {
        let listed =
            "table ip prove {\n\tcounter undelivered {\n\t\tpackets 17 bytes 1020\n\t}\n}\n";
        assert_eq!(packets(listed), Some(17));
        assert_eq!(packets("table ip prove {\n}\n"), None);
    }

    #[test]
    fn the_connections_are_found_with_their_times() {
        let set = |elements: &str| {
            format!(
                "table ip prove {{\n\tset undelivered {{\n\t\ttype ipv4_addr . inet_service . inet_service\n\t\tsize 65535\n\t\t\
                 flags dynamic,timeout\n\t\ttimeout 30d\n{elements}\t}}\n}}\n"
            )
        };
        let listed = set(
            "\t\telements = { 10.96.0.133 . 80 . 41234 expires 29d23h59m58s344ms,\n\t\t\t     10.96.0.7 . 443 . 5 timeout 30d expires 29d }\n",
        );
        let now = 10_000_000_000;
        let found = elements(&listed, now).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|seen| (seen.at_ms, seen.to.to_string()))
            .collect();
        let day = 24 * 60 * 60 * 1000;
        let [one, other] = [(now - 1656, "10.96.0.133:80"), (now - day, "10.96.0.7:443")];
        assert_eq!(
            found,
            [(one.0, one.1.to_owned()), (other.0, other.1.to_owned())]
        );
        assert_eq!(elements(&set(""), now), Some(Vec::new()));
        let odd = set("\t\telements = { 10.96.0.133 . 80 expires never }\n");
        assert_eq!(elements(&odd, now), None);
    }
}
