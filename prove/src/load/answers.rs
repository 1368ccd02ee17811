//! Whether there is a way to a service yet.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

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
        if answers_once(address, host).unwrap_or(false) {
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

fn answers_once(address: SocketAddr, host: &str) -> io::Result<bool> {
    let second = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, second)?;
    stream.set_read_timeout(Some(second))?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
