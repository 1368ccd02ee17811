use super::{Inject, LEVEL, Layer, Level, Method, PREFIX, Pairs, Readiness, value};

/// One annotation: its name, its check and what to say where the check fails.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Without the prefix `silkroll.dev/`.
    pub name: &'static str,
    /// What is allowed, as the end of a sentence.
    pub allowed: &'static str,
    /// Whether a value can be used.
    pub fits: fn(&str) -> bool,
}

const SECONDS_0: &str = "allowed is a whole number of seconds from 0 to 3600, in plain digits";
const SECONDS_1: &str = "allowed is a whole number of seconds from 1 to 3600, in plain digits";
const COUNT: &str = "allowed is a whole number from 1 to 999999, in plain digits";

fn seconds_0(text: &str) -> bool {
    value::whole(text, 0..=3600)
}
fn seconds_1(text: &str) -> bool {
    value::whole(text, 1..=3600)
}
fn count(text: &str) -> bool {
    value::whole(text, 1..=999_999)
}

/// The keys that belong to no single method, in the order of the documentation.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "inject",
        allowed: "allowed is enabled or disabled (true, false), and on a Namespace on-request",
        fits: |text| Inject::parse(text).is_some(),
    },
    Key {
        name: LEVEL,
        allowed: "allowed is workload or pod",
        fits: |text| Level::parse(text).is_some(),
    },
    Key {
        name: "container",
        allowed: "allowed is a container's name, or several with commas",
        fits: |text| text.len() <= 1024 && text.split(',').map(str::trim).all(value::dns_label),
    },
    Key {
        name: "deregister",
        allowed: "",
        fits: |_| true,
    },
    Key {
        name: "drain-seconds",
        allowed: SECONDS_0,
        fits: seconds_0,
    },
    Key {
        name: "drain-until-idle-seconds",
        allowed: SECONDS_0,
        fits: seconds_0,
    },
    Key {
        name: "deregister-if-env",
        allowed: "allowed is the name of an environment variable: letters, digits and _, not starting with a digit",
        fits: value::env_name,
    },
    Key {
        name: "deregister-timeout-seconds",
        allowed: "allowed is a whole number of seconds from 1 to 300, in plain digits",
        fits: |text| value::whole(text, 1..=300),
    },
    Key {
        name: "last-instance",
        allowed: "allowed is wait or leave",
        fits: |text| matches!(text, "wait" | "leave"),
    },
    Key {
        name: "shutdown-seconds",
        allowed: SECONDS_1,
        fits: seconds_1,
    },
    Key {
        name: "readiness",
        allowed: "",
        fits: |text| Readiness::parse(text).is_ok(),
    },
    Key {
        name: "readiness-initial-delay-seconds",
        allowed: "allowed is a whole number of seconds from 0 to 999999, in plain digits",
        fits: |text| value::whole(text, 0..=999_999),
    },
    Key {
        name: "readiness-period-seconds",
        allowed: COUNT,
        fits: count,
    },
    Key {
        name: "readiness-timeout-seconds",
        allowed: COUNT,
        fits: count,
    },
    Key {
        name: "readiness-success-threshold",
        allowed: COUNT,
        fits: count,
    },
    Key {
        name: "readiness-failure-threshold",
        allowed: COUNT,
        fits: count,
    },
    Key {
        name: "ready-when",
        allowed: "allowed is probe or registered",
        fits: |text| matches!(text, "probe" | "registered"),
    },
    Key {
        name: "ready-when-seconds",
        allowed: SECONDS_1,
        fits: seconds_1,
    },
    Key {
        name: "hook",
        allowed: "allowed is auto, script (needs /bin/sh in the image) or binary (needs nothing)",
        fits: |text| matches!(text, "auto" | "script" | "binary"),
    },
    Key {
        name: "hook-arch",
        allowed: "allowed is amd64 or arm64, the architecture of the nodes, for the helper binary",
        fits: |text| matches!(text, "amd64" | "arm64"),
    },
    Key {
        name: "start-hook",
        allowed: "allowed is auto or none",
        fits: |text| matches!(text, "auto" | "none"),
    },
    Key {
        name: "existing-pre-stop",
        allowed: "allowed is chain, keep or replace",
        fits: |text| matches!(text, "chain" | "keep" | "replace"),
    },
    Key {
        name: "existing-pre-stop-seconds",
        allowed: SECONDS_0,
        fits: seconds_0,
    },
    Key {
        name: "min-ready-seconds",
        allowed: SECONDS_0,
        fits: seconds_0,
    },
    Key {
        name: "rollout",
        allowed: "allowed is keep or surge",
        fits: |text| matches!(text, "keep" | "surge"),
    },
];

impl Key {
    /// Whether its value holds URLs.
    #[must_use]
    pub fn addresses(&self) -> bool {
        ["-server", "-agent", "-url"]
            .iter()
            .any(|ending| self.name.ends_with(ending))
    }

    /// Checks a value in its place.
    ///
    /// # Errors
    /// What is allowed, as the end of a sentence.
    pub(super) fn check(&self, text: &str, layer: Layer, methods: &[Method]) -> Result<(), String> {
        match self.name {
            "inject" if layer.is_authors() && text == "on-request" => {
                Err("allowed on a workload is enabled or disabled (true, false)".to_owned())
            }
            "deregister" if methods.iter().any(|method| method.name == text) => Ok(()),
            "deregister" => {
                let names: Vec<_> = methods.iter().map(|method| method.name).collect();
                Err(format!("allowed is one of {}", names.join(", ")))
            }
            "readiness" => Readiness::parse(text).map(drop).map_err(str::to_owned),
            _ if (self.fits)(text) => Ok(()),
            _ => Err(self.allowed.to_owned()),
        }
    }
}

/// Finds a key by its name without the prefix.
pub(super) fn lookup(name: &str, methods: &'static [Method]) -> Option<&'static Key> {
    super::catalogue(methods).find(|key| key.name == name)
}

/// The known key that a misspelled one is nearest to, if any is near enough to be meant.
#[must_use]
pub fn nearest(name: &str, methods: &'static [Method]) -> Option<&'static str> {
    /// Longer names are no typo, and the distance costs their length.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let folded = name.to_lowercase().replace('_', "-");
    super::catalogue(methods)
        .map(|key| (strsim::damerau_levenshtein(&folded, key.name), key.name))
        .min_by_key(|(distance, known)| (*distance, *known))
        .filter(|(distance, known)| *distance <= 2 + known.len() / 6)
        .map(|(_, known)| known)
}

/// The known key that an unknown one was probably meant for: the nearest by spelling; else, where the
/// value switches something on or off and nothing beside it is called so, `inject` (`enabled=true`).
#[must_use]
pub fn suggestion(
    name: &str,
    value: &str,
    beside: &Pairs<'_>,
    methods: &'static [Method],
) -> Option<&'static str> {
    const SWITCH: &str = "inject";
    nearest(name, methods).or_else(|| {
        let taken = beside
            .iter()
            .any(|(key, _)| key.strip_prefix(PREFIX) == Some(SWITCH));
        (!taken && Inject::parse(value).is_some()).then_some(SWITCH)
    })
}

/// Whether there is a key of this name, given without the prefix.
pub(crate) fn is_known(name: &str, methods: &'static [Method]) -> bool {
    lookup(name, methods).is_some()
}
