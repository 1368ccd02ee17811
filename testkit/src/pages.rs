//! What the pages for users tell them to type, so that it can be run from where it stands.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The pages that are looked through: `README.md` and those of `docs/`, in English.
///
/// # Errors
///
/// Where the repository has no such folder.
pub fn pages(repository: &Path) -> Result<Vec<PathBuf>> {
    let folder = repository.join("docs");
    let mut pages = vec![repository.join("README.md")];
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".md") && !name.ends_with(".zh-CN.md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// The lines of the fenced block whose first line is ```` ```INFO ````, such as `sh install`.
///
/// # Errors
///
/// Where it does not stand exactly once on all pages.
pub fn block(repository: &Path, info: &str) -> Result<String> {
    let mut text = between(repository, &format!("\n```{info}\n"), "\n```")?;
    text.push('\n');
    Ok(text)
}

/// What stands between two texts, on whichever page.
///
/// # Errors
///
/// Where it does not stand exactly once on all pages.
pub fn between(repository: &Path, begin: &str, end: &str) -> Result<String> {
    let mut found = Vec::new();
    for page in pages(repository)? {
        let text =
            fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
        let parts = text.split(begin).skip(1);
        found.extend(parts.filter_map(|rest| Some(rest.split_once(end)?.0.to_owned())));
    }
    match &*found {
        [one] => Ok(one.clone()),
        all => bail!(
            "README.md and docs/*.md have {} times, not once: {}",
            all.len(),
            begin.trim()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn a_block_is_found_on_whichever_page_it_stands() {
        let on_the_first_page = block(repository(), "sh install").unwrap();
        assert!(on_the_first_page.starts_with("IMAGE="));
        assert!(on_the_first_page.ends_with("silkroll wait\n"));
        assert!(block(repository(), "sh level-pod").is_ok());
    }

    #[test]
    fn what_stands_nowhere_or_twice_is_an_error_that_names_it() {
        for (info, times) in [("sh no-such-block", "0 times"), ("sh", " times")] {
            let error = block(repository(), info).unwrap_err().to_string();
            assert!(error.contains(times) && error.contains(info), "{error}");
        }
    }
}
