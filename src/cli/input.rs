//! Files that are read whole: bounded, and only what ends.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context as _, bail, ensure};

use crate::manifest;

/// What one input may hold: several times the largest document that is read (32 MiB), and far from a machine's memory.
pub const MOST_BYTES: u64 = 256 << 20;

/// What all inputs may hold that are held at once: a Namespace in one holds for what is in another.
const MOST_TOGETHER: u64 = 1 << 30;

/// Where programs find what a shell hands them as a pipe: standard input, and `<(…)`.
const HANDED: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// The device number of `/dev/null` on Linux: major 1, minor 3.
const NULL: u64 = 0x103;

/// File systems whose files the kernel makes up as they are read: some wait for what happens next, as `/proc/kmsg` does,
/// and all say that they are regular.
const MADE_UP: [&str; 4] = ["proc", "sysfs", "tracefs", "debugfs"];

/// One input.
#[derive(Debug)]
pub struct Input {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The folder that it was found in, where it was not named itself.
    pub folder: Option<PathBuf>,
    /// What the report calls it: no path, for bytes of a name may be no text.
    pub name: String,
    /// What it holds, as the readers of manifests take it.
    pub text: Vec<u8>,
}

impl Input {
    fn new(path: PathBuf, folder: Option<&Path>, name: String, bytes: Vec<u8>) -> Self {
        let text = match manifest::as_text(&bytes) {
            Cow::Owned(text) => Some(text),
            Cow::Borrowed(_) => None,
        };
        Self {
            path,
            folder: folder.map(Path::to_owned),
            name,
            text: text.unwrap_or(bytes),
        }
    }

    /// What it holds, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match std::str::from_utf8(&self.text) {
            Ok(text) => manifest::restored(text),
            Err(_) => Cow::Borrowed(&self.text),
        }
    }
}

/// A path as text, each byte that is none as `\xff`: two files have two names.
#[must_use]
pub fn name(path: &Path) -> String {
    let mut name = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        name.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing into a String cannot fail.
            let _ = write!(name, "\\x{byte:02x}");
        }
    }
    name
}

/// Reads a file.
///
/// # Errors
/// It cannot be read, holds more than [`MOST_BYTES`], or is a device, a named pipe or one of the kernel's files, which may
/// never end.
pub fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = name(path);
    let context = || format!("{name} cannot be read");
    let handed = HANDED.iter().any(|place| {
        path.as_os_str()
            .as_encoded_bytes()
            .starts_with(place.as_bytes())
    });
    let metadata = std::fs::metadata(path).with_context(context)?;
    // Before it is opened: opening a named pipe waits for whoever writes to it.
    if !metadata.is_file() && !handed {
        let what = if metadata.is_dir() {
            "a folder"
        } else {
            "a device, socket or named pipe, which may never end"
        };
        bail!("{name} cannot be read: it is {what}; {EXPECTED}");
    }
    whole(File::open(path).with_context(context)?, &name)
}

/// Reads standard input.
///
/// # Errors
/// As [`file()`]. A pipe, a socket and a terminal end when whoever is at the other end ends them.
pub fn standard() -> anyhow::Result<Vec<u8>> {
    let name = "standard input";
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = input.with_context(|| format!("{name} cannot be read"))?;
    whole(input.into(), name)
}

/// The inputs under a path, in the order of their paths. `-` is standard input. What they hold is added to `together`.
///
/// # Errors
/// As [`file()`] and [`standard()`]; a folder holds none, or all of them hold more than a GiB.
pub fn all(path: &Path, recursive: bool, together: &mut u64) -> anyhow::Result<Vec<Input>> {
    let mut room = |name: &str, bytes: &[u8]| -> anyhow::Result<()> {
        *together += bytes.len() as u64;
        ensure!(
            *together <= MOST_TOGETHER,
            "{name} cannot be read: with it all inputs hold more than {} MiB, the most that is read at once: name fewer",
            MOST_TOGETHER >> 20
        );
        Ok(())
    };
    if path == Path::new("-") {
        let name = "standard input".to_owned();
        let bytes = standard()?;
        room(&name, &bytes)?;
        return Ok(vec![Input::new(path.to_owned(), None, name, bytes)]);
    }
    let mut files = Vec::new();
    let folder = path.is_dir().then_some(path);
    if folder.is_some() {
        list(path, recursive, &mut files)?;
        if files.is_empty() {
            bail!(
                "{} holds no .yaml, .yml or .json files{}",
                name(path),
                if recursive {
                    ""
                } else {
                    "; -R looks into subfolders, too"
                }
            );
        }
    } else {
        files.push(path.to_owned());
    }
    files
        .into_iter()
        .map(|file| {
            let bytes = self::file(&file)?;
            let name = name(&file);
            room(&name, &bytes)?;
            Ok(Input::new(file, folder, name, bytes))
        })
        .collect()
}

