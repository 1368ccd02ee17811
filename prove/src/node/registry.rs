//! The registries, as programs beside the node's own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::process::Spec;
use super::{Node, Parts, ground};

/// Where Nacos listens, on the node's own address, so that pods reach it.
pub const NACOS_SERVER: &str = "http://192.0.2.10:8848";

/// Starts Nacos 2.3.1 from its published libraries, as `tests/registries` has prepared them.
///
/// # Errors
///
/// Where it does not come up, with the end of its log.
pub fn start_nacos(node: &mut Node, parts: &Parts, prepared: &Path) -> Result<()> {
    let libraries = prepared.join("nacos2");
    let home = Path::new(ground::HOME).join("nacos");
    fs::create_dir_all(home.join("conf"))?;
    // It insists on the file.
    fs::write(home.join("application.properties"), "")?;
    let home = home.display();
    let libraries = libraries.display();
    // The older hessian that the server brings lacks classes that it uses: the newer one first.
    let path =
        format!("{libraries}/classes:{home}:{libraries}/lib/hessian-4.0.63.jar:{libraries}/lib/*");
    let mut args = vec![
        "-Xmx512m".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        "-cp".to_owned(),
        path,
        format!("-Duser.home={home}"),
        format!("-Dnacos.home={home}"),
        "--add-opens=java.base/java.lang=ALL-UNNAMED".to_owned(),
    ];
    let address = ground::NODE_ADDRESS;
    for (name, value) in [
        ("nacos.standalone", "true"),
        ("server.address", address),
        ("server.port", "8848"),
        ("nacos.server.main.port", "8848"),
        ("server.servlet.context-path", "/nacos"),
        ("nacos.inetutils.ip-address", address),
        ("nacos.remote.grpc.listen.ip", address),
        ("nacos.core.auth.enabled", "false"),
        ("nacos.core.auth.system.type", "nacos"),
    ] {
        args.push(format!("-D{name}={value}"));
    }
    args.push("Nacos2".to_owned());
    let spec = Spec {
        name: "nacos".to_owned(),
        program: "java".into(),
        args,
        env: Vec::new(),
    };
    node.run(parts, &spec)?;
    let address = format!("{address}:8848").parse().context("the address")?;
    node.wait("Nacos", |_| {
        is_ok(address, "/nacos/v1/ns/operator/metrics").unwrap_or(false)
    })
}

fn is_ok(address: SocketAddr, path: &str) -> Result<bool> {
    let second = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, second)?;
    stream.set_read_timeout(Some(second))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"HTTP/1.1 200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_at_the_nodes_address() {
        assert!(NACOS_SERVER.contains(&format!("//{}:", ground::NODE_ADDRESS)));
    }
}
