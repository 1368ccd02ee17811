//! The Makefile that the README sends people to.

use std::path::Path;
use std::process::Command;

use super::{readme, root};

#[test]
fn every_target_that_the_readme_names_is_in_the_help() {
    let help = Command::new("make")
        .current_dir(root())
        .args(["--silent", "help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let readme = readme();
    let named: Vec<&str> = ["\n    make ", "`make "]
        .iter()
        .flat_map(|begin| readme.split(begin).skip(1))
        .map(|rest| rest.split([' ', '`', '\n']).next().unwrap())
        .collect();
    assert!(named.contains(&"prove-node"), "{named:?}");
    for target in named {
        assert!(help.contains(&format!("\n  make {target} ")), "{target}");
    }
}

#[test]
fn programs_are_looked_for_where_cargo_builds() {
    let places = |folder: Option<&str>| {
        let mut make = Command::new("make");
        make.current_dir(root()).env_remove("CARGO_TARGET_DIR");
        if let Some(folder) = folder {
            make.env("CARGO_TARGET_DIR", folder);
        }
        let said = make
            .args([
                "--silent",
                "--eval",
                "places: ; echo \"$(STATIC) $(PROGRAMS)\"",
                "places",
            ])
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8(said.stdout).unwrap();
        let (own, proof) = said.trim().split_once(' ').unwrap();
        (own.to_owned(), proof.to_owned())
    };
    let (own, proof) = places(Some("/some/where"));
    assert_eq!(own, "/some/where/static");
    assert!(
        proof.starts_with("/some/where/") && proof.ends_with("/release"),
        "{proof}"
    );
    let (own, proof) = places(None);
    assert!(Path::new(&own).is_absolute() && Path::new(&proof).is_absolute());

    // No target names such a folder past these.
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    for folder in [
        "target/static",
        "target/release",
        "target/debug",
        "prove/target",
    ] {
        assert!(!makefile.contains(folder), "{folder}");
    }
}
