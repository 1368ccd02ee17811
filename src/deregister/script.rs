//! The script as it goes into the cluster: its ConfigMap's name and content, and the two launchers
//! that run it from a lifecycle hook.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The script itself.
const HOOK: &str = include_str!("hook.sh");

/// The key of the script in its ConfigMap.
pub const SCRIPT_KEY: &str = "hook.sh";
/// Names of script ConfigMaps start with this; a hash of the content follows.
pub const CONFIG_MAP_PREFIX: &str = "silkroll-";
/// Where the script is mounted.
pub const MOUNT_PATH: &str = "/silkroll";
/// The volume's name in the pod.
pub const VOLUME: &str = "silkroll";

/// What the shell of a preStop hook runs; the user's own hook follows as arguments. Constant, so
/// that no value can become shell text and a hook of ours can be recognised by it.
pub const LAUNCH_STOP: &str = include_str!("launch_stop.txt");

/// What the shell of a postStart hook runs. It ends with 0 unless the user's own hook fails.
pub const LAUNCH_START: &str = include_str!("launch_start.txt");

/// What the shell of a startup probe runs. Where the script is missing it passes: nothing else would.
pub const LAUNCH_REGISTERED: &str = include_str!("launch_registered.txt");

/// 48 bits: enough that two scripts never meet under one name, short enough to read.
const BYTES: usize = 6;

/// The script under the name that its content gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The ConfigMap's name.
    pub config_map: String,
    /// The script's text.
    pub text: &'static str,
}

impl Script {
    /// Whether a ConfigMap of this name holds a script or helper of Silkroll's, of whichever version.
    #[must_use]
    pub fn names(config_map: &str) -> bool {
        config_map
            .strip_prefix(CONFIG_MAP_PREFIX)
            .is_some_and(|hash| {
                hash.len() == 2 * BYTES
                    && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            })
    }

    /// The script of this build.
    #[must_use]
    pub fn current() -> Self {
        Self {
            config_map: name_of(&[HOOK.as_bytes()]),
            text: HOOK,
        }
    }
}

/// The name of the ConfigMap that holds these files.
pub(super) fn name_of(files: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file);
    }
    let mut name = CONFIG_MAP_PREFIX.to_owned();
    for byte in &hash.finalize()[..BYTES] {
        // Writing into a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
