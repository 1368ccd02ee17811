//! What has to be there before the first program of the node starts: mounts, so that nothing is
//! written outside, and a network with an address for the node.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::groups;

/// Everything that the node writes and that no fixed path is expected for.
pub const HOME: &str = "/run/node";

/// The node's name.
pub const NODE_NAME: &str = "node";

/// The node's own address, of a range that is set aside for documentation (RFC 5737): it is
/// no machine's, and seen in the enclosure only.
pub const NODE_ADDRESS: &str = "192.0.2.10";

/// The pods' range; none of it leaves the enclosure.
pub const POD_RANGE: &str = "10.244.0.0/24";

/// Settings of the kernel that are in no namespace, and the values that the kubelet writes to them at
/// its start. It reads these first, and where they are right it writes nothing.
const KERNEL: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Lays it. `out`, an absolute path, is the one folder that stays what it is outside.
///
/// # Errors
///
/// Where a command fails; with what it said.
pub fn lay(out: &Path) -> Result<()> {
    // Opened before the mounts, for one of them may hide it.
    let opened = File::open(out).with_context(|| format!("opening {}", out.display()))?;
    // /run holds sockets and names of network namespaces: the outer ones are no use here.
    command("mount", &["-t", "tmpfs", "-o", "mode=755", "node", "/run"])?;
    for folder in ["upper", "work"] {
        fs::create_dir_all(format!("/run/var/{folder}")).context("making /run/var")?;
    }
    fs::create_dir_all(HOME).with_context(|| format!("making {HOME}"))?;
    // What is under /var stays readable; what kubelet and the CNI plugins write at their fixed
    // paths below it lands on the tmpfs.
    let layers = "lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work";
    command("mount", &["-t", "overlay", "-o", layers, "node", "/var"])?;
    bring_back(&opened, out)?;
    own_kernel_settings()?;
    groups::make()?;

    command("ip", &["link", "set", "lo", "up"])?;
    // A bridge without a port: there is no dummy device in every kernel.
    command("ip", &["link", "add", "node0", "type", "bridge"])?;
    let address = format!("{NODE_ADDRESS}/24");
    command("ip", &["address", "add", &address, "dev", "node0"])?;
    command("ip", &["link", "set", "node0", "up"])?;
    // Without a route the node has no address of its own in the eyes of kubelet and kube-proxy.
    command("ip", &["route", "add", "default", "dev", "node0"])?;
    let forward = "/proc/sys/net/ipv4/ip_forward";
    fs::write(forward, "1").with_context(|| format!("writing {forward}"))?;
    Ok(())
}

/// Puts a folder back in its place, wherever mounts have hidden it.
fn bring_back(opened: &File, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // Only by its descriptor can it still be reached: what the link says is the path that is hidden.
    let link = format!("/proc/{}/fd/{}", std::process::id(), opened.as_raw_fd());
    let (here, folder) = (link.as_str(), folder.display().to_string());
    command("mount", &["--no-canonicalize", "--bind", here, &folder]).map(drop)
}

/// Files of the node's own in place of the machine's settings: it may write what it likes.
fn own_kernel_settings() -> Result<()> {
    let folder = Path::new(HOME).join("kernel");
    for (name, value) in KERNEL {
        let own = folder.join(name);
        let parent = own.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        fs::write(&own, format!("{value}\n"))
            .with_context(|| format!("writing {}", own.display()))?;
        let own = own.display().to_string();
        command("mount", &["--bind", &own, &format!("/proc/sys/{name}")])?;
    }
    Ok(())
}

/// Runs a command; an error has what it said.
///
/// # Errors
///
/// Where it cannot be started or fails.
pub fn command(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        bail!(
            "`{program} {}` failed ({}): {}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
