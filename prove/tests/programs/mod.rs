//! The proof's own programs, started as the scenarios start them.

use std::io::{BufRead as _, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::wait::eventually;

/// A program that says what it does, one JSON object a line; it ends with the test.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it has said so far, with the details: things may happen in any order.
    said: Vec<(String, String)>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    pub(crate) fn app(pod: &str, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        Self::start(command.env("HOSTNAME", pod))
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits until this is said, if it has not been yet, and gives its detail.
    pub(crate) fn says(&mut self, what: &str) -> String {
        loop {
            if let Some((_, detail)) = self.said.iter().find(|(said, _)| said == what) {
                return detail.clone();
            }
            let Some(line) = self.lines.next() else {
                panic!("it ended without {what}");
            };
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            self.said.push((text("phase"), text("detail")));
        }
    }

    pub(crate) fn address(&mut self) -> SocketAddr {
        self.says("listening").parse().unwrap()
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let status = eventually("its end", || self.child.try_wait().unwrap());
        status.code()
    }

    pub(crate) fn term(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }
}
