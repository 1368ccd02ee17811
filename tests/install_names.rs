//! The install file names what the program itself names.

use std::path::Path;

use silkroll::leave::Script;

#[test]
fn the_install_file_lets_silkroll_read_the_config_map_of_this_versions_script() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let named: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("resourceNames: "))
        .collect();
    let name = Script::current().config_map;
    assert_eq!(
        named,
        [format!("[{name}]")],
        "the script has changed: run `make manifests`"
    );
}
