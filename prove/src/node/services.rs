//! The images of the services under load, each in two versions that differ by their name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::archive::Image;
use super::ground::{self, command};
use super::image;
use super::rootfs;

/// What an image has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The service of this crate and nothing else.
    Bare,
    /// The same, and a shell beside it, as most images have; and the load generator, for
    /// clusters in which it has to run in a pod.
    Shell,
    /// nginx, and a shell.
    Nginx,
    /// gunicorn, Python, and a shell.
    Gunicorn,
    /// A Java program with the official client of Nacos, and a shell with curl.
    Nacos,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Shell => "shell",
            Self::Nginx => "nginx",
            Self::Gunicorn => "gunicorn",
            Self::Nacos => "nacos",
        }
    }

    /// Makes the image and hands it to containerd.
    ///
    /// # Errors
    ///
    /// Where a program is not on this machine, or containerd refuses the image.
    pub fn make(self, binaries: &Path, registries: &Path) -> Result<()> {
        let home = Path::new(ground::HOME);
        let image = self.image(&home.join("images"), binaries, registries)?;
        image::import_made(home, image)
    }

    /// What the image is made of, in a folder of its own below `home`.
    ///
    /// # Errors
    ///
    /// Where a program is not on this machine.
    pub fn image(self, home: &Path, binaries: &Path, registries: &Path) -> Result<Image> {
        let root = home.join(self.name());
        fs::create_dir_all(&root).with_context(|| format!("making {}", root.display()))?;
        match self {
            Self::Bare => binary(&root, binaries, "app")?,
            Self::Shell => {
                shell(&root)?;
                binary(&root, binaries, "app")?;
                binary(&root, binaries, "load")?;
            }
            Self::Nginx => {
                shell(&root)?;
                nginx(&root)?;
            }
            Self::Gunicorn => {
                shell(&root)?;
                gunicorn(&root)?;
            }
            Self::Nacos => {
                shell(&root)?;
                nacos(&root, registries)?;
            }
        }
        let name = format!("{HERE}/{}", self.name());
        Ok(Image {
            names: vec![format!("{name}:1"), format!("{name}:2")],
            root,
            entrypoint: "app".to_owned(),
        })
    }
}

/// Where the manifests say that the images are: nowhere that anything could be pulled from.
pub const HERE: &str = "prove.local";

/// The image that has the load generator in it, too.
pub const GENERATOR: &str = "shell:1";

fn binary(root: &Path, binaries: &Path, name: &str) -> Result<()> {
    let from = binaries.join(name);
    fs::copy(&from, root.join(name))
        .with_context(|| format!("{} is not there", from.display()))
        .map(drop)
}

fn shell(root: &Path) -> Result<()> {
    rootfs::program(root, Path::new("/bin/busybox"))
        .context("there is no busybox: apt-get install busybox")?;
    for applet in ["sh", "sleep", "wget", "cat"] {
        symlink("busybox", root.join("bin").join(applet))
            .with_context(|| format!("linking {applet}"))?;
    }
    rootfs::text(root, "etc/passwd", "root:x:0:0:root:/:/bin/sh\n")?;
    rootfs::text(root, "etc/group", "root:x:0:\n")
}

fn nginx(root: &Path) -> Result<()> {
    rootfs::program(root, Path::new("/usr/sbin/nginx"))?;
    let config = include_str!("../../services/nginx.conf");
    rootfs::text(root, "etc/nginx/nginx.conf", config)?;
    // The first KiB goes at once, the others with a second each.
    let kib = usize::try_from(SLOW_NGINX_SECONDS + 1)? * 1024;
    rootfs::text(root, "srv/slow", &"x".repeat(kib))?;
    for folder in ["run", "tmp", "var/lib/nginx", "var/log/nginx"] {
        fs::create_dir_all(root.join(folder))?;
    }
    Ok(())
}

/// How long a slow answer of nginx takes.
pub const SLOW_NGINX_SECONDS: u64 = 3;

fn gunicorn(root: &Path) -> Result<()> {
    rootfs::program(root, Path::new("/usr/bin/python3"))?;
    let python = python_library()?;
    rootfs::tree(root, &python)?;
    // Its modules are linked against libraries that the interpreter itself is not.
    for module in rootfs::files(&python.join("lib-dynload"))? {
        rootfs::libraries_of(root, &module)?;
    }
    let packages = Path::new("/usr/lib/python3/dist-packages");
    for entry in rootfs::files(packages)? {
        let name = entry.file_name().and_then(|name| name.to_str());
        let wanted = ["gunicorn", "pkg_resources", "setuptools"];
        if name.is_some_and(|name| wanted.iter().any(|wanted| name.starts_with(wanted))) {
            rootfs::tree(root, &entry)?;
        }
    }
    rootfs::tree(root, Path::new("/usr/bin/gunicorn"))?;
    fs::create_dir_all(root.join("tmp"))?;
    rootfs::text(root, "srv/wsgi.py", include_str!("../../services/wsgi.py"))
}

fn nacos(root: &Path, registries: &Path) -> Result<()> {
    rootfs::program(root, Path::new("/usr/bin/curl"))?;
    let client = registries.join("client/lib");
    rootfs::text(
        root,
        "App.java",
        include_str!("../../services/nacos/App.java"),
    )?;
    let path = format!("{}/*", client.display());
    let (source, classes) = (root.join("App.java"), root.join("app"));
    let (source, classes) = (source.display().to_string(), classes.display().to_string());
    let options = [
        "-proc:none",
        "-nowarn",
        "-cp",
        &path,
        "-d",
        &classes,
        &source,
    ];
    command("javac", &options)?;
    let jars = root.join("lib/nacos");
    fs::create_dir_all(&jars)?;
    for jar in rootfs::files(&client)? {
        let name = jar.file_name().context("an odd name")?;
        fs::copy(&jar, jars.join(name)).with_context(|| format!("copying {}", jar.display()))?;
    }
    let jre = root.join("jre");
    let output = jre.display().to_string();
    let link = ["--add-modules", MODULES, "--output", &output];
    let leaner = [
        "--strip-java-debug-attributes",
        "--no-man-pages",
        "--no-header-files",
    ];
    command("jlink", &[&link[..], &leaner].concat())?;
    rootfs::libraries_of(root, &jre.join("bin/java"))?;
    for library in rootfs::files(&jre.join("lib"))? {
        if library
            .extension()
            .is_some_and(|extension| extension == "so")
        {
            // Some are for windows and sound, and miss libraries here; nothing of that is used.
            drop(rootfs::libraries_of(root, &library));
        }
    }
    rootfs::libraries_of(root, &jre.join("lib/server/libjvm.so"))?;
    fs::create_dir_all(root.join("tmp"))?;
    Ok(())
}

/// What `jdeps` names for the client, and what it looks up by name.
const MODULES: &str = "java.base,java.desktop,java.logging,java.management,java.naming,\
java.security.jgss,java.sql,java.xml,jdk.httpserver,jdk.management,jdk.unsupported";

/// Where the interpreter that Debian's packages use has its library: `/usr/lib/python3.11` or the like.
fn python_library() -> Result<PathBuf> {
    let program = fs::canonicalize("/usr/bin/python3")
        .context("there is no Python: apt-get install python3 gunicorn")?;
    let name = program.file_name().context("an odd name")?;
    Ok(Path::new("/usr/lib").join(name))
}
