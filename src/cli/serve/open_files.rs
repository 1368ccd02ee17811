//! What the limit of open files leaves room for.

use anyhow::bail;

/// What the process opens before it serves: the runtime's and the signals', the ports, files that are read. Where they run
/// out, libraries panic.
const TO_START: usize = 32;

/// Whether there are enough to start with.
///
/// # Errors
/// There are not.
pub(super) fn enough() -> anyhow::Result<()> {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    match limit() {
        Some(files) if files < open + TO_START => bail!(
            "the limit of open files is {files} and {open} are open, which leaves too few to start with: raise it \
             (ulimit -n) to {} at least",
            open + TO_START
        ),
        _ => Ok(()),
    }
}

/// As many connections as wanted, or what the limit of open files leaves: accepting fails where they
/// run out, for the admin port, too.
pub(super) fn connections(wanted: usize) -> usize {
    let Some(files) = limit() else {
        return wanted;
    };
    let most = files.saturating_sub(OTHER_FILES).max(MIN_CONNECTIONS);
    if most < wanted {
        tracing::warn!(
            files,
            connections = most,
            "the limit of open files leaves room for few connections; raise it (ulimit -n) to {}",
            wanted + OTHER_FILES
        );
    }
    wanted.min(most)
}

/// What is open beside the webhook's connections: the admin port's 256, those to the API server, files.
const OTHER_FILES: usize = 384;
/// An API server keeps 25.
const MIN_CONNECTIONS: usize = 32;

fn limit() -> Option<usize> {
    open_files(&std::fs::read_to_string("/proc/self/limits").unwrap_or_default())
}

/// The soft limit, from the text of `/proc/PID/limits`; None where there is none.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read() {
        let head = "Limit                     Soft Limit           Hard Limit           Units\n";
        for (line, files) in [
            (
                "Max open files            1024                 524288               files\n",
                Some(1024),
            ),
            (
                "Max open files            unlimited            unlimited            files\n",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(open_files(&format!("{head}{line}")), files);
        }
    }
}
