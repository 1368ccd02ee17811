//! Ports for programs that have to be told theirs.

use std::io;
use std::net::TcpListener;

/// Ports of 127.0.0.1 that are free and differ. Until it is listened on, another process can take one.
///
/// # Errors
///
/// Where there is none.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until all are chosen, so they differ.
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
