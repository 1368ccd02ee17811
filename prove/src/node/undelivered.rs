//! New connections that kube-proxy's rules let through to a Service's own address, which is nobody's: they are refused
//! right behind, though the Service has endpoints. Nothing that a pod or its stop hook does can lead to that, so they
//! are counted. docs/proof.md says how it comes about.

use anyhow::{Context as _, Result};

use super::ground::command;
use super::programs::SERVICE_RANGE;

/// The table that counts them, beside kube-proxy's own.
const TABLE: &str = "prove";

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
             ip daddr {SERVICE_RANGE} counter name undelivered; }}\n"
        )
    };
    let hooks: Vec<String> = ["output", "forward", "input"].map(chain).into();
    let table = format!(
        "table ip {TABLE} {{\ncounter undelivered {{ }}\n{}}}\n",
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

fn packets(listed: &str) -> Option<u64> {
    let mut words = listed.split_whitespace();
    words.find(|&word| word == "packets")?;
    words.next()?.parse().ok()
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
}
