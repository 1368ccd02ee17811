//! The install file names what the program itself names.

use std::path::Path;

use sha2::{Digest, Sha256};
use silkroll::deregister::{Helper, Script};
use silkroll::engine::Kind;

#[test]
fn the_install_file_lets_silkroll_read_the_config_maps_of_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let named: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("resourceNames: "))
        .collect();
    let script = Script::current().config_map;
    let helper = Helper::current().config_map;
    assert_eq!(
        named,
        [
            format!("[{script}, {helper}]"),
            "[silkroll]".to_owned(),
            "[helper-namespaces]".to_owned(),
            "[silkroll-audit]".to_owned(),
            "[silkroll-own-ca]".to_owned(),
        ],
        "the script or the helper has changed: run `make manifests`"
    );
}

/// `make test-helm` renders it anew; this needs no Helm.
#[test]
fn the_install_file_is_rendered_from_the_chart_as_it_is() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let mut files = vec![manifests.join("render.sh")];
    let mut folders = vec![manifests.join("chart")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort_by_key(|path| path.to_str().unwrap().to_owned());
    let mut digest = Sha256::new();
    for file in files {
        digest.update(std::fs::read(file).unwrap());
    }
    let hex = digest
        .finalize()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let text = std::fs::read_to_string(manifests.join("install.yaml")).unwrap();
    let line = text.lines().next().unwrap();
    assert_eq!(
        line,
        format!("# sha256 of what it is rendered from: {hex}"),
        "manifests/chart has changed: run `make manifests`"
    );
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/chart/Chart.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    for key in ["version", "appVersion"] {
        let line = format!("\n{key}: {}\n", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&line), "{key} in manifests/chart/Chart.yaml");
    }
}

#[test]
fn the_rules_for_all_workloads_name_all_kinds_that_there_are() {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let workloads = Kind::ALL
        .into_iter()
        .filter(|kind| !kind.template().is_empty());
    let workloads: Vec<_> = workloads.collect();
    for kind in &workloads {
        let (group, version) = kind.api_version().split_once('/').unwrap();
        assert!(["v1", "v1alpha1"].contains(&version));
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, kinds)) => kinds.push(kind.plural()),
            None => groups.push((group, vec![kind.plural()])),
        }
    }
    // The kustomization has them for the policy that warns, too.
    for (file, times) in [
        ("manifests/all-workloads.patch.yaml", 1),
        ("examples/install/kustomization.yaml", 2),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        // Those of webhook and policy, not of a role.
        let rule = |line: &&str| line.contains("apiGroups") && line.contains("operations");
        let mut rules = text.lines().filter(rule);
        for (group, kinds) in groups.iter().cycle().take(times * groups.len()) {
            let rule = rules.next().unwrap_or_default();
            let resources = format!("resources: [{}]", kinds.join(", "));
            assert!(
                rule.contains(&format!("apiGroups: [{group}]")),
                "{file}: {group}"
            );
            assert!(rule.contains(&resources), "{file}: {rule}: {resources}");
        }
        assert_eq!(rules.next(), None, "{file}");
        let options: Vec<_> = workloads.iter().map(|kind| kind.option()).collect();
        let options = options.join(",");
        let named =
            !text.contains("--workloads=") || text.contains(&format!("--workloads={options}\""));
        assert!(named, "{file}: {options}");
    }
}
