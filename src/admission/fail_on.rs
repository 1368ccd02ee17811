//! What a pipeline fails on: the same for the command line and the dry-run endpoint.

use std::str::FromStr;

use crate::engine::{Decision, Outcome, Reason};

/// One thing that a pipeline may ask to fail on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// An object that the webhook would deny.
    Rejected,
    /// A warning, or what is rejected.
    Warning,
    /// A workload that is not injected although nobody chose so, or what is rejected.
    Skipped,
}

impl Trouble {
    /// All there are, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Rejected, Self::Warning, Self::Skipped];

    /// The word in flags and parameters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Warning => "warning",
            Self::Skipped => "skipped",
        }
    }
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| "allowed is rejected, warning or skipped".to_owned())
    }
}

/// Everything that one run is to fail on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailOn(Vec<Trouble>);

impl FromIterator<Trouble> for FailOn {
    fn from_iter<I: IntoIterator<Item = Trouble>>(troubles: I) -> Self {
        Self(troubles.into_iter().collect())
    }
}

impl FailOn {
    /// Reads names with commas between them, as a parameter holds them: `warning,skipped`; `never` for nothing.
    ///
    /// # Errors
    /// What is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::default());
        }
        let troubles = text.split(',').map(Trouble::from_str);
        troubles.collect::<Result<Self, _>>().map_err(|_| {
            "allowed is rejected, warning or skipped, several with commas, or never".to_owned()
        })
    }

    /// Whether a decision is one to fail on. A rejected object is, whatever else was asked for.
    #[must_use]
    pub fn fails(&self, decision: &Decision) -> bool {
        self.0.iter().any(|trouble| {
            decision.outcome == Outcome::Rejected
                || match trouble {
                    Trouble::Rejected => false,
                    Trouble::Warning => !decision.warnings.is_empty(),
                    Trouble::Skipped => left_out(decision),
                }
        })
    }
}

/// Whether a workload stays without its injection although no annotation or flag asks for that.
fn left_out(decision: &Decision) -> bool {
    matches!(decision.outcome, Outcome::Skipped | Outcome::Removed) && !chosen(decision.reason)
}

/// Whether an annotation or a flag says that there is nothing to inject, or no workload is applied. A new reason must be
/// sorted in here.
fn chosen(reason: Reason) -> bool {
    match reason {
        Reason::NamespaceDisabled
        | Reason::NotRequested
        | Reason::WorkloadDisabled
        | Reason::Owned
        | Reason::LevelPod
        | Reason::LevelWorkload
        | Reason::WorkloadRef
        | Reason::RemovalAsked
        | Reason::NothingToRemove
        // No workload is applied.
        | Reason::OtherKind
        | Reason::OtherPod
        | Reason::OtherOperation
        | Reason::Subresource
        | Reason::NoObject
        // Those are injected.
        | Reason::Covered
        | Reason::Refreshed
        | Reason::Restored
        | Reason::RollbackKept
        | Reason::NothingChanged
        | Reason::AlreadyInjected => true,
        Reason::NamespaceNotOptedIn
        | Reason::LevelOff
        | Reason::NamespaceUnknown
        | Reason::InvalidAnnotation
        | Reason::NoContainer
        | Reason::NameTaken
        | Reason::NoRoom
        | Reason::Windows
        | Reason::BadGracePeriod
        | Reason::BadRecord
        | Reason::Malformed
        | Reason::KindNotCovered => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> FailOn {
        FailOn::parse(text).unwrap()
    }

    #[test]
    fn skipped_is_every_workload_left_out_that_nobody_chose_to_leave_out() {
        let caught: Vec<&str> = Reason::ALL
            .iter()
            .filter(|reason| on("skipped").fails(&Decision::skipped(**reason)))
            .map(|reason| reason.code())
            .collect();
        let expected = [
            "namespace-not-opted-in",
            "level-off",
            "bad-record",
            "namespace-unknown",
            "invalid-annotation",
            "no-container",
            "name-taken",
            "no-room",
            "windows",
            "bad-grace-period",
            "malformed",
            "kind-not-covered",
        ];
        assert_eq!(caught, expected);
    }

    #[test]
    fn each_trouble_counts_what_is_rejected_and_never_counts_nothing() {
        let rejected = Decision::rejected(Reason::InvalidAnnotation, "x");
        let warned = Decision::skipped(Reason::WorkloadDisabled).warn("x");
        let skipped = Decision::skipped(Reason::NamespaceNotOptedIn);
        for (text, expected) in [
            ("never", [false, false, false]),
            ("rejected", [true, false, false]),
            ("warning", [true, true, false]),
            ("skipped", [true, false, true]),
            ("warning,skipped", [true, true, true]),
        ] {
            let fails = [&rejected, &warned, &skipped].map(|decision| on(text).fails(decision));
            assert_eq!(fails, expected, "{text}");
        }
        for text in ["", "skip", "warning,", "never,warning", "Warning"] {
            let error = FailOn::parse(text).unwrap_err();
            assert!(error.starts_with("allowed is rejected"), "{text}");
        }
    }
}
