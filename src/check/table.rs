//! The table of rules: code, severity, what it means for callers, what to do, and the page of each.

use std::fmt;
use std::str::FromStr;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Requests are lost under circumstances that come.
    Warning,
    /// Requests are lost at every rollout, or a rollout cannot go on.
    Error,
}

impl Severity {
    /// All there are, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// The word in outputs and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| "allowed is error, warning or info".to_owned())
    }
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name in the code.
    pub(super) id: Id,
    /// Stable: it never changes its meaning.
    pub code: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// What is found, in a few words.
    pub title: &'static str,
    /// What happens to callers' requests.
    pub harm: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// Its page, with a bad and a good manifest and the source.
    pub page: &'static str,
}

impl Rule {
    /// Where its page stands in the project.
    #[must_use]
    pub fn page_path(&self) -> String {
        format!("docs/check/{}.md", self.code)
    }

    /// Finds a rule by its code.
    #[must_use]
    pub fn find(code: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.code == code)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl Id {
    /// The rule of that name.
    #[must_use]
    pub(super) fn rule(self) -> &'static Rule {
        let rule = RULES.iter().find(|rule| rule.id == self);
        // A test holds that each name has its row.
        rule.unwrap_or(&RULES[0])
    }
}

/// The names of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Id {
    Sr001,
    Sr101,
    Sr102,
    Sr103,
    Sr104,
    Sr105,
    Sr106,
    Sr107,
    Sr108,
    Sr109,
    Sr110,
    Sr201,
    Sr202,
    Sr203,
    Sr204,
    Sr205,
    Sr206,
    Sr301,
    Sr302,
    Sr303,
    Sr401,
    Sr402,
    Sr403,
    Sr404,
    Sr405,
    Sr501,
    Sr502,
    Sr503,
    Sr504,
    Sr601,
    Sr602,
    Sr603,
}

