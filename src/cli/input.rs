//! Files that are read whole: bounded, and only what ends.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail};

/// What one input may hold: several times the largest document that is read (32 MiB), and far from a machine's memory.
pub const MOST_BYTES: u64 = 256 << 20;

/// Where programs find what a shell hands them as a pipe: standard input, and `<(…)`.
const HANDED: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// Reads a file.
///
/// # Errors
/// It cannot be read, holds more than [`MOST_BYTES`], or is a device or named pipe, which may never end.
pub fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let context = || format!("{} cannot be read", path.display());
    let handed = HANDED.iter().any(|place| {
        path.as_os_str()
            .as_encoded_bytes()
            .starts_with(place.as_bytes())
    });
    let metadata = std::fs::metadata(path).with_context(context)?;
    if !metadata.is_file() && !handed {
        let what = if metadata.is_dir() {
            "a folder"
        } else {
            "a device, socket or named pipe, which may never end"
        };
        bail!(
            "{} cannot be read: it is {what}; expected is a file, or - for standard input",
            path.display()
        );
    }
    let name = path.display().to_string();
    if metadata.is_file() && metadata.len() > MOST_BYTES {
        return Err(too_much(&name));
    }
    bounded(std::fs::File::open(path).with_context(context)?, &name)
}

/// Reads standard input.
///
/// # Errors
/// It cannot be read, or holds more than [`MOST_BYTES`].
pub fn standard() -> anyhow::Result<Vec<u8>> {
    bounded(std::io::stdin().lock(), "standard input")
}

fn bounded(input: impl Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{name} cannot be read"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(too_much(name));
    }
    Ok(bytes)
}

fn too_much(name: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{name} holds more than {} MiB, the most that is read of one input: split it",
        MOST_BYTES >> 20
    )
}
