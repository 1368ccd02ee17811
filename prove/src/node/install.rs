//! Installs Silkroll as its users do: the image by the Dockerfile's own last stage, then the
//! commands of the README, as they stand there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use testkit::kubectl::Kubectl;
use testkit::pages;

use super::ground;
use super::image;

/// The image's name in place of the README's example.
const IMAGE: &str = "prove.local/silkroll:1";

/// Where the commands run: the manifests are in there, and the program, in `bin`.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(ground::HOME).join("install")
}

/// Installs it and returns when both replicas serve and API servers reach them.
///
/// # Errors
///
/// Where one of these commands fails, with what it said.
pub fn silkroll(repository: &Path, binary: &Path, kubectl: &Kubectl) -> Result<()> {
    let home = Path::new(ground::HOME);
    build_image(home, repository, binary)?;

    // What commands write goes there and not into the repository.
    let folder = folder();
    fs::create_dir_all(folder.join("bin"))?;
    std::os::unix::fs::symlink(repository.join("manifests"), folder.join("manifests"))?;
    std::os::unix::fs::symlink(binary, folder.join("bin/silkroll"))?;
    let commands = pages::block(repository, "sh install")?;
    run(&with_image(&commands)?, &folder, kubectl)
}

/// Switches `level: pod` on, by the commands of docs/pods.md; [`silkroll`] comes first.
///
/// # Errors
///
/// Where one of them fails, with what it said.
pub fn pods(repository: &Path, kubectl: &Kubectl) -> Result<()> {
    run(
        &pages::block(repository, "sh level-pod")?,
        &folder(),
        kubectl,
    )
}

/// Writes what Silkroll's replicas logged to `silkroll.log`: all decisions are in there.
///
/// # Errors
///
/// Where there are no logs.
pub fn save_log(kubectl: &Kubectl, logs: &Path) -> Result<()> {
    let selector = "--selector=app.kubernetes.io/name=silkroll";
    let all = ["logs", "-n", "silkroll-system", selector, "--tail=-1"];
    let said = kubectl.run(&all, "")?;
    fs::write(logs.join("silkroll.log"), said).context("writing silkroll.log")
}

fn with_image(commands: &str) -> Result<String> {
    let mut found = false;
    let lines: Vec<String> = commands
        .lines()
        .map(|line| {
            if line.starts_with("IMAGE=") {
                found = true;
                format!("IMAGE={IMAGE}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    if !found {
        bail!("the README's commands that install have no line IMAGE=…");
    }
    Ok(lines.join("\n"))
}

fn run(commands: &str, folder: &Path, kubectl: &Kubectl) -> Result<()> {
    let inherited = std::env::var("PATH").unwrap_or_default();
    let path = format!(
        "{}:{}:{inherited}",
        folder.join("bin").display(),
        kubectl.folder().display()
    );
    // The wait at their end is bounded, too, and says more.
    let output = Command::new("timeout")
        .args(["180", "bash", "-euo", "pipefail", "-c", commands])
        .current_dir(folder)
        .env("PATH", path)
        .envs(kubectl.environment())
        .output()
        .context("starting timeout, of coreutils")?;
    if !output.status.success() {
        bail!(
            "these commands of README or docs failed:\n{commands}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// The stages before the last compile, on a base image that would have to be pulled; their result
/// is here already, and goes in as what the last stage copies from.
fn build_image(home: &Path, repository: &Path, binary: &Path) -> Result<()> {
    let dockerfile =
        fs::read_to_string(repository.join("Dockerfile")).context("reading the Dockerfile")?;
    let stage =
        last_stage(&dockerfile).context("the Dockerfile has no stage `FROM scratch AS final`")?;
    let context = home.join("images/silkroll");
    fs::create_dir_all(&context)?;
    fs::write(context.join("Dockerfile"), stage)?;
    fs::copy(binary, context.join("silkroll"))
        .with_context(|| format!("{} is not there: make static", binary.display()))?;
    // As a build in the Dockerfile has it, whatever the umask here was: the image's user is not root.
    fs::set_permissions(context.join("silkroll"), fs::Permissions::from_mode(0o755))?;
    let built = format!("build={}", context.display());
    image::build(home, &context, &["--build-context", &built], IMAGE)
}

fn last_stage(dockerfile: &str) -> Option<&str> {
    let at = dockerfile.find("\nFROM scratch AS final\n")?;
    Some(&dockerfile[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_ours_and_nothing_else_changes() {
        let ours = with_image("IMAGE=registry.example/a:1\nkubectl apply").unwrap();
        assert_eq!(ours, format!("IMAGE={IMAGE}\nkubectl apply"));
        assert!(with_image("kubectl apply").is_err());
    }

    #[test]
    fn the_repository_has_what_is_looked_for() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |name: &str| fs::read_to_string(repository.join(name)).unwrap();
        assert!(with_image(&pages::block(&repository, "sh install").unwrap()).is_ok());
        assert!(pages::block(&repository, "sh level-pod").is_ok());
        let dockerfile = read("Dockerfile");
        let stage = last_stage(&dockerfile).unwrap();
        assert_eq!(stage.matches("FROM ").count(), 1);
        assert!(stage.contains("COPY --from=build /silkroll /silkroll"));
    }
}
