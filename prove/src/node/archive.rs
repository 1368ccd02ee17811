//! An archive with images in it, in the layout of `docker save`, which containerd, Docker, kind and k3d
//! take. Made with tar alone, so that it needs no root, no daemon and no registry.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::ground::command;

/// An image of one layer.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its names, versions included.
    pub names: Vec<String>,
    /// The folder with what is in it.
    pub root: PathBuf,
    /// What it starts, in the root folder.
    pub entrypoint: String,
}

/// Writes them into one archive, using a folder beside it.
///
/// # Errors
///
/// Where a folder cannot be read or written.
pub fn write(archive: &Path, images: &[Image]) -> Result<()> {
    let folder = archive.with_extension("parts");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut manifest = Vec::new();
    for image in images {
        manifest.push(add(&folder, image)?);
    }
    fs::write(folder.join("manifest.json"), json!(manifest).to_string())?;
    tar(&folder, archive)?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
}

/// Layer and configuration, each by the hash of its content; gives its line of the manifest.
fn add(folder: &Path, image: &Image) -> Result<Value> {
    let part = folder.join("part");
    tar(&image.root, &part)?;
    let layer = hash(&part)?;
    fs::rename(&part, folder.join(format!("{layer}.tar")))?;
    fs::write(&part, config(image, &layer).to_string())?;
    let config = hash(&part)?;
    fs::rename(&part, folder.join(format!("{config}.json")))?;
    Ok(json!({
        "Config": format!("{config}.json"),
        "RepoTags": image.names,
        "Layers": [format!("{layer}.tar")],
    }))
}

fn config(image: &Image, layer: &str) -> Value {
    let architecture = architecture();
    json!({
        "architecture": architecture, "os": "linux",
        "config": {
            "Entrypoint": [format!("/{}", image.entrypoint)],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
    })
}

/// What the binaries were built for, as images and nodes call it.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The same bytes for the same content, whoever makes it. By name and not as `.`, for some who read an
/// archive look for `manifest.json` and do not find `./manifest.json`.
fn tar(folder: &Path, archive: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let name = entry?.file_name();
        names.push(name.to_str().context("an odd name")?.to_owned());
    }
    names.sort();
    let (folder, archive) = (folder.display().to_string(), archive.display().to_string());
    let mut args = vec!["--create", "--sort=name", "--format=gnu"];
    args.extend(["--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]);
    args.extend(["--file", &archive, "--directory", &folder, "--"]);
    args.extend(names.iter().map(String::as_str));
    command("tar", &args).map(drop)
}

fn hash(file: &Path) -> Result<String> {
    let said = command("sha256sum", &[&file.display().to_string()])?;
    let hash = said.split_whitespace().next();
    hash.map(str::to_owned).context("sha256sum printed nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_names_its_images_and_is_the_same_again() {
        let folder = std::env::temp_dir().join(format!("archive-{}", std::process::id()));
        let root = folder.join("root");
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("app"), "an app").unwrap();
        let image = Image {
            names: vec!["prove.local/a:1".to_owned(), "prove.local/a:2".to_owned()],
            root,
            entrypoint: "app".to_owned(),
        };
        let make = |name: &str| {
            let archive = folder.join(name);
            write(&archive, std::slice::from_ref(&image)).unwrap();
            archive
        };
        let (one, other) = (make("one.tar"), make("other.tar"));
        assert_eq!(fs::read(&one).unwrap(), fs::read(other).unwrap());

        let unpacked = folder.join("unpacked");
        fs::create_dir_all(&unpacked).unwrap();
        let paths = [&one, &unpacked].map(|path| path.display().to_string());
        let args = ["--extract", "--file", &paths[0], "--directory", &paths[1]];
        command("tar", &args).unwrap();
        let read = |name: &str| -> Value {
            serde_json::from_slice(&fs::read(unpacked.join(name)).unwrap()).unwrap()
        };
        let manifest = read("manifest.json");
        assert_eq!(manifest[0]["RepoTags"], json!(image.names));
        let config = read(manifest[0]["Config"].as_str().unwrap());
        assert_eq!(config["config"]["Entrypoint"], json!(["/app"]));
        let layer = unpacked.join(manifest[0]["Layers"][0].as_str().unwrap());
        let id = format!("sha256:{}", hash(&layer).unwrap());
        assert_eq!(config["rootfs"]["diff_ids"], json!([id]));
        fs::remove_dir_all(&folder).unwrap();
    }
}
