//! The install file names what the program itself names.

use std::path::Path;

use silkroll::leave::{Helper, Script};

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
        [format!("[{script}, {helper}]")],
        "the script or the helper has changed: run `make manifests`"
    );
}
