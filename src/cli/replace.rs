//! Files that get another text: whole or not at all, with the same owner and permissions, and without losing what
//! somebody else wrote meanwhile.
//!
//! The new text is written beside the file and takes its name then. Where that would change more than the text, the file
//! is refused. Editors write into the file itself there (Vim's `backupcopy=auto`, Emacs), as gofmt and prettier always
//! do, and `sed -i` parts hard links without a word: the first loses a text that could not be written to its end.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::input::{self, Input};

/// Readable by nobody else while it is written: what it replaces may be a secret.
const PRIVATE: u32 = 0o600;
/// What a new file may be, before the umask.
const PUBLIC: u32 = 0o666;
/// The bits of a mode that are permissions.
const BITS: u32 = 0o7777;

/// A file that exists, by its own name: links to it stay links.
#[derive(Debug)]
struct RealFile {
    real: PathBuf,
    metadata: Metadata,
}

impl RealFile {
    fn of(path: &Path) -> io::Result<Self> {
        let real = path.canonicalize()?;
        let metadata = std::fs::metadata(&real)?;
        Ok(Self { real, metadata })
    }

    /// Whether it is the same file still, and nobody has given it to another or another mode.
    fn is(&self, other: &Self) -> bool {
        let parts = |of: &Self| {
            let metadata = &of.metadata;
            let file = (metadata.dev(), metadata.ino());
            (file, metadata.uid(), metadata.gid(), metadata.mode())
        };
        self.real == other.real && parts(self) == parts(other)
    }
}

fn cannot(name: &str) -> String {
    format!("{name} cannot be written")
}

/// Whether an input can get another text.
///
/// # Errors
/// It holds something else by now, has further names (hard links), leads out of the folder that it was found in, or is not
/// to be written to.
pub fn check(input: &Input) -> anyhow::Result<()> {
    target(input).map(drop)
}

fn target(input: &Input) -> anyhow::Result<RealFile> {
    let name = &input.name;
    let target = RealFile::of(&input.path).with_context(|| cannot(name))?;
    if let Some(folder) = &input.folder {
        let folder = folder.canonicalize().with_context(|| cannot(name))?;
        ensure!(
            target.real.starts_with(folder),
            "{name} is a link that leads out of the folder, and was not written: name the file that it leads to"
        );
    }
    one_name(name, &target)?;
    // A new name asks the folder alone.
    let opened = OpenOptions::new().write(true).open(&target.real);
    opened.with_context(|| cannot(name))?;
    unchanged(input, &target)?;
    Ok(target)
}

fn one_name(name: &str, target: &RealFile) -> anyhow::Result<()> {
    let names = target.metadata.nlink();
    ensure!(
        names < 2,
        "{name} has {names} names (hard links), which a new text would part, and was not written: copy it to a file of its own"
    );
    Ok(())
}

fn unchanged(input: &Input, target: &RealFile) -> anyhow::Result<()> {
    let name = &input.name;
    let now = RealFile::of(&input.path).with_context(|| cannot(name))?;
    ensure!(
        now.is(target) && input::file(&target.real)? == *input.bytes(),
        "{name} was changed after it was read, and was not written: run it again"
    );
    Ok(())
}

/// Gives an input another text.
///
/// # Errors
/// As [`check`], or it cannot be written, or its owner or group cannot be kept. The file is as it was then.
pub fn replace(input: &Input, bytes: &[u8]) -> anyhow::Result<()> {
    let target = target(input)?;
    // Between the last look and the new name lies no more than that.
    put(&input.name, &target.real, Some(&target), bytes, || {
        unchanged(input, &target)
    })
}

/// Writes a file, which may be there already, whatever it holds.
///
/// # Errors
/// It cannot be written, is no file, or is one whose names or owner cannot be kept. What is there is as it was then.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = input::name(path);
    let target = match RealFile::of(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return put(&name, path, None, bytes, || Ok(()));
        }
        Err(error) => return Err(error).with_context(|| cannot(&name)),
    };
    if !target.metadata.is_file() {
        let what = if target.metadata.is_dir() {
            "a folder"
        } else {
            "a device, socket or named pipe"
        };
        bail!("{name} cannot be written: it is {what}; expected is a file");
    }
    one_name(&name, &target)?;
    put(&name, &target.real, Some(&target), bytes, || Ok(()))
}

/// Writes beside a path what is to have its name, as the file that is there has it. `last` is asked when all is written.
fn put(
    name: &str,
    path: &Path,
    target: Option<&RealFile>,
    bytes: &[u8],
    last: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mode = if target.is_some() { PRIVATE } else { PUBLIC };
    let (mut file, beside) = create(path, mode).with_context(|| cannot(name))?;
    let written = file.write_all(bytes).with_context(|| cannot(name));
    let written = written
        .and_then(|()| match target {
            Some(target) => like(name, &file, &target.metadata),
            None => Ok(()),
        })
        .and_then(|()| file.sync_all().with_context(|| cannot(name)))
        .and_then(|()| last())
        .and_then(|()| std::fs::rename(&beside, path).with_context(|| cannot(name)));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// A new file in the folder of a path, for this process alone.
fn create(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    // Of a process that was killed, and had this number.
    const LEFT: u32 = 100;
    let mut number = 0;
    loop {
        let beside = path.with_file_name(format!(".silkroll-{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        match options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)
        {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < LEFT => {
                number += 1;
            }
            opened => return opened.map(|file| (file, beside)),
        }
    }
}

/// Gives a file owner, group and permissions of another one.
fn like(name: &str, file: &File, other: &Metadata) -> anyhow::Result<()> {
    let own = file.metadata().with_context(|| cannot(name))?;
    let differs = |own: u32, other: u32| (own != other).then_some(other);
    let (user, group) = (
        differs(own.uid(), other.uid()),
        differs(own.gid(), other.gid()),
    );
    if user.or(group).is_some() {
        fchown(file, user, group).with_context(|| {
            format!(
                "{name} belongs to user {} and group {}, which cannot be kept, and was not written",
                other.uid(),
                other.gid()
            )
        })?;
    }
    // After the owner, for a change of that takes some of them away.
    let permissions = Permissions::from_mode(other.mode() & BITS);
    file.set_permissions(permissions)
        .with_context(|| cannot(name))
}
