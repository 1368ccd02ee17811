//! The kinds of workload that Silkroll knows: one row each.

/// What sets one kind apart.
#[derive(Debug)]
struct Row {
    kind: Kind,
    api_version: &'static str,
    name: &'static str,
    /// Where its pod template is, as a JSON pointer; a Pod is its own.
    template: &'static str,
    /// What it is called in the API's paths, and so in the webhook's rules.
    plural: &'static str,
    /// The member of `spec` that says how the pods are replaced.
    strategy: &'static str,
    /// The member of that with maxUnavailable and maxSurge.
    rolling: &'static str,
    /// What these are where they are left out, as JSON; none where the kind knows no surge.
    amounts: Option<(&'static str, &'static str)>,
    /// Whether `spec.progressDeadlineSeconds` bounds `minReadySeconds`.
    deadline: bool,
    /// Whether the API server fills in what a pod template leaves out, and writes each value in one way. It knows a
    /// custom resource by its schema alone: there its controller does so, in objects that it writes back.
    filled_in: bool,
}

/// The defaults are those of `SetDefaults_Deployment`, `SetDefaults_DaemonSet`, and of `utils/defaults` of Argo Rollouts
/// 1.10, whose `25` is a percentage to it.
const ROWS: [Row; 5] = [
    Row {
        kind: Kind::Deployment,
        api_version: "apps/v1",
        name: "Deployment",
        template: "/spec/template",
        plural: "deployments",
        strategy: "strategy",
        rolling: "rollingUpdate",
        amounts: Some((r#""25%""#, r#""25%""#)),
        deadline: true,
        filled_in: true,
    },
    Row {
        kind: Kind::StatefulSet,
        api_version: "apps/v1",
        name: "StatefulSet",
        template: "/spec/template",
        plural: "statefulsets",
        strategy: "updateStrategy",
        rolling: "rollingUpdate",
        amounts: None,
        deadline: false,
        filled_in: true,
    },
    Row {
        kind: Kind::DaemonSet,
        api_version: "apps/v1",
        name: "DaemonSet",
        template: "/spec/template",
        plural: "daemonsets",
        strategy: "updateStrategy",
        rolling: "rollingUpdate",
        amounts: Some(("1", "0")),
        deadline: false,
        filled_in: true,
    },
    Row {
        kind: Kind::Rollout,
        api_version: "argoproj.io/v1alpha1",
        name: "Rollout",
        template: "/spec/template",
        plural: "rollouts",
        strategy: "strategy",
        rolling: "canary",
        amounts: Some((r#""25%""#, r#""25%""#)),
        deadline: true,
        filled_in: false,
    },
    Row {
        kind: Kind::Pod,
        api_version: "v1",
        name: "Pod",
        template: "",
        plural: "pods",
        strategy: "",
        rolling: "",
        amounts: None,
        deadline: false,
        filled_in: true,
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
    /// The `Rollout` of Argo Rollouts
    Rollout,
    /// Pod, where a namespace asks for `level: pod`.
    Pod,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::Deployment; ROWS.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = ROWS[at].kind;
            at += 1;
        }
        all
    };

    fn row(self) -> &'static Row {
        let row = ROWS.iter().find(|row| row.kind == self);
        row.unwrap_or(&ROWS[0])
    }

    /// The kind's name in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Its `apiVersion` in manifests.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        self.row().api_version
    }

    /// Its name in the API's paths, as the webhook's rules have it.
    #[must_use]
    pub fn plural(self) -> &'static str {
        self.row().plural
    }

    /// Its name on the command line, as kubectl has it.
    #[must_use]
    pub fn option(self) -> &'static str {
        self.plural().trim_end_matches('s')
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

    pub(crate) fn strategy(self) -> &'static str {
        self.row().strategy
    }

    pub(crate) fn rolling(self) -> &'static str {
        self.row().rolling
    }

    pub(crate) fn amounts(self) -> Option<(&'static str, &'static str)> {
        self.row().amounts
    }

    pub(crate) fn has_deadline(self) -> bool {
        self.row().deadline
    }

    pub(crate) fn is_filled_in(self) -> bool {
        self.row().filled_in
    }
}
