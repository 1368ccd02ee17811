//! A file system for an image from programs of this machine, each with the libraries it asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Adds a program under its own path, and what it is linked against under theirs.
pub(super) fn add(root: &Path, program: &Path) -> Result<()> {
    copy(root, program)?;
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("starting ldd")?;
    // A static program has none, which ldd calls a failure.
    let text = String::from_utf8_lossy(&output.stdout);
    for library in libraries(&text)? {
        copy(root, &library)?;
    }
    Ok(())
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
    let target = root.join(file.strip_prefix("/").unwrap_or(file));
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::copy(file, &target)
        .with_context(|| format!("copying {}", file.display()))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldds_answer_is_read() {
        let said = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        let expected = ["/lib/libc.so.6", "/lib64/ld.so.2"].map(PathBuf::from);
        assert_eq!(libraries(said).unwrap(), expected);
        assert_eq!(
            libraries("\tstatically linked\n").unwrap(),
            [] as [PathBuf; 0]
        );
        assert!(libraries("\tlibz.so => not found\n").is_err());
    }
}
