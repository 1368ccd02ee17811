//! Starts registries, their clients and servers; each ends with its value, or with the test process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testkit::process::{Order, Process, Spec};
use testkit::wait;

/// One test at a time of each: the tests mostly wait, but two registries are what a small machine has memory for.
pub(crate) static NACOS: Mutex<()> = Mutex::new(());
pub(crate) static OTHERS: Mutex<()> = Mutex::new(());

/// Everything that one test starts, and the folder that it runs in.
pub(crate) struct World {
    _turn: MutexGuard<'static, ()>,
    pub(crate) dir: tempfile::TempDir,
    begun: Instant,
    name: &'static str,
}

/// What a JVM is started with: small, and quick to start rather than quick in the long run.
const JVM: [&str; 4] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xshare:auto",
];

impl World {
    pub(crate) fn new(name: &'static str, lane: &'static Mutex<()>) -> Self {
        alone();
        let turn = lane.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            _turn: turn,
            dir: tempfile::tempdir().unwrap(),
            begun: Instant::now(),
            name,
        }
    }

    /// Prints that a step held, and when.
    pub(crate) fn ok(&self, what: &str) {
        println!(
            "  {:5.1} s  {}: {what}",
            self.begun.elapsed().as_secs_f32(),
            self.name
        );
    }

    pub(crate) fn start(&self, name: &'static str, program: &str, args: &[&str]) -> Process {
        // A second program of a name begins a log of its own.
        let _ = fs::remove_file(self.dir.path().join(format!("{name}.log")));
        let spec = Spec {
            name: name.to_owned(),
            program: program.into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            ..Spec::default()
        };
        Process::supervised(&spec, self.dir.path(), Order::default()).unwrap()
    }

    /// A class of what `prepare.sh` compiled, with the libraries beside it.
    pub(crate) fn java(
        &self,
        name: &'static str,
        part: &str,
        class: &str,
        more: &Jvm<'_>,
        args: &[&str],
    ) -> Process {
        let part = prepared().join(part);
        let home = self.dir.path().display();
        let mut path = vec![format!("{}/classes", part.display())];
        path.extend(more.first.iter().map(|entry| (*entry).to_owned()));
        path.push(format!("{}/lib/*", part.display()));
        let (memory, home, path) = (
            format!("-Xmx{}m", more.megabytes),
            format!("-Duser.home={home}"),
            path.join(":"),
        );
        let mut all = vec![&*memory, &home, "-cp", &path];
        all.extend(JVM);
        all.extend(more.options);
        all.push(class);
        all.extend(args);
        self.start(name, "java", &all)
    }
}

#[derive(Default)]
pub(crate) struct Jvm<'a> {
    pub(crate) megabytes: u16,
    /// Of the class path, what has to stand before the libraries.
    pub(crate) first: &'a [&'a str],
    pub(crate) options: &'a [&'a str],
}

/// The folder that `prepare.sh` printed.
pub(crate) fn prepared() -> PathBuf {
    std::env::var_os("SILKROLL_REGISTRIES")
        .map(PathBuf::from)
        .filter(|folder| folder.join("consul").exists())
        .expect("SILKROLL_REGISTRIES names no prepared registries: run `make test-registries`")
}

/// Some registries bind every address, and the hook looks at every process: nobody else may be here.
fn alone() {
    let devices = fs::read_to_string("/proc/net/dev").unwrap();
    let devices = devices.lines().skip(2).map(|line| line.trim().to_owned());
    let others: Vec<_> = devices.filter(|line| !line.starts_with("lo:")).collect();
    let first = fs::read_to_string("/proc/1/environ").unwrap_or_default();
    assert!(
        others.is_empty() && first.contains("SILKROLL_REGISTRIES="),
        "this needs a network and a process namespace of its own: run `make test-registries`"
    );
}

/// The program where Debian puts it; not every PATH has /usr/sbin.
pub(crate) fn program(name: &str, package: &str) -> String {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name));
    let found = found
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is missing: apt-get install -y {package}"));
    found.display().to_string()
}

/// Polls until it holds; the limit, in seconds, is what the step promises.
pub(crate) fn within(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    let bound = Duration::from_secs(seconds);
    wait::within(bound, what, || Ok(holds().then_some(()))).unwrap();
    begun.elapsed()
}

/// Waits for a program to come up; says the end of its log where it does not.
pub(crate) fn up(seconds: u64, process: &mut Process, mut ready: impl FnMut() -> bool) {
    let bound = Duration::from_secs(seconds);
    let came = wait::within(bound, "it did not come up", || {
        process.check()?;
        Ok(ready().then_some(()))
    });
    came.unwrap_or_else(|error| panic!("{error}\n{}", process.tail()));
}
