//! A file system for an image from programs of this machine, each with the libraries it asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::ground::command;

/// Adds a program under its own path, and what it is linked against under theirs.
pub(super) fn program(root: &Path, program: &Path) -> Result<()> {
    copy(root, program)?;
    libraries_of(root, program)
}

/// Adds what a program or a module is linked against.
pub(super) fn libraries_of(root: &Path, program: &Path) -> Result<()> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("starting ldd")?;
    // A static program has none, which ldd calls a failure.
    let text = String::from_utf8_lossy(&output.stdout);
    for library in libraries(&text).with_context(|| program.display().to_string())? {
        if !place(root, &library).exists() {
            copy(root, &library)?;
        }
    }
    Ok(())
}

/// Adds a folder with all that is in it, or a file.
pub(super) fn tree(root: &Path, folder: &Path) -> Result<()> {
    let target = place(root, folder);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    let (from, to) = (folder.display().to_string(), target.display().to_string());
    command("cp", &["--archive", "--no-target-directory", &from, &to]).map(drop)
}

/// Adds a file with this text.
pub(super) fn text(root: &Path, name: &str, text: &str) -> Result<()> {
    let path = root.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// What is in a folder.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect()
}

/// The files that ldd names.
fn libraries(said: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in said.lines() {
        if line.contains("not found") {
            bail!("a library is missing: {}", line.trim());
        }
        let word = line.split_whitespace().find(|word| word.starts_with('/'));
        found.extend(word.map(PathBuf::from));
    }
    Ok(found)
}

/// With links followed: the image has the file where the program looks for it.
fn copy(root: &Path, file: &Path) -> Result<()> {
    let target = place(root, file);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::copy(file, &target)
        .with_context(|| format!("copying {}", file.display()))
        .map(drop)
}

fn place(root: &Path, file: &Path) -> PathBuf {
    root.join(file.strip_prefix("/").unwrap_or(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldds_answer_is_read() {
        let said = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        let expected = ["/lib/libc.so.6", "/lib64/ld.so.2"].map(PathBuf::from);
        assert_eq!(libraries(said).unwrap(), expected);
        let none: [PathBuf; 0] = [];
        assert_eq!(libraries("\tstatically linked\n").unwrap(), none);
        assert!(libraries("\tlibz.so => not found\n").is_err());
    }
}
