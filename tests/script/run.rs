//! Runs the hook as a container would: a PATH with chosen tools only, an environment with chosen variables only.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const HOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/leave/hook.sh");

pub(crate) const SHELLS: [(&str, &str); 3] = [
    ("dash", "/bin/dash"),
    ("bash", "/bin/bash"),
    ("busybox ash", "/bin/busybox"),
];

/// Name for the table, name in the PATH, the program.
pub(crate) const CLIENTS: [(&str, &str, &str); 8] = [
    ("curl", "curl", "/usr/bin/curl"),
    ("wget", "wget", "/usr/bin/wget"),
    ("bash", "bash", "/bin/bash"),
    ("perl", "perl", "/usr/bin/perl"),
    ("python3", "python3", "/usr/bin/python3"),
    ("nc", "nc", "/bin/nc.openbsd"),
    ("busybox nc", "nc", "/bin/busybox"),
    ("busybox wget", "wget", "/bin/busybox"),
];

/// A container: its tools and an empty working directory.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) bin: PathBuf,
}

pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) output: String,
    pub(crate) took: Duration,
}

impl Place {
    /// With `sleep`, the shell of that name as `sh`, and the clients named.
    pub(crate) fn new(shell: &str, clients: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        let (_, program) = SHELLS.iter().find(|(name, _)| *name == shell).unwrap();
        link(program, &bin.join("sh"));
        link("/bin/sleep", &bin.join("sleep"));
        for client in clients {
            let (_, name, program) = CLIENTS.iter().find(|(name, ..)| name == client).unwrap();
            link(program, &bin.join(name));
        }
        Self { dir, bin }
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(crate) fn command(&self, env: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.bin.join("sh"));
        command
            .env_clear()
            .env("PATH", &self.bin)
            .env("SILKROLL_LOG", "-")
            .env("SILKROLL_DRAIN_SECONDS", "0")
            .envs(env.iter().copied())
            .current_dir(self.work());
        command
    }

    pub(crate) fn hook(&self, env: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        let mut command = self.command(env);
        command.arg(HOOK).args(arguments);
        finish(command)
    }
}

/// Runs to the end of the output, as the kubelet does, which waits for everybody who holds it.
pub(crate) fn finish(mut command: Command) -> Outcome {
    let begun = Instant::now();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    drop(command);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).unwrap();
    let status = child.wait().unwrap().code();
    Outcome {
        status,
        output: String::from_utf8_lossy(&output).into_owned(),
        took: begun.elapsed(),
    }
}

fn link(program: &str, at: &Path) {
    assert!(
        Path::new(program).exists(),
        "{program} is missing, and the hook's tests need it: apt-get install -y dash busybox curl wget netcat-openbsd perl python3 shellcheck"
    );
    symlink(program, at).unwrap();
}

/// Polls until it holds; the limit only ends a test that would fail anyway.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "never came: {what}"
        );
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
