//! The helper binary as it goes into the cluster: its ConfigMap's name and content, and where it is run.

use std::sync::LazyLock;

use super::script::name_of;

/// The path at which the kubelet runs it.
pub const HELPER_PATH: &str = "/silkroll/hook";

const AMD64: &[u8] = include_bytes!("helper/hook-amd64");
const ARM64: &[u8] = include_bytes!("helper/hook-arm64");

/// An architecture that the helper is built for, as `kubernetes.io/arch` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64
    Amd64,
    /// `AArch64`
    Arm64,
}

impl Arch {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// The label's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Reads the label's value.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.name() == name)
    }

    /// The helper's key in its ConfigMap.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Amd64 => "hook-amd64",
            Self::Arm64 => "hook-arm64",
        }
    }

    /// The helper, a static ELF program.
    #[must_use]
    pub fn program(self) -> &'static [u8] {
        match self {
            Self::Amd64 => AMD64,
            Self::Arm64 => ARM64,
        }
    }
}

/// The helper under the name that its content gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    /// The ConfigMap's name.
    pub config_map: String,
}

static NAME: LazyLock<String> = LazyLock::new(|| name_of(&[AMD64, ARM64]));

impl Helper {
    /// The helper of this build.
    #[must_use]
    pub fn current() -> Self {
        Self {
            config_map: NAME.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helpers_are_programs_for_their_architecture_and_fit_a_config_map() {
        // e_machine of the ELF header: EM_X86_64 and EM_AARCH64.
        for (arch, machine) in [(Arch::Amd64, 62), (Arch::Arm64, 183)] {
            let program = arch.program();
            assert_eq!(&program[..4], b"\x7fELF", "{arch:?}");
            assert_eq!(u16::from_le_bytes([program[18], program[19]]), machine);
        }
        let bytes: usize = Arch::ALL.iter().map(|arch| arch.program().len()).sum();
        // A ConfigMap holds 1 MiB; one of 10,000 should not be felt in etcd either.
        assert!(bytes < 256 * 1024, "{bytes} bytes");
        assert!(HELPER_PATH.starts_with(super::super::MOUNT_PATH));
    }
}
