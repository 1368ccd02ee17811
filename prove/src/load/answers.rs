//! Whether there is a way to a service yet.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use testkit::http::get;

/// Bounds the wait: ten times what a busy machine takes to route to new pods.
const PATIENCE: Duration = Duration::from_secs(60);

/// Until the way is there: whoever is asked first would be lost for want of a route, not by a rollout.
///
/// # Errors
/// Where it is not there within a minute.
pub fn wait_for_answers(address: SocketAddr, host: &str) -> Result<()> {
    const IN_A_ROW: u32 = 20;
    let begun = Instant::now();
    let mut answers = 0;
    while answers < IN_A_ROW {
        if answers_once(address, host) {
            answers += 1;
        } else {
            answers = 0;
            if begun.elapsed() > PATIENCE {
                bail!("{address} did not answer for {host} within a minute");
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn answers_once(address: SocketAddr, host: &str) -> bool {
    get(address, host, "/", Duration::from_secs(1)).is_ok_and(|answer| answer.status == 200)
}
