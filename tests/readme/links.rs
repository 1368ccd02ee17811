//! A link from page to page leads to a file that is there, and to a heading in it.

use std::fs;
use std::path::Path;

use super::page::{Page, pages};
use super::root;

/// What is wrong with a link on a page.
fn fault(page: &Path, link: &str) -> Option<String> {
    if link.starts_with("http") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        page.to_owned()
    } else {
        page.with_file_name("").join(file)
    };
    if !target.exists() {
        return Some(format!("{}: there is no {file}", page.display()));
    }
    let known = anchor.is_empty()
        || Page::read(&fs::read_to_string(target).unwrap())
            .anchors
            .contains(anchor);
    (!known).then(|| format!("{}: nothing is called {link}", page.display()))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut faults = Vec::new();
    let mut followed = 0;
    for page in pages() {
        for link in Page::read(&fs::read_to_string(&page).unwrap()).links {
            followed += 1;
            faults.extend(fault(&page, &link));
        }
    }
    assert!(followed > 100, "{followed}");
    assert_eq!(faults, [""; 0]);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = root().join("README.md");
    for (text, found) in [
        ("[a](docs/operations.md)", false),
        ("[a](docs/operations.md#how-it-fails-and-what-then)", false),
        ("[a](docs/drain.zh-CN.md#connections-that-stay)", false),
        ("[a](#install), [b](https://example.com/x)", false),
        ("`[a](no/such.md)`", false),
        ("[a](docs/no-such.md)", true),
        ("[a](docs/operations.md#no-such-heading)", true),
        ("[a](#no-such-heading)", true),
        ("[a][b]\n\n[b]: docs/no-such.md", true),
        ("![a](docs/proof/no-such.svg)", true),
    ] {
        let links = Page::read(text).links;
        let faults = links.iter().filter_map(|link| fault(&page, link));
        assert_eq!(faults.count() > 0, found, "{text}");
    }
}
