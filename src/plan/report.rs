//! What came of a workload, and why: the same codes in warnings, logs, metrics, the dry-run answer
//! and the audit annotation.

use crate::text::shown;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The patch injects, refreshes or restores.
    Injected,
    /// The patch takes the injection out.
    Removed,
    /// It is as it should be; no patch.
    Unchanged,
    /// Silkroll has nothing to do with it; no patch.
    Skipped,
    /// The request is denied.
    Rejected,
}

impl Outcome {
    /// The word in logs, metrics and answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Removed => "removed",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Rejected => "rejected",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// Why.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// All reasons there are.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code in warnings, logs, metrics and answers.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means, for people.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+),)+ }
            }
        }
    };
}

reasons! {
    /// the namespace has opted in
    Covered = "covered",
    /// the injection was brought up to date with a change that the user made
    Refreshed = "refreshed",
    /// the user changed nothing, so the template stays as it was
    Restored = "restored",
    /// the template came back with its own injection, as a rollback brings it
    RollbackKept = "rollback-kept",
    /// neither the template nor an annotation of Silkroll changed
    NothingChanged = "nothing-changed",
    /// everything is there already
    AlreadyInjected = "already-injected",
    /// the namespace has not opted in
    NamespaceNotOptedIn = "namespace-not-opted-in",
    /// the namespace says disabled
    NamespaceDisabled = "namespace-disabled",
    /// the namespace says on-request and the workload does not say enabled
    NotRequested = "not-requested",
    /// the workload says disabled
    WorkloadDisabled = "workload-disabled",
    /// a controller owns the workload and would write it back; `inject: enabled` on itself says otherwise
    Owned = "owned",
    /// the namespace injects its Pods when they are created (`level: pod`); workloads stay as they are
    LevelPod = "level-pod",
    /// the namespace asks for `level: pod`, which is switched off
    LevelOff = "level-off",
    /// a Pod of a namespace that does not ask for `level: pod`
    LevelWorkload = "level-workload",
    /// a Pod of a Job, without a controller, that is not always restarted, or the mirror of a static one
    OtherPod = "other-pod",
    /// the pod template is that of the workload that `workloadRef` names, which is injected in its place
    WorkloadRef = "workload-ref",
    /// the record of an earlier injection is lost or cannot be read, so the object is left alone
    BadRecord = "bad-record",
    /// the namespace is not known (yet)
    NamespaceUnknown = "namespace-unknown",
    /// an annotation cannot be used
    InvalidAnnotation = "invalid-annotation",
    /// no container is known to serve traffic
    NoContainer = "no-container",
    /// a volume or mount path of Silkroll's is taken
    NameTaken = "name-taken",
    /// the pod template's annotations leave no room for the record
    NoRoom = "no-room",
    /// Windows pods have no shell for the script
    Windows = "windows",
    /// the grace period is not a number of seconds
    BadGracePeriod = "bad-grace-period",
    /// the object cannot be read as a workload
    Malformed = "malformed",
    /// another kind of object
    OtherKind = "other-kind",
    /// this kind is not covered by the settings
    KindNotCovered = "kind-not-covered",
    /// neither a CREATE nor an UPDATE
    OtherOperation = "other-operation",
    /// a subresource
    Subresource = "subresource",
    /// there is no object
    NoObject = "no-object",
    /// removal was asked for
    RemovalAsked = "removal-asked",
    /// there is nothing of Silkroll's to remove
    NothingToRemove = "nothing-to-remove",
}

/// One decision: a code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The part that was decided on, e.g. `pre-stop`.
    pub part: &'static str,
    /// The container; empty for the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// What was decided and why.
    pub text: String,
}

/// How the pod stops, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// At most, for deregistering, before the drain.
    pub deregister: i64,
    /// For callers to forget the pod.
    pub drain: i64,
    /// At most, after the drain, while clients hold connections (`drain-until-idle-seconds`).
    pub idle: i64,
    /// At most, for the server to end after the drain (`nginx`, `signal`).
    pub end: i64,
    /// For the user's own hook; none where nothing bounds it but the grace period.
    pub hook: Option<i64>,
    /// When SIGTERM comes at the latest; none where an own hook may take up to `sigkill`.
    pub sigterm: Option<i64>,
    /// The app's own time after SIGTERM, before the kubelet ends it; none as `sigterm`.
    pub shutdown: Option<i64>,
    /// When SIGKILL comes: terminationGracePeriodSeconds.
    pub sigkill: i64,
}

/// What came of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The JSON patch (RFC 6902) as text; none where nothing is to be changed.
    pub patch: Option<String>,
    /// For kubectl: what the user needs to act on, each under 250 characters.
    pub warnings: Vec<String>,
    /// Why the request is denied.
    pub denial: Option<String>,
    /// The decisions one by one, where they were asked for.
    pub steps: Vec<Step>,
    /// How the pod will stop, where it was injected.
    pub timeline: Option<Timeline>,
    /// Whether the pods mount this version's helper binary, whose ConfigMap must then be there.
    pub helper: bool,
}

/// The API server may cut warnings over 256 characters (KEP-1693).
const WARNING_CHARS: usize = 249;
/// More would not be shown: an API server cuts all warnings of an answer at 4096 characters, and each at 256 then
/// (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const WARNINGS: usize = 16;
/// A denial has a problem for each annotation that cannot be used; ten say enough.
const DENIAL_CHARS: usize = 2000;
const NAME: &str = "silkroll: ";
/// How a warning begins where nothing is injected, and where what was injected before stays.
const NOTHING: &str = "nothing was injected: ";
const STAYS: &str = "the injection stays as it was: ";

impl Decision {
    pub(crate) fn new(outcome: Outcome, reason: Reason) -> Self {
        Self {
            outcome,
            reason,
            patch: None,
            warnings: Vec::new(),
            denial: None,
            steps: Vec::new(),
            timeline: None,
            helper: false,
        }
    }

    /// An answer that leaves the object alone.
    #[must_use]
    pub fn skipped(reason: Reason) -> Self {
        Self::new(Outcome::Skipped, reason)
    }

    /// An answer that denies the request.
    #[must_use]
    pub fn rejected(reason: Reason, denial: &str) -> Self {
        let mut decision = Self::new(Outcome::Rejected, reason);
        decision.denial = Some(shown(denial, DENIAL_CHARS).into_owned());
        decision
    }

    /// Adds a warning, cut to what kubectl is sure to show.
    #[must_use]
    pub fn warn(mut self, text: &str) -> Self {
        self.push_warning(text);
        self
    }

    /// The same, told of a workload whose injection from before stays.
    pub(crate) fn of_what_stays(mut self) -> Self {
        for line in std::mem::take(&mut self.warnings) {
            let text = line.strip_prefix(NAME).unwrap_or(&line);
            match text.strip_prefix(NOTHING) {
                Some(why) => self.push_warning(&format!("{STAYS}{why}")),
                None => self.push_warning(text),
            }
        }
        self
    }

    pub(crate) fn push_warning(&mut self, text: &str) {
        let line = format!("{NAME}{}", shown(text, WARNING_CHARS - NAME.len()));
        if self.warnings.len() >= WARNINGS || self.warnings.contains(&line) {
            return;
        }
        self.warnings.push(if self.warnings.len() + 1 < WARNINGS {
            line
        } else {
            format!("{NAME}there is more to warn of; mend these first")
        });
    }
}
