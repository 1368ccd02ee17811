//! One supervised program: it ends when this value is dropped, or when the test process ends in
//! whatever way (see `supervise.sh`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SUPERVISE: &str = include_str!("supervise.sh");

pub(crate) struct Process {
    name: &'static str,
    dir: PathBuf,
    wrapper: Child,
}

/// What to start, and in which order it has to end.
#[derive(Default)]
pub(crate) struct Spec<'a> {
    pub(crate) name: &'static str,
    pub(crate) after: Option<&'a str>,
    /// Removes the folder when the program has ended.
    pub(crate) clean: bool,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}

impl Process {
    pub(crate) fn start(dir: &Path, spec: &Spec<'_>) -> Self {
        let wrapper = Command::new("sh")
            .args([
                "-c",
                SUPERVISE,
                "supervise",
                spec.name,
                spec.after.unwrap_or("-"),
            ])
            .arg(if spec.clean {
                dir.as_os_str()
            } else {
                "-".as_ref()
            })
            .arg(&spec.program)
            .args(&spec.args)
            .current_dir(dir)
            .env("HOME", dir)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        Self {
            name: spec.name,
            dir: dir.to_owned(),
            wrapper,
        }
    }

    /// Has it ended by itself?
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.wrapper.try_wait(), Ok(None))
    }

    /// The end of its log, for messages.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.dir.join(format!("{}.log", self.name))).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(4000)..];
        format!(
            "the end of {}'s log:\n{}",
            self.name,
            String::from_utf8_lossy(tail)
        )
    }

    /// Asks it to end; [`Drop`] waits for that.
    pub(crate) fn ask_to_end(&mut self) {
        drop(self.wrapper.stdin.take());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.ask_to_end();
        // The wrapper bounds its own waits: 20 s for the program before, 10 s until SIGKILL.
        let deadline = Instant::now() + Duration::from_secs(40);
        while Instant::now() < deadline && !self.ended() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