fn list(folder: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let context = || format!("{} cannot be listed", name(folder));
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(context)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()
        .with_context(context)?;
    entries.sort();
    for entry in entries {
        // A link to a folder could lead in circles.
        if entry.is_dir() && !entry.is_symlink() {
            if recursive {
                list(&entry, recursive, files)?;
            }
        } else if entry
            .extension()
            .is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
        {
            files.push(entry);
        }
    }
    Ok(())
}

const EXPECTED: &str = "expected is a file, or - for standard input";

fn whole(input: File, name: &str) -> anyhow::Result<Vec<u8>> {
    let context = || format!("{name} cannot be read");
    let metadata = input.metadata().with_context(context)?;
    if let Some(what) = endless(&metadata).filter(|_| !input.is_terminal()) {
        bail!("{name} cannot be read: it is {what}, which may never end; {EXPECTED}");
    }
    if metadata.is_file() && metadata.len() > MOST_BYTES {
        return Err(too_much(name));
    }
    let mut bytes = Vec::new();
    input
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(context)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(too_much(name));
    }
    Ok(bytes)
}

/// What is open here, where it may never end.
fn endless(metadata: &Metadata) -> Option<&'static str> {
    /// Read once: a folder may have thousands of files.
    static MOUNTS: LazyLock<String> =
        LazyLock::new(|| std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    if metadata.file_type().is_char_device() && metadata.rdev() != NULL {
        return Some("a device");
    }
    (metadata.is_file() && is_made_up(metadata.dev(), &MOUNTS))
        .then_some("a file that the kernel makes up")
}

/// Whether a file on this device is on one of [`MADE_UP`], by the text of `/proc/PID/mountinfo`.
fn is_made_up(device: u64, mounts: &str) -> bool {
    // As glibc's major() and minor() take it apart.
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let number = format!("{major}:{minor}");
    mounts.lines().any(|line| {
        let kind = line.split_once(" - ").map(|(_, rest)| rest);
        let kind = kind.and_then(|rest| rest.split(' ').next());
        line.split(' ').nth(2) == Some(&number) && kind.is_some_and(|kind| MADE_UP.contains(&kind))
    })
}

fn too_much(name: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{name} holds more than {} MiB, the most that is read of one input: split it",
        MOST_BYTES >> 20
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_inputs_together_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "b.yaml"] {
            std::fs::write(folder.path().join(name), "12").unwrap();
        }
        let mut together = MOST_TOGETHER - 4;
        assert_eq!(all(folder.path(), false, &mut together).unwrap().len(), 2);
        let mut together = MOST_TOGETHER - 3;
        let error = all(folder.path(), false, &mut together).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("b.yaml cannot be read: with it all inputs hold more than 1024 MiB"),
            "{error}"
        );
    }

    #[test]
    fn the_kernels_files_are_told_by_the_file_system_that_they_are_on() {
        let mounts = "22 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw\n\
                      30 28 259:2 / /data - - rw shared:1 - ext4 /dev/sda rw\n\
                      31 28 0:300 / /sys/kernel/tracing rw - tracefs tracefs rw\n";
        for (device, expected) in [
            (20, true),
            ((259 << 8) | 2, false),
            ((1 << 20) | 0x2c, true),
            (21, false),
        ] {
            assert_eq!(is_made_up(device, mounts), expected, "{device}");
        }
    }
}
