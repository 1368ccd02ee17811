//! The house of ARCHITECTURE.md: the pure parts stay pure, the arrows point one way, and what only tests need stays with
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot be read has to fail the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each part, and which others it may name. `cli` puts all together and may name every one.
const ARROWS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("policy", &["text"]),
    ("deregister", &["policy"]),
    ("slots", &["policy", "text"]),
    ("plan", &["deregister", "policy", "slots", "text"]),
    ("parts", &["deregister", "plan", "policy", "slots", "text"]),
    (
        "engine",
        &["deregister", "parts", "plan", "policy", "slots", "text"],
    ),
    ("manifest", &["text"]),
    (
        "check",
        &["deregister", "engine", "manifest", "policy", "text"],
    ),
    ("audit", &["engine", "text"]),
    ("snapshot", &["policy", "text"]),
    ("observe", &["text"]),
    ("tls", &["text"]),
    (
        "admission",
        &["check", "engine", "manifest", "policy", "snapshot", "text"],
    ),
    ("cluster", &["audit", "engine", "snapshot", "text", "tls"]),
    (
        "server",
        &[
            "admission",
            "deregister",
            "engine",
            "manifest",
            "observe",
            "policy",
            "snapshot",
            "text",
            "tls",
        ],
    ),
];

/// No I/O, no clock, no randomness here: the same input gives the same bytes.
const PURE: &[&str] = &[
    "audit",
    "check",
    "engine",
    "parts",
    "plan",
    "slots",
    "policy",
    "deregister",
    "manifest",
    "text",
];

/// What a decision is made in, from the top to the bottom.
const FLOORS: [&str; 4] = ["engine", "parts", "plan", "slots"];

/// What the pure parts must not name, as beginnings of paths.
const IMPURE: &[&str] = &[
    "axum",
    "hyper",
    "hyper_util",
    "k8s_openapi",
    "kube",
    "rcgen",
    "rustls",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "tokio",
    "tokio_rustls",
    "tower",
    "tracing",
];
/// Addresses that are only parsed are text like any other.
const PURE_AFTER_ALL: &[&str] = &[
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

fn source() -> PathBuf {
    root().join("src")
}

/// The Rust files of a part: `src/NAME.rs` and all under `src/NAME/`, tests left out.
fn files(part: &str) -> Vec<PathBuf> {
    let mut files = vec![source().join(part).with_extension("rs")];
    let mut folders = vec![source().join(part)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.retain(|path| path.exists() && path.file_name().unwrap() != "tests.rs");
    assert!(!files.is_empty(), "src has no part {part}");
    files
}

/// The code without comments, texts and the test module that ends a file.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let mut code = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['/', '"', '\'']) {
        code.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with('"') {
            let raw = code.trim_end_matches('#');
            let hashes = if raw.ends_with('r') {
                code.len() - raw.len()
            } else {
                0
            };
            rest = after_text(rest, raw.ends_with('r').then_some(hashes));
        } else if rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'') {
            // A character; a lifetime has no second quote. What is escaped may be a quote.
            let least = if rest.starts_with("'\\") { 3 } else { 2 };
            let end = rest.char_indices().skip(least).find(|(_, c)| *c == '\'');
            rest = end.map_or("", |(at, _)| &rest[at + 1..]);
        } else {
            code.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    code + rest
}

/// What follows a text that begins with its quote; `raw` is the number of its #.
fn after_text(text: &str, raw: Option<usize>) -> &str {
    if let Some(hashes) = raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return text[1..].split_once(&*end).unwrap().1;
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// All paths `a::b::c` in the code, those of `use` with braces written out.
fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = code;
    let part = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(at) = rest.find(part) {
        let end = at
            + rest[at..]
                .find(|c| !part(c) && c != ':')
                .unwrap_or(rest.len() - at);
        let path = &rest[at..end];
        rest = &rest[end..];
        if let Some(prefix) = path.strip_suffix("::").filter(|_| rest.starts_with('{')) {
            let inside = braces(rest);
            found.extend(branches(prefix, inside));
            rest = &rest[inside.len() + 2..];
        } else if path.contains("::") {
            found.insert(path.to_owned());
        }
    }
    found
}

/// What stands between the first brace and its partner.
fn braces(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[1..at];
        }
    }
    panic!("braces do not close: {text}");
}

