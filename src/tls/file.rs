//! Certificates and keys as files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Far beyond any chain; a file that is longer was named by mistake.
const LARGEST: u64 = 1024 * 1024;

/// Reads a regular file, or one that links lead to, of 1 MiB at most. Whatever else has that name is not opened:
/// opening a named pipe waits for whoever writes to it.
///
/// # Errors
/// What is wrong with the file and what to do.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let failed = |error: io::Error| {
        format!(
            "{shown} cannot be read ({error}): is the Secret there and mounted? `silkroll certs` makes a pair"
        )
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!(
            "{shown} is no regular file: it is read again and again, so name a file, or a link to one"
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|open| open.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!(
            "{shown} is larger than 1 MiB, so it is no certificate or key: name the right file"
        ));
    }
    Ok(bytes)
}
