//! Images made on the spot, from a folder or by a Dockerfile, and handed to containerd; no registry.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use testkit::wait::{PATIENCE, within};

use super::archive::{self, Image};
use super::ground::command;

/// The image of each pod's sandbox.
pub const PAUSE: &str = "prove.local/pause:1";

/// An image of one static binary and nothing else: no shell, no libc.
///
/// # Errors
///
/// Where containerd refuses it.
pub fn import_binary(home: &Path, name: &str, binary: &Path, image: &str) -> Result<()> {
    let root = home.join("images").join(name);
    fs::create_dir_all(&root).with_context(|| format!("making {}", root.display()))?;
    fs::copy(binary, root.join(name))
        .with_context(|| format!("{} is not there", binary.display()))?;
    let image = Image {
        names: vec![image.to_owned()],
        root,
        entrypoint: name.to_owned(),
    };
    import_made(home, image)
}

/// Hands an image to containerd.
///
/// # Errors
///
/// Where containerd refuses it.
pub(super) fn import_made(home: &Path, image: Image) -> Result<()> {
    let file = home.join(format!("{}.tar", image.entrypoint));
    archive::write(&file, &[image])?;
    import(&file)?;
    fs::remove_file(&file).context("removing the archive")
}

/// Builds the Dockerfile in `context` and hands the image to containerd.
///
/// # Errors
///
/// Where buildah or containerd refuse.
pub fn build(home: &Path, context: &Path, options: &[&str], image: &str) -> Result<()> {
    let store = home.join("buildah");
    let (root, run) = (store.join("root"), store.join("run"));
    let (root, run) = (root.display().to_string(), run.display().to_string());
    let buildah = [
        "--root",
        &root,
        "--runroot",
        &run,
        "--storage-driver",
        "vfs",
    ];
    let folder = context.display().to_string();

    let mut args = buildah.to_vec();
    args.extend(["bud", "--quiet", "--isolation", "chroot", "--tag", image]);
    args.extend_from_slice(options);
    args.push(&folder);
    command("buildah", &args)?;

    let archive = store.join("image.tar");
    drop(fs::remove_file(&archive));
    let target = format!("docker-archive:{}:{image}", archive.display());
    let mut args = buildah.to_vec();
    args.extend(["push", "--quiet", image, &target]);
    command("buildah", &args)?;

    import(&archive)?;
    fs::remove_file(&archive).context("removing the archive")
}

fn import(archive: &Path) -> Result<()> {
    let archive = archive.display().to_string();
    ctr(&["images", "import", &archive]).map(drop)
}

fn ctr(args: &[&str]) -> Result<String> {
    // containerd may still be coming up when the first image is there.
    let socket = Path::new("/run/containerd/containerd.sock");
    within(PATIENCE, "containerd", || Ok(socket.exists().then_some(())))?;
    let mut all = vec!["--namespace", "k8s.io"];
    all.extend_from_slice(args);
    command("ctr", &all)
}
