//! Which processes a signal goes to, from what /proc says.

use alloc::vec::Vec;

use crate::text::{cut, find, parse_number};

/// A process that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u64,
    /// Its parent's id.
    pub parent: u64,
    /// Its name, as the kernel has it.
    pub comm: Vec<u8>,
    /// Its arguments, as it shows them, each ended by a zero.
    pub arguments: Vec<u8>,
}

/// From `/proc/PID/stat` and `/proc/PID/cmdline`. A zombie has ended.
#[must_use]
pub fn parse(stat: &[u8], arguments: Vec<u8>) -> Option<Process> {
    let (pid, rest) = cut(stat, b" (")?;
    // A name may hold parentheses and spaces itself.
    let end = rest.iter().rposition(|byte| *byte == b')')?;
    let (comm, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
    let mut fields = rest
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty());
    let state = fields.next()?;
    if matches!(state, b"Z" | b"X" | b"x") {
        return None;
    }
    Some(Process {
        pid: parse_number(pid)?,
        parent: parse_number(fields.next()?)?,
        comm: comm.to_vec(),
        arguments,
    })
}

/// Whole seconds from the beginning of one process to that of another, by their `/proc/PID/stat`. None where these do not say it: a
/// kernel that is played by another program may have zeros there.
#[must_use]
pub fn age(first: &[u8], own: &[u8]) -> Option<u64> {
    /// Its unit, on all that Linux runs containers on (`USER_HZ`).
    const TICKS: u64 = 100;
    /// Of the fields after the name (`proc_pid_stat(5)`: field 22, the name is the second).
    const START: usize = 19;
    let begun = |stat: &[u8]| {
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let fields = stat.get(end + 1..)?.split(u8::is_ascii_whitespace);
        let mut fields = fields.filter(|field| !field.is_empty());
        parse_number(fields.nth(START)?)
    };
    let first = begun(first).filter(|ticks| *ticks > 0)?;
    Some(begun(own)?.checked_sub(first)? / TICKS)
}

/// Is it called so: by the kernel, by its program, or by the script that an interpreter runs?
#[must_use]
pub fn named(process: &Process, name: &[u8]) -> bool {
    const INTERPRETERS: &[&str] = &[
        "sh", "ash", "dash", "bash", "ksh", "busybox", "node", "nodejs", "java", "ruby",
    ];
    /// Their names go on with a version.
    const VERSIONED: &[&str] = &["python", "perl", "php", "ruby"];
    if process.comm == name {
        return true;
    }
    let mut arguments = process.arguments.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    // A title: `php-fpm: master process (…)`.
    let program = match find(program, b": ") {
        Some(at) => program.get(..at).unwrap_or(program),
        None => program,
    };
    let program = base_name(program);
    if program == name {
        return true;
    }
    let interprets = INTERPRETERS.iter().any(|known| known.as_bytes() == program)
        || VERSIONED
            .iter()
            .any(|known| program.starts_with(known.as_bytes()));
    interprets && arguments.next().map(base_name) == Some(name)
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn parent_of(processes: &[Process], pid: u64) -> Option<u64> {
    processes
        .iter()
        .find(|process| process.pid == pid)
        .map(|process| process.parent)
}

/// A process and all those above it. The steps are counted, for a list read while processes end may hold a circle.
#[must_use]
pub fn above(processes: &[Process], pid: u64) -> Vec<u64> {
    let mut line = Vec::from([pid]);
    let mut at = pid;
    while let Some(parent) = parent_of(processes, at) {
        if parent == 0 || line.contains(&parent) {
            break;
        }
        line.push(parent);
        at = parent;
    }
    line
}

/// The topmost processes of a name: masters, which end their workers. Never the hook itself, those above it and those
/// below it.
#[must_use]
pub fn topmost<'a>(processes: &'a [Process], name: &[u8], hook: u64) -> Vec<&'a Process> {
    let spared = above(processes, hook);
    processes
        .iter()
        .filter(|process| named(process, name) && !spared.contains(&process.pid))
        .filter(|process| !above(processes, process.pid).contains(&hook))
        .filter(|process| {
            !processes
                .iter()
                .any(|parent| parent.pid == process.parent && named(parent, name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u64, parent: u64, comm: &str, arguments: &str) -> Process {
        let stat = format!("{pid} ({comm}) S {parent} 1 1 0");
        parse(stat.as_bytes(), arguments.replace(' ', "\0").into_bytes()).unwrap()
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let found = parse(b"12 (a) b (c)) S 7 1", b"x\0".to_vec()).unwrap();
        assert_eq!(
            (found.pid, found.parent, found.comm.as_slice()),
            (12, 7, &b"a) b (c)"[..])
        );
        for gone in ["12 (x) Z 7 1", "", "12 (x", "x (y) S 1", "12 (x) S"] {
            assert_eq!(parse(gone.as_bytes(), Vec::new()), None, "{gone}");
        }
    }

    #[test]
    fn an_age_is_the_time_between_two_beginnings() {
        let stat = |begun: &str| {
            format!("1 (a) b) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 {begun} 99 7\n")
        };
        let age = |first: &str, own: &str| age(stat(first).as_bytes(), stat(own).as_bytes());
        assert_eq!(age("250", "12399"), Some(121));
        assert_eq!(age("250", "250"), Some(0));
        for (first, own) in [("0", "0"), ("5", "4"), ("x", "9")] {
            assert_eq!(age(first, own), None, "{first} {own}");
        }
        assert_eq!(super::age(b"", b"1 (a) S 0"), None);
    }

    #[test]
    fn names_are_those_of_kernel_program_and_script() {
        let gunicorn = process(
            5,
            1,
            "python3.11",
            "/usr/bin/python3.11 /venv/bin/gunicorn app",
        );
        assert!(named(&gunicorn, b"gunicorn") && named(&gunicorn, b"python3.11"));
        assert!(!named(&gunicorn, b"app") && !named(&gunicorn, b"python3"));
        let mut fpm = process(6, 1, "php-fpm8.2", "");
        fpm.arguments = b"php-fpm: master process (/etc/php)\0".to_vec();
        assert!(named(&fpm, b"php-fpm") && named(&fpm, b"php-fpm8.2"));
        assert!(!named(
            &process(7, 1, "cat", "/bin/cat gunicorn"),
            b"gunicorn"
        ));
    }

    #[test]
    fn masters_are_meant_and_never_the_hook() {
        let all = [
            process(1, 0, "tini", "tini"),
            process(2, 1, "web", "web"),
            process(3, 2, "web", "web"),
            process(4, 3, "other", "other"),
            process(5, 4, "web", "web"),
            process(10, 0, "web", "web"),
            process(11, 10, "hook", "/silkroll/hook stop"),
            process(12, 11, "web", "web"),
        ];
        let pids = |name: &str, hook| -> Vec<u64> {
            topmost(&all, name.as_bytes(), hook)
                .iter()
                .map(|process| process.pid)
                .collect()
        };
        assert_eq!(pids("web", 11), [2, 5]);
        assert_eq!(pids("hook", 11), Vec::<u64>::new());
        assert_eq!(pids("tini", 11), [1]);
    }

    #[test]
    fn a_circle_ends() {
        let all = [process(2, 3, "a", "a"), process(3, 2, "b", "b")];
        assert_eq!(above(&all, 2), [2, 3]);
    }
}
