//! Runs the hook as a container would: a PATH with chosen tools only, an environment with chosen variables only.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::wait::over;

pub(crate) const HOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/deregister/hook.sh");

/// The helper, for images without a shell, as it is built for this machine.
pub(crate) const HELPER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/deregister/helper/hook-amd64"
);

/// How the hook is run.
#[derive(Clone, Copy)]
pub(crate) enum Runner {
    /// `PROGRAM hook.sh stop …`, in the container as `sh`.
    Shell(&'static str),
    /// `PROGRAM stop …`, to the same contract and with nothing of the container's.
    Program(&'static str),
}

/// Each is proved by the same tests.
pub(crate) const SHELLS: [(&str, Runner); 4] = [
    ("dash", Runner::Shell("/bin/dash")),
    ("bash", Runner::Shell("/bin/bash")),
    ("busybox ash", Runner::Shell("/bin/busybox")),
    ("helper", Runner::Program(HELPER)),
];

/// Name for the table, name in the PATH, the program.
pub(crate) const CLIENTS: [(&str, &str, &str); 12] = [
    ("curl", "curl", "/usr/bin/curl"),
    ("wget", "wget", "/usr/bin/wget"),
    ("bash", "bash", "/bin/bash"),
    ("perl", "perl", "/usr/bin/perl"),
    ("php", "php", "/usr/bin/php"),
    ("python3", "python3", "/usr/bin/python3"),
    ("node", "node", "/usr/bin/node"),
    ("nc.openbsd", "nc", "/bin/nc.openbsd"),
    ("nc.traditional", "nc", "/bin/nc.traditional"),
    ("ncat", "ncat", "/usr/bin/ncat"),
    ("busybox nc", "nc", "/bin/busybox"),
    ("busybox wget", "wget", "/bin/busybox"),
];

/// Sends GET and POST only.
pub(crate) const NO_PUT: &str = "busybox wget";

/// The HTTP clients that a runner can be given: a program brings its own.
pub(crate) fn clients(shell: &str) -> Vec<&'static str> {
    match runner(shell) {
        Runner::Shell(_) => CLIENTS.iter().map(|(client, ..)| *client).collect(),
        Runner::Program(_) => vec!["its own"],
    }
}

/// Every runner with every client.
pub(crate) fn pairs() -> Vec<(&'static str, &'static str)> {
    SHELLS
        .iter()
        .flat_map(|(shell, _)| clients(shell).into_iter().map(|client| (*shell, client)))
        .collect()
}

/// Every client once, in dash, and every runner that is a program.
pub(crate) fn each_client() -> Vec<(&'static str, &'static str)> {
    pairs()
        .into_iter()
        .filter(|(shell, _)| *shell == "dash" || matches!(runner(shell), Runner::Program(_)))
        .collect()
}

fn runner(shell: &str) -> Runner {
    SHELLS.iter().find(|(name, _)| *name == shell).unwrap().1
}

/// A container: its tools and an empty working directory.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) bin: PathBuf,
    runner: Runner,
}

/// What the contract gives the hook over its budget.
pub(crate) const SPARE: Duration = Duration::from_secs(2);

/// After this a start hook goes on in a process of its own, which says nothing.
pub(crate) const START: Duration = Duration::from_secs(3);

pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) output: String,
    /// By the clock, for what may not be shorter.
    pub(crate) took: Duration,
    /// Beyond the budget it was given, for what may not be longer: not by the clock, see [`over`].
    pub(crate) over: Duration,
}

impl Outcome {
    /// What a start says, where it came to its end in its own time.
    pub(crate) fn says_at_start(&self, words: &str) -> bool {
        self.output.contains(words) || (self.output.is_empty() && self.took >= START)
    }

    /// What it says that it tried until its bound came, of one that ran by [`Place::hook_to_its_bound`]. It gives up where
    /// the bound leaves it no time for another try; a slow machine may be in the middle of one then, and its words are lost.
    pub(crate) fn says_at_its_bound(&self, words: &str) -> bool {
        let slow = self.took > self.over * 5 / 4;
        self.output.contains(words) || (slow && self.output.contains(": not done within "))
    }
}

impl Place {
    /// With `sleep`, the shell of that name as `sh`, and the clients named.
    pub(crate) fn new(shell: &str, clients: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self {
            bin: dir.path().join("bin"),
            runner: runner(shell),
            dir,
        };
        std::fs::create_dir(&place.bin).unwrap();
        std::fs::create_dir(place.work()).unwrap();
        place.add("/bin/sleep", "sleep");
        match place.runner {
            Runner::Shell(program) => {
                place.add(program, "sh");
                for client in clients {
                    let (_, name, program) =
                        CLIENTS.iter().find(|(name, ..)| name == client).unwrap();
                    place.add(program, name);
                }
            }
            // For the own hooks and the launchers.
            Runner::Program(_) => place.add("/bin/dash", "sh"),
        }
        place
    }

    /// Puts a program into the PATH.
    pub(crate) fn add(&self, program: &str, name: &str) {
        assert!(
            Path::new(program).exists(),
            "{program} is missing, and the hook's tests need it: apt-get install -y bash busybox curl dash ncat netcat-openbsd netcat-traditional nodejs perl php-cli python3 shellcheck wget"
        );
        symlink(program, self.bin.join(name)).unwrap();
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The pod that its hooks are in, unless a test names another: one of its own, for a stop ends the re-enabling of its pod,
    /// also where another test began it, or another run of the tests on this machine.
    pub(crate) fn pod(&self) -> &str {
        self.dir.path().file_name().unwrap().to_str().unwrap()
    }

    /// A program in this container.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, env: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", &self.bin)
            .env("SILKROLL_LOG", "-")
            .env("SILKROLL_POD_NAME", self.pod())
            .env("SILKROLL_DRAIN_SECONDS", "0")
            .envs(env.iter().copied())
            .current_dir(self.work());
        command
    }

    /// What runs the hook, for a wrapper such as unshare to put before it.
    pub(crate) fn hook_line(&self) -> Vec<OsString> {
        match self.runner {
            Runner::Shell(_) => vec![self.bin.join("sh").into(), HOOK.into()],
            Runner::Program(program) => vec![program.into()],
        }
    }

    pub(crate) fn hook_command(&self, env: &[(&str, &str)], arguments: &[&str]) -> Command {
        let line = self.hook_line();
        let mut command = self.command(&line[0], env);
        command.args(&line[1..]).args(arguments);
        command
    }

    pub(crate) fn hook(&self, env: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        finish(self.hook_command(env, arguments))
    }

    /// The same, where all that the machine gets done meanwhile counts.
    pub(crate) fn hook_to_its_bound(&self, env: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        self.hook_within(Duration::ZERO, env, arguments)
    }

    /// The same, where it has a budget.
    pub(crate) fn hook_within(
        &self,
        budget: Duration,
        env: &[(&str, &str)],
        arguments: &[&str],
    ) -> Outcome {
        finish_within(budget, self.hook_command(env, arguments))
    }
}

/// Runs it as [`finish`] does, and counts what it takes over its budget.
pub(crate) fn finish_within(budget: Duration, command: Command) -> Outcome {
    let (outcome, over) = over(budget, || finish(command));
    Outcome { over, ..outcome }
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
        over: Duration::ZERO,
    }
}