/// All rules, in the order of their codes.
pub const RULES: &[Rule] = &[
    Rule {
        id: Id::Sr001,
        code: "SR001",
        severity: Severity::Warning,
        title: "an ignore without a code or a reason",
        harm: "It has no effect: what it was meant to silence is reported, and a reader cannot tell why it stands there.",
        advice: "Write the codes and the reason: `# silkroll:ignore SR301 one is enough for a nightly report`, or the same text in the annotation `silkroll.dev/ignore`, several with a semicolon between them.",
        page: include_str!("../../docs/check/SR001.md"),
    },
    Rule {
        id: Id::Sr101,
        code: "SR101",
        severity: Severity::Error,
        title: "nothing delays SIGTERM",
        harm: "The server stops while endpoints, proxies and registries still lead callers to it: their requests are refused or reset.",
        advice: "Add a preStop hook that waits until callers have forgotten the pod: `sleep: {seconds: 15}` (Kubernetes 1.30), and a grace period that holds it and the app's own shutdown.",
        page: include_str!("../../docs/check/SR101.md"),
    },
    Rule {
        id: Id::Sr102,
        code: "SR102",
        severity: Severity::Error,
        title: "the preStop hook takes as long as the grace period, or longer",
        harm: "The time is over when the hook ends: the server is killed with every request that it holds.",
        advice: "Make the grace period longer than the hook by what the app needs to finish, or the hook shorter.",
        page: include_str!("../../docs/check/SR102.md"),
    },
    Rule {
        id: Id::Sr103,
        code: "SR103",
        severity: Severity::Warning,
        title: "the hook and the app's shutdown do not both fit into the grace period",
        harm: "The hook eats the app's own time: requests that are being answered when it is up are cut off.",
        advice: "Set `terminationGracePeriodSeconds` to the hook's seconds, the app's shutdown time and a few seconds to spare.",
        page: include_str!("../../docs/check/SR103.md"),
    },
    Rule {
        id: Id::Sr104,
        code: "SR104",
        severity: Severity::Error,
        title: "an exec hook in an image that is known to have no shell",
        harm: "The hook cannot start and Kubernetes goes on to SIGTERM at once: the server stops while callers are still led to it.",
        advice: "Use the native `sleep` action, which needs nothing in the image, or a program that is in it.",
        page: include_str!("../../docs/check/SR104.md"),
    },
    Rule {
        id: Id::Sr105,
        code: "SR105",
        severity: Severity::Warning,
        title: "the server runs behind a shell or a package manager that forwards no signal",
        harm: "The shell gets the SIGTERM and the server does not: it works on until it is killed, and what it holds then is lost.",
        advice: "Put `exec` before the server's command, or start the server itself: `command: [node, server.js]`.",
        page: include_str!("../../docs/check/SR105.md"),
    },
    Rule {
        id: Id::Sr106,
        code: "SR106",
        severity: Severity::Warning,
        title: "a server that does not end gracefully on the signal that it gets",
        harm: "It drops the requests that it is answering when it is told to stop.",
        advice: "Tell it to finish in a preStop hook and wait for it (`nginx -s quit`), use an image whose stop signal is the graceful one, or set what the server needs.",
        page: include_str!("../../docs/check/SR106.md"),
    },
    Rule {
        id: Id::Sr107,
        code: "SR107",
        severity: Severity::Warning,
        title: "a grace period in which no hook can run",
        harm: "Kubernetes kills the containers at once or nearly so: no hook runs, and what is being answered is lost.",
        advice: "Set `terminationGracePeriodSeconds` to what the hook and the app's shutdown take, 30 at least.",
        page: include_str!("../../docs/check/SR107.md"),
    },
    Rule {
        id: Id::Sr108,
        code: "SR108",
        severity: Severity::Info,
        title: "less time to shut down than the framework takes",
        harm: "A slow request or a slow phase of the shutdown is cut off when the grace period is over.",
        advice: "Make the grace period longer, or tell the framework to take less.",
        page: include_str!("../../docs/check/SR108.md"),
    },
    Rule {
        id: Id::Sr109,
        code: "SR109",
        severity: Severity::Warning,
        title: "a hand-written hook leaves a registry and nothing brings the instance back",
        harm: "The switch sticks to the address: a container that is restarted in its pod, or a new pod at the same address, stays out of the registry for as long as it lives.",
        advice: "Add a postStart hook that switches the instance on again, or leave both to Silkroll (`silkroll.dev/deregister`).",
        page: include_str!("../../docs/check/SR109.md"),
    },
    Rule {
        id: Id::Sr110,
        code: "SR110",
        severity: Severity::Warning,
        title: "a hook that deletes the instance from its registry",
        harm: "The client's next heartbeat, seconds later, registers the instance again: callers come back to a server that is about to stop.",
        advice: "Switch the instance off and do not delete it: Nacos `enabled=false`, Eureka `status?value=OUT_OF_SERVICE`.",
        page: include_str!("../../docs/check/SR110.md"),
    },
    Rule {
        id: Id::Sr201,
        code: "SR201",
        severity: Severity::Error,
        title: "no readiness probe on a container that a Service leads to",
        harm: "A new pod counts as ready when its process starts: callers are led to it before it listens, and the rollout takes the old pods away.",
        advice: "Add a readiness probe that passes once the app answers, a TCP probe at least.",
        page: include_str!("../../docs/check/SR201.md"),
    },
    Rule {
        id: Id::Sr202,
        code: "SR202",
        severity: Severity::Warning,
        title: "the liveness probe is the readiness probe",
        harm: "A server that is too busy to answer in time is restarted in the moment that it should only get less to do; so are all others that share the load.",
        advice: "Give the liveness probe a cheaper check, or far more failures than the readiness probe.",
        page: include_str!("../../docs/check/SR202.md"),
    },
    Rule {
        id: Id::Sr203,
        code: "SR203",
        severity: Severity::Info,
        title: "minReadySeconds is 0, and callers find the pods in a registry",
        harm: "A pod counts as available before its callers have seen it in the registry: the rollout takes old pods away while the new ones get no requests.",
        advice: "Set `minReadySeconds` to the time that callers need to see a new instance.",
        page: include_str!("../../docs/check/SR203.md"),
    },
    Rule {
        id: Id::Sr204,
        code: "SR204",
        severity: Severity::Warning,
        title: "the liveness probe fails before the app has started, and there is no startup probe",
        harm: "A slow start is taken for a hang: the container is restarted again and again, and a rollout stands still with less capacity.",
        advice: "Add a startup probe that allows for the slowest start, or an `initialDelaySeconds` above it.",
        page: include_str!("../../docs/check/SR204.md"),
    },
    Rule {
        id: Id::Sr205,
        code: "SR205",
        severity: Severity::Warning,
        title: "a Service that leads to pods which are not ready",
        harm: "Callers are led to pods that have not started yet, and to those that are ending.",
        advice: "Take `publishNotReadyAddresses` off the Service that callers use; keep it on a headless one for the peers.",
        page: include_str!("../../docs/check/SR205.md"),
    },
    Rule {
        id: Id::Sr206,
        code: "SR206",
        severity: Severity::Error,
        title: "a probe on a named port that the container does not have",
        harm: "The probe fails always: a pod with such a readiness probe gets no requests, one with such a liveness probe is restarted for ever.",
        advice: "Name a port that this container declares, or give the number.",
        page: include_str!("../../docs/check/SR206.md"),
    },
    Rule {
        id: Id::Sr301,
        code: "SR301",
        severity: Severity::Warning,
        title: "one replica",
        harm: "While it is replaced, evicted or restarted nobody answers.",
        advice: "Run two or more, where the app can, with a PodDisruptionBudget.",
        page: include_str!("../../docs/check/SR301.md"),
    },
    Rule {
        id: Id::Sr302,
        code: "SR302",
        severity: Severity::Warning,
        title: "the rollout takes capacity away",
        harm: "While it runs fewer pods answer than were asked for, with Recreate none: those that are left are overloaded, or nobody answers.",
        advice: "Set `maxUnavailable: 0` and `maxSurge: 1`, or `silkroll.dev/rollout: surge`.",
        page: include_str!("../../docs/check/SR302.md"),
    },
    Rule {
        id: Id::Sr303,
        code: "SR303",
        severity: Severity::Warning,
        title: "a blue-green Rollout scales the old pods down before callers have gone",
        harm: "The old pods end while proxies or registries still lead callers to them.",
        advice: "Set `scaleDownDelaySeconds` above the time that callers need to move over, 30 at least.",
        page: include_str!("../../docs/check/SR303.md"),
    },
    Rule {
        id: Id::Sr401,
        code: "SR401",
        severity: Severity::Error,
        title: "a PodDisruptionBudget that blocks every drain",
        harm: "No pod may ever be evicted: a node's drain waits until an operator loses patience and kills the pods without any order.",
        advice: "Leave one pod to spare: `maxUnavailable: 1`, or more replicas than `minAvailable`.",
        page: include_str!("../../docs/check/SR401.md"),
    },
    Rule {
        id: Id::Sr402,
        code: "SR402",
        severity: Severity::Info,
        title: "no PodDisruptionBudget",
        harm: "Drains of two nodes at the same time may take all pods away at once.",
        advice: "Add one with `maxUnavailable: 1`.",
        page: include_str!("../../docs/check/SR402.md"),
    },
    Rule {
        id: Id::Sr403,
        code: "SR403",
        severity: Severity::Warning,
        title: "the PodDisruptionBudget wants as many pods as the autoscaler's minimum, or more",
        harm: "At the minimum, mostly at night, no pod may be evicted: drains and node upgrades wait.",
        advice: "Raise `minReplicas` above `minAvailable`, or say `maxUnavailable: 1`.",
        page: include_str!("../../docs/check/SR403.md"),
    },
    Rule {
        id: Id::Sr404,
        code: "SR404",
        severity: Severity::Warning,
        title: "a grace period above 600 seconds",
        harm: "The cluster autoscaler waits 600 seconds at most by default, and then kills what still runs.",
        advice: "Stay below 600 seconds, or raise `--max-graceful-termination-sec` at the autoscaler.",
        page: include_str!("../../docs/check/SR404.md"),
    },
    Rule {
        id: Id::Sr405,
        code: "SR405",
        severity: Severity::Error,
        title: "a grace period above what spot nodes give",
        harm: "When the provider takes the node back, the pod is killed before its grace period is over, with what it holds.",
        advice: "Bound hook and shutdown by what the provider gives, or run what needs longer on other nodes.",
        page: include_str!("../../docs/check/SR405.md"),
    },
    Rule {
        id: Id::Sr501,
        code: "SR501",
        severity: Severity::Warning,
        title: "the drain is shorter than the load balancer needs to let go of the pod",
        harm: "The balancer goes on sending new connections to a pod that has stopped: they are refused, callers see 502 and 504.",
        advice: "Wait in the preStop hook for as long as the balancer needs: 60 seconds behind an ALB, 120 behind an NLB, or your own deregistration delay.",
        page: include_str!("../../docs/check/SR501.md"),
    },
    Rule {
        id: Id::Sr502,
        code: "SR502",
        severity: Severity::Warning,
        title: "externalTrafficPolicy Local and a short drain",
        harm: "The balancer finds out by its health checks that the node has no pod left: until several have failed it sends new connections to a node where nobody answers.",
        advice: "Wait in the preStop hook for as long as the balancer's health checks take, 30 seconds at least.",
        page: include_str!("../../docs/check/SR502.md"),
    },
    Rule {
        id: Id::Sr503,
        code: "SR503",
        severity: Severity::Warning,
        title: "hostNetwork and a registry",
        harm: "The address is the node's and is used again at once: what was switched off in the registry stays off for the next pod, and callers who still have the old pod in their list reach another one.",
        advice: "Use the pod network, or a method with a way back (`silkroll.dev/deregister`).",
        page: include_str!("../../docs/check/SR503.md"),
    },
    Rule {
        id: Id::Sr504,
        code: "SR504",
        severity: Severity::Warning,
        title: "a sidecar that ends before the app",
        harm: "The proxy stops at SIGTERM, at the same time as the app begins to finish: requests that are being answered lose their network or their database.",
        advice: "Make it a native sidecar (an init container with `restartPolicy: Always`, Kubernetes 1.29), without a hook that ends it, or have it wait as long as the app's hook.",
        page: include_str!("../../docs/check/SR504.md"),
    },
    Rule {
        id: Id::Sr601,
        code: "SR601",
        severity: Severity::Info,
        title: "another controller owns this workload",
        harm: "What is changed here its owner writes back; an injection would be undone.",
        advice: "Annotate its namespace with `silkroll.dev/level: pod`, or have the owner write what is missing.",
        page: include_str!("../../docs/check/SR601.md"),
    },
    Rule {
        id: Id::Sr602,
        code: "SR602",
        severity: Severity::Error,
        title: "its namespace has opted in and it is not injected",
        harm: "It was applied before the namespace opted in, or while Silkroll was away: its pods stop without a drain.",
        advice: "Restart it: `kubectl rollout restart --field-manager=silkroll`, or apply it again.",
        page: include_str!("../../docs/check/SR602.md"),
    },
    Rule {
        id: Id::Sr603,
        code: "SR603",
        severity: Severity::Warning,
        title: "it was injected by another version of Silkroll",
        harm: "Its pods run the hook of that version, with its faults.",
        advice: "Nothing is urgent: it gets the new one when it is applied or restarted next.",
        page: include_str!("../../docs/check/SR603.md"),
    },
];
