//! The seeds of the fuzz targets (`fuzz/`), made from what is in the repository: examples, the README, and
//! the generators of the tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::test_runner::RngAlgorithm;
use serde_json::Value;
use silkroll::deregister::METHODS;
use silkroll::engine::{Kind, Settings};
use silkroll::manifest::{self, Limits};
use silkroll::policy::catalogue;
use support::generate::namespace;
use support::sequence::{case, of_bytes};
use support::{create, deployment, opted_in, review};

/// Kept small: libFuzzer reads all of it at each start, and so does whoever clones.
const MOST: u64 = 500_000;
/// As `fuzz/targets/annotations.rs` reads them.
const END: u8 = 0xFF;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("fuzz/seeds")
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = folder().join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

/// YAML files under these folders, and the YAML of the README.
fn manifests() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("examples"), root().join("manifests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy();
                found.push((name.replace('/', "-"), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (at, block) in readme.split("```yaml").skip(1).enumerate() {
        let (_, text) = block.split_once('\n').unwrap();
        let text = text.split("```").next().unwrap();
        found.push((format!("readme-{at}"), text.to_owned()));
    }
    found.sort();
    found
}

fn workloads() -> Vec<(String, Value)> {
    let mut found = vec![("plain".to_owned(), deployment())];
    for (name, text) in manifests() {
        let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
        for document in documents.into_iter().flatten() {
            let value = document.value().clone();
            let named = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
            if Kind::of(&named("apiVersion"), &named("kind")).is_some() {
                found.push((format!("{name}-{}", document.number()), value));
            }
        }
    }
    found
}

fn reviews() {
    let settings = Settings {
        kinds: Kind::ALL.to_vec(),
        ..Settings::default()
    };
    let namespace = opted_in(&[
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
        ("rollout", "surge"),
    ]);
    for (name, plain) in workloads() {
        let (stored, _) = create(&plain, &namespace, &settings);
        let mut changed = stored.clone();
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into();
        for (case, operation, object, old) in [
            ("create", "CREATE", &plain, &Value::Null),
            ("again", "CREATE", &stored, &Value::Null),
            ("update", "UPDATE", &changed, &stored),
            ("replace", "UPDATE", &plain, &stored),
        ] {
            write(
                "review",
                &format!("{name}-{case}"),
                &review(operation, object, old),
            );
        }
    }
    let cases = case();
    for number in 0_u8..24 {
        let case = of_bytes(&cases, RngAlgorithm::XorShift, &[number + 1; 16]);
        let steps = case.run();
        let step = &steps[usize::from(number) % steps.len()];
        let body = review("UPDATE", &step.object, &steps[0].object);
        if body.len() < 20_000 {
            write("review", &format!("life-{number}"), &body);
        }
    }
}

fn annotations() {
    let said = |way: u8, place: u8, pairs: &[(String, String)]| {
        let mut bytes = vec![way];
        for (key, value) in pairs {
            bytes.push(place);
            bytes.extend(format!("{key}={value}").bytes());
            bytes.push(END);
        }
        bytes
    };
    for (at, key) in catalogue(METHODS).enumerate() {
        let at = u8::try_from(at).unwrap();
        let values = ["1", "http://a:80/x,http://b", "tcp://:8080", "{podip}-é"];
        let pairs = values.map(|value| (key.name.to_owned(), value.to_owned()));
        write(
            "annotations",
            &format!("key-{}", key.name),
            &said(at, at, &pairs),
        );
    }
    for number in 0_u8..16 {
        let pairs: Vec<_> = of_bytes(&namespace(), RngAlgorithm::XorShift, &[number + 1; 16])
            .into_iter()
            .map(|(key, value)| {
                (
                    key.trim_start_matches("silkroll.dev/").to_owned(),
                    value.into_owned(),
                )
            })
            .collect();
        write(
            "annotations",
            &format!("namespace-{number}"),
            &said(number, number % 3, &pairs),
        );
    }
}

#[test]
#[ignore = "writes fuzz/seeds: for after a change of the examples or of the generators"]
fn write_seeds() {
    let _ = fs::remove_dir_all(folder());
    reviews();
    annotations();
    for (name, text) in manifests() {
        // The install file says all it can say many times over.
        write("yaml", &name, &text.as_bytes()[..text.len().min(8_000)]);
    }
    // Numbers of seven parts of a life.
    for number in 0_u64..8 {
        let words = (0..7_u8).map(|at| xxhash_rust::xxh3::xxh3_64_with_seed(&[at], number));
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        write("sequence", &format!("numbers-{number}"), &bytes);
    }
}

#[test]
fn the_seeds_are_there_and_small() {
    for target in ["annotations", "review", "sequence", "yaml"] {
        let entries = fs::read_dir(folder().join(target)).unwrap();
        let sizes: Vec<u64> = entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert!(sizes.len() >= 8, "{target} has {} seeds", sizes.len());
        assert!(
            sizes.iter().sum::<u64>() < MOST,
            "{target}'s seeds are large"
        );
    }
}
