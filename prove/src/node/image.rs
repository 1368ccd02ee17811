//! Images made on the spot: from nothing and a static binary, or by a Dockerfile; no registry.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::ground::command;

/// The image of each pod's sandbox.
pub const PAUSE: &str = "prove.local/pause:1";

/// An image of one static binary and nothing else: no shell, no libc.
///
/// # Errors
///
/// Where buildah or containerd refuse.
pub fn import_binary(home: &Path, name: &str, binary: &Path, image: &str) -> Result<()> {
    let context = home.join("images").join(name);
    fs::create_dir_all(&context).with_context(|| format!("making {}", context.display()))?;
    fs::copy(binary, context.join(name))
        .with_context(|| format!("{} is not there", binary.display()))?;
    let dockerfile = format!("FROM scratch\nCOPY {name} /{name}\nENTRYPOINT [\"/{name}\"]\n");
    fs::write(context.join("Dockerfile"), dockerfile)?;
    build(home, &context, &[], image)
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

/// A second name for an image that is there, as a new version of a service would have.
pub(super) fn tag(image: &str, other: &str) -> Result<()> {
    ctr(&["images", "tag", image, other]).map(drop)
}

fn import(archive: &Path) -> Result<()> {
    let archive = archive.display().to_string();
    ctr(&["images", "import", &archive]).map(drop)
}

/// containerd may still be coming up when the first image is there.
const PATIENCE: Duration = Duration::from_secs(60);

fn ctr(args: &[&str]) -> Result<String> {
    let socket = Path::new("/run/containerd/containerd.sock");
    let begun = Instant::now();
    while !socket.exists() {
        if begun.elapsed() > PATIENCE {
            bail!("containerd does not listen at {}", socket.display());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut all = vec!["--namespace", "k8s.io"];
    all.extend_from_slice(args);
    command("ctr", &all)
}
