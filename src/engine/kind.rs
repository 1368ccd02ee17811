//! The kinds of workload that Silkroll knows: one row each.

/// What sets one kind apart.
#[derive(Debug)]
struct Row {
    kind: Kind,
    api_version: &'static str,
    name: &'static str,
    /// Where its pod template is, as a JSON pointer; a Pod is its own.
    template: &'static str,
    /// The member of `spec` that says how the pods are replaced.
    strategy: &'static str,
    /// What the API fills in for maxUnavailable and maxSurge (`SetDefaults_Deployment`,
    /// `SetDefaults_DaemonSet`), as JSON; none where the kind knows no surge.
    rolling: Option<(&'static str, &'static str)>,
    /// Whether `spec.progressDeadlineSeconds` bounds `minReadySeconds`.
    deadline: bool,
}

const ROWS: [Row; 4] = [
    Row {
        kind: Kind::Deployment,
        api_version: "apps/v1",
        name: "Deployment",
        template: "/spec/template",
        strategy: "strategy",
        rolling: Some((r#""25%""#, r#""25%""#)),
        deadline: true,
    },
    Row {
        kind: Kind::StatefulSet,
        api_version: "apps/v1",
        name: "StatefulSet",
        template: "/spec/template",
        strategy: "updateStrategy",
        rolling: None,
        deadline: false,
    },
    Row {
        kind: Kind::DaemonSet,
        api_version: "apps/v1",
        name: "DaemonSet",
        template: "/spec/template",
        strategy: "updateStrategy",
        rolling: Some(("1", "0")),
        deadline: false,
    },
    Row {
        kind: Kind::Pod,
        api_version: "v1",
        name: "Pod",
        template: "",
        strategy: "",
        rolling: None,
        deadline: false,
    },
];

/// The kinds of workload that Silkroll knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Deployment
    Deployment,
    /// `StatefulSet`
    StatefulSet,
    /// `DaemonSet`
    DaemonSet,
    /// Pod, where a namespace asks for `level: pod`.
    Pod,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [ROWS[0].kind, ROWS[1].kind, ROWS[2].kind, ROWS[3].kind];

    fn row(self) -> &'static Row {
        let row = ROWS.iter().find(|row| row.kind == self);
        row.unwrap_or(&ROWS[0])
    }

    /// The kind's name in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Finds a kind by `apiVersion` and `kind`.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let known = |row: &&Row| row.api_version == api_version && row.name == kind;
        ROWS.iter().find(known).map(|row| row.kind)
    }

    /// Where the pod template is, as a JSON pointer: empty for a Pod.
    #[must_use]
    pub fn template(self) -> &'static str {
        self.row().template
    }

    pub(super) fn strategy(self) -> &'static str {
        self.row().strategy
    }

    pub(super) fn rolling(self) -> Option<(&'static str, &'static str)> {
        self.row().rolling
    }

    pub(super) fn has_deadline(self) -> bool {
        self.row().deadline
    }
}