fn branches(prefix: &str, inside: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = inside;
    while !rest.trim().is_empty() {
        rest = rest.trim_start();
        let end = rest.find([',', '{']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        if rest[end..].starts_with('{') {
            let deeper = braces(&rest[end..]);
            let name = name.trim_end_matches("::");
            found.extend(branches(&format!("{prefix}::{name}"), deeper));
            rest = rest[end + deeper.len() + 2..].trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        } else {
            found.push(format!("{prefix}::{name}"));
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    found
}

fn begins(path: &str, with: &str) -> bool {
    path.strip_prefix(with)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Paths of a part, each with the file that it stands in.
fn named(part: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for file in files(part) {
        let text = fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(source()).unwrap().display().to_string();
        all.extend(
            paths(&code(&text))
                .into_iter()
                .map(|path| (shown.clone(), path)),
        );
    }
    all
}

#[test]
fn the_reader_of_sources_sees_paths_and_only_paths() {
    let text = r##"
        //! std::fs in a comment
        use std::{fs::{self, File}, io};
        use crate::a::{
            B, // c
            d::E,
        };
        fn f<'a>(x: &'a str) -> char { let _ = "std::net \" std::env"; kube::run::<u8>(x, '"'); '\'' }
        const R: &str = r#"std::thread "quoted" "#;
        #[cfg(test)]
mod tests { use std::process; }
    "##;
    let text = text.replace("        #[cfg", "#[cfg");
    let found: Vec<String> = paths(&code(&text)).into_iter().collect();
    let expected = [
        "crate::a::B",
        "crate::a::d::E",
        "kube::run::",
        "std::fs::File",
        "std::fs::self",
        "std::io",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_pure_parts_name_nothing_that_reaches_out() {
    let mut wrong = Vec::new();
    for part in PURE {
        for (file, path) in named(part) {
            let reaches = IMPURE.iter().any(|impure| begins(&path, impure));
            if reaches && !PURE_AFTER_ALL.iter().any(|pure| begins(&path, pure)) {
                wrong.push(format!("src/{file} names {path}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_arrows_point_one_way() {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (part, allowed) in &arrows {
        for (file, path) in named(part) {
            let Some(rest) = path.strip_prefix("crate::") else {
                continue;
            };
            let other = rest.split("::").next().unwrap();
            if other != *part && !allowed.contains(&other) {
                wrong.push(format!(
                    "src/{file} names {path}; {part} may name {allowed:?}"
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A file's own path from the crate, and those that it names there, `super` written out.
fn modules(part: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, path) in named(part) {
        let own = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let own = format!("crate::{}", own.replace('/', "::"));
        let mut above = own.as_str();
        let mut rest = path.as_str();
        while let Some(shorter) = rest.strip_prefix("super::") {
            above = above.rsplit_once("::").unwrap().0;
            rest = shorter;
        }
        let whole = if rest.len() < path.len() {
            format!("{above}::{rest}")
        } else {
            path
        };
        all.entry(own).or_default().insert(whole);
    }
    all
}

#[test]
fn no_two_files_of_the_engine_name_each_other() {
    let mut all = BTreeMap::new();
    for floor in FLOORS {
        all.append(&mut modules(floor));
    }
    assert!(all["crate::parts::pre_stop"].contains("crate::plan::wants::Plan"));
    let is_of = |path: &str, module: &str| {
        // The most exact file: what `parts::env` has is not of `parts`.
        let found = all.keys().filter(|one| begins(path, one));
        found.max_by_key(|one| one.len()).map(String::as_str) == Some(module)
    };
    let names = |one: &str, other: &str| all[one].iter().any(|path| is_of(path, other));
    let mut wrong = Vec::new();
    for one in all.keys() {
        for other in all.keys().filter(|other| *other > one) {
            if names(one, other) && names(other, one) {
                wrong.push(format!("{one} and {other}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// As much as somebody reads who changes it.
#[test]
fn no_floor_of_the_engine_is_longer_than_2500_lines() {
    let lines = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = code(&text);
        code.lines().filter(|line| !line.trim().is_empty()).count()
    };
    for floor in FLOORS {
        let lines: usize = files(floor).iter().map(lines).sum();
        assert!((500..=2500).contains(&lines), "src/{floor} has {lines}");
    }
}

/// The types that a file shows to others, however widely.
fn shown_types(code: &str) -> Vec<String> {
    let name = |line: &str| {
        let rest = line.strip_prefix("pub")?;
        let rest = match rest.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1,
            None => rest,
        };
        let (what, rest) = rest.trim_start().split_once(' ')?;
        let ends = |c: char| !c.is_alphanumeric();
        let name = rest.split(ends).next()?;
        ["struct", "enum", "trait", "type"]
            .contains(&what)
            .then(|| name.to_owned())
    };
    code.lines().filter_map(name).collect()
}

#[test]
fn a_name_means_one_type_wherever_a_decision_goes_through() {
    let parts = [
        "engine",
        "parts",
        "plan",
        "slots",
        "policy",
        "deregister",
        "admission",
        "snapshot",
        "audit",
        "text",
    ];
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in parts.iter().flat_map(|part| files(part)) {
        for name in shown_types(&code(&fs::read_to_string(&path).unwrap())) {
            all.entry(name)
                .or_default()
                .push(path.display().to_string());
        }
    }
    assert!(all.contains_key("Decision") && all.contains_key("Part"));
    // Errors are told apart by their modules, as everywhere.
    all.retain(|name, files| name != "Error" && files.len() > 1);
    assert_eq!(all, BTreeMap::new());
}

#[test]
fn only_the_cluster_side_uses_the_kubernetes_client() {
    let mut users = BTreeSet::new();
    for part in parts()
        .iter()
        .filter(|part| **part != "lib" && **part != "main")
    {
        for (_, path) in named(part) {
            if begins(&path, "kube") || begins(&path, "k8s_openapi") {
                users.insert(part.clone());
            }
        }
    }
    assert_eq!(users, BTreeSet::from(["cluster".to_owned()]));
}

/// All there is under `src`.
fn parts() -> Vec<String> {
    let mut parts: Vec<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    parts.sort();
    parts
}

#[test]
fn every_part_has_its_arrows_and_its_line_in_the_map() {
    let map = read("ARCHITECTURE.md");
    for part in parts() {
        let known = ["cli", "lib", "main"].contains(&&*part);
        assert!(
            known || ARROWS.iter().any(|(name, _)| *name == part),
            "{part} has no line in ARROWS"
        );
        let line = |ending: &str| map.contains(&format!("\n    src/{part}{ending}"));
        assert!(
            line("/ ") || line(".rs "),
            "{part} has no line in ARCHITECTURE.md"
        );
    }
}

#[test]
fn every_file_that_the_map_names_is_there() {
    let map = read("ARCHITECTURE.md");
    let files: Vec<&str> = map
        .split(|c: char| c.is_whitespace() || "`()|,;:".contains(c))
        .filter(|word| word.starts_with("src/"))
        .map(|word| word.trim_end_matches('.'))
        .collect();
    assert!(files.len() > 20, "{files:?}");
    let missing: Vec<_> = files
        .iter()
        .filter(|file| !root().join(file).exists())
        .collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

#[test]
fn every_crate_has_its_line_in_the_map() {
    let map = read("ARCHITECTURE.md");
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().display();
        assert!(
            !path.join("Cargo.toml").exists() || map.contains(&format!("\n    {name}/ ")),
            "{name}/ is a crate and has no line in ARCHITECTURE.md"
        );
    }
}

/// The lines of a table of a manifest.
fn table(manifest: &str, name: &str) -> Vec<String> {
    let text = read(manifest);
    let (_, after) = text.split_once(&format!("\n[{name}]\n")).unwrap();
    let lines = after.lines().take_while(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

fn crates(lines: &[String]) -> BTreeSet<&str> {
    let names = lines.iter().filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name).collect()
}

#[test]
fn what_only_tests_use_adds_no_crate_to_what_users_fetch() {
    let ours = table("Cargo.toml", "dependencies");
    let kit = table("testkit/Cargo.toml", "dependencies");
    let more: Vec<_> = crates(&kit).difference(&crates(&ours)).copied().collect();
    assert_eq!(more, Vec::<&str>::new());
    assert!(!crates(&ours).contains("testkit"));
}

#[test]
fn an_image_is_built_with_all_that_the_manifest_names() {
    let (context, dockerfile) = (read(".dockerignore"), read("Dockerfile"));
    let mut found = 0;
    for line in table("Cargo.toml", "dev-dependencies") {
        let Some((_, path)) = line.split_once("path = \"") else {
            continue;
        };
        let (path, _) = path.split_once('"').unwrap();
        found += 1;
        assert!(context.contains(&format!("\n!{path}\n")), "{path}");
        assert!(
            dockerfile.contains(&format!("\nCOPY {path}/Cargo.toml {path}/\n")),
            "{path}"
        );
    }
    assert!(found > 0);
}
