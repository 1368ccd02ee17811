//! What a run leaves behind: every request counted, every lost one with its cause, and what
//! happened to the pods meanwhile.
//!
//! Times ending in `_ms` are milliseconds since the Unix epoch, so that the load generator, the
//! watcher of the pods and whoever rolls need to share nothing but a clock. Durations say so.

use std::fmt;
use std::net::SocketAddrV4;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// The time now, as records have it.
#[must_use]
pub fn now_ms() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
        })
}

/// Which of the two arms a run belongs to: the same manifests, with the annotation and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// Without the annotation. It has to lose, or the scenario proves nothing.
    Control,
    /// With the annotation. It must lose nothing.
    Silkroll,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "control",
            Self::Silkroll => "silkroll",
        })
    }
}

/// One arm of one scenario, from its first request to its last answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The scenario's name: what the two arms are paired by.
    pub scenario: String,
    /// Which arm this is.
    pub arm: Arm,
    /// When the first request was due.
    pub started_ms: Millis,
    /// The load itself.
    #[serde(flatten)]
    pub load: Load,
    /// Every pod that lived during the run, in the order in which they were created.
    #[serde(default)]
    pub pods: Vec<Pod>,
    /// Every rollout, drain or the like, in order.
    #[serde(default)]
    pub rollouts: Vec<Rollout>,
    /// Every restart in place, where the scenario is about that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absences: Vec<Absence>,
    /// How long callers may ask a pod that has gone: as old as their list gets.
    #[serde(default)]
    pub remembered_ms: u64,
    /// For so many seconds in a row no request may be answered, or this control arm proves nothing.
    #[serde(default)]
    pub silent_seconds: u64,
    /// What else was seen and belongs in the report, one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Run {
    /// A run of which the load is known, and nothing else so far.
    #[must_use]
    pub fn new(scenario: &str, arm: Arm, started_ms: Millis, load: Load) -> Self {
        Self {
            scenario: scenario.to_owned(),
            arm,
            started_ms,
            load,
            pods: Vec::new(),
            rollouts: Vec::new(),
            absences: Vec::new(),
            remembered_ms: 0,
            silent_seconds: 0,
            notes: Vec::new(),
        }
    }

    /// How many requests were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.load.seconds.iter().map(|second| second.sent).sum()
    }

    /// How many were answered as they should be.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.load.seconds.iter().map(|second| second.ok).sum()
    }

    /// How many were lost; `Load::lost` may have left some out, the counts never do.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.load.seconds.iter().map(|second| second.lost).sum()
    }

    /// How many pods were told to go during the run and have gone, whoever did it.
    #[must_use]
    pub fn replaced(&self) -> usize {
        let gone = |pod: &&Pod| pod.deleted_ms.is_some() && pod.gone_ms.is_some();
        self.pods.iter().filter(gone).count()
    }
}

/// What the load generator saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Requests a second, as asked for.
    pub rate: u32,
    /// One for each second, without gaps, counted by when a request was due.
    pub seconds: Vec<Second>,
    /// The lost requests in the order in which they were due; the first of them, if there are too many.
    pub lost: Vec<Lost>,
    /// How long the slowest answered request took beyond what it asked the server to take.
    pub slowest_ms: u64,
    /// Kept connections that the other end closed while they were idle, seen before a request was
    /// written: they cost nothing.
    #[serde(default)]
    pub closed_idle: u64,
    /// Requests sent again on a new connection, where the run allowed it.
    #[serde(default)]
    pub retried: u64,
    /// How late the generator itself was.
    pub lateness: Lateness,
}

/// The requests that were due in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Seconds since the start of the run.
    pub second: u64,
    /// Requests sent; in the end each is either ok or lost.
    pub sent: u64,
    /// Answered as they should be.
    pub ok: u64,
    /// Everything else.
    pub lost: u64,
    /// The slowest answer, beyond what its request asked the server to take.
    pub slowest_ms: u64,
}

/// How late the generator sent what was due: a busy machine must not pass for a fast service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// Half of the requests were not later than this.
    pub p50_ms: u64,
    /// All but one in a hundred were not later than this.
    pub p99_ms: u64,
    /// None was later than this.
    pub max_ms: u64,
}

impl Lateness {
    /// Later than this at p99, and the rate was not what was asked for: ten times what a timer's
    /// tick and a busy machine of two cores take, a quarter of what a user would notice.
    pub const TOLERABLE_MS: u64 = 50;

    /// Later than this, and nothing can be said of seconds any more.
    pub const HOPELESS_MS: u64 = 1000;

    /// Whether the generator kept to its plan.
    #[must_use]
    pub fn tolerable(&self) -> bool {
        self.p99_ms <= Self::TOLERABLE_MS
    }
}

/// A request that got no answer, or not the one it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When it was due.
    pub at_ms: Millis,
    /// How long after that it was known to be lost.
    pub after_ms: u64,
    /// Which connection it was on.
    pub connection: Connection,
    /// How old the connection was when the request was written; none where none came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_age_ms: Option<u64>,
    /// What became of it.
    pub kind: Kind,
    /// The error in full.
    pub detail: String,
    /// What was asked for, with the address that it went to.
    pub url: String,
    /// Whether kube-proxy's rules refused a connection to that address just then, which nothing of a pod leads to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undelivered: bool,
    /// The pod at the other end, where that is known: kept connections know who answered before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// What the pod was doing, or the pods that it may have been; filled in afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PodPhase>,
}

/// A new connection to a Service with endpoints that kube-proxy's rules refused by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// When its first packet came.
    pub at_ms: Millis,
    /// The Service's address and port.
    pub to: SocketAddrV4,
}

impl Undelivered {
    /// What the load generator's clock and the kernel's may differ by, and what a busy machine takes in between.
    const NEAR_MS: Millis = 100;

    /// Can this lost request have been on that connection?
    #[must_use]
    pub fn is(&self, lost: &Lost) -> bool {
        let (from, to) = (lost.at_ms, lost.at_ms + lost.after_ms);
        let then = from.saturating_sub(Self::NEAR_MS)..=to + Self::NEAR_MS;
        lost.kind == Kind::Refused
            && lost.connection == Connection::New
            && then.contains(&self.at_ms)
            && lost.url.contains(&format!("//{}/", self.to))
    }
}

/// Which connection a request was sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    /// One of its own.
    New,
    /// One that had carried requests before.
    Kept,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Kept => "kept",
        })
    }
}

/// What became of a lost request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Nothing listened.
    Refused,
    /// The network knew no way there: host or network unreachable.
    Unreachable,
    /// The connection was cut with a reset.
    Reset,
    /// The connection was closed in an orderly way before the answer was whole.
    Closed,
    /// No whole answer in time.
    Timeout,
    /// An answer with a status that is no success.
    Status(u16),
    /// The generator's own side ran out of something, such as ports: says nothing about the service.
    Local,
    /// Anything else, such as an answer that is not HTTP.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Reset => f.write_str("reset"),
            Self::Closed => f.write_str("closed"),
            Self::Timeout => f.write_str("timeout"),
            Self::Status(code) => write!(f, "{code}"),
            Self::Local => f.write_str("local"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// A pod's life, as far as it was seen. What did not happen during the run is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The object came into being.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ms: Option<Millis>,
    /// Its container started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<Millis>,
    /// It became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<Millis>,
    /// It was told to go: the object has a deletion timestamp, the pre-stop hook begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ms: Option<Millis>,
    /// Its program got SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed_ms: Option<Millis>,
    /// Its containers have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_ms: Option<Millis>,
    /// Until when callers had it on their list, where they keep one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_ms: Option<Millis>,
    /// Each time its container was started again in place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restart>,
}

/// A container that was started again in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// The kubelet gave it up: the pre-stop hook begins.
    pub failed_ms: Millis,
    /// Its program got SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed_ms: Option<Millis>,
    /// The new container started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<Millis>,
    /// The pod was ready again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<Millis>,
}

/// An instance that was not in its registry while its container restarted in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The pod's name.
    pub pod: String,
    /// With Silkroll, and told not to inject a start hook.
    #[serde(default)]
    pub without_start_hook: bool,
    /// The registry listed it no more.
    pub out_ms: Millis,
    /// The new container started.
    pub started_ms: Millis,
    /// The registry listed it again, and went on to; none where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_ms: Option<Millis>,
    /// Until when that was watched.
    pub watched_until_ms: Millis,
}

/// What a pod is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Created, and no container yet.
    Pending,
    /// The container runs and is not ready.
    Starting,
    /// It serves.
    Ready,
    /// It was told to go and has not had SIGTERM: the pre-stop hook runs.
    Draining,
    /// After SIGTERM.
    Stopping,
    /// Its containers have ended.
    Gone,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Gone => "gone",
        })
    }
}

/// A pod's phase at some moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodPhase {
    /// The pod's name.
    pub pod: String,
    /// What it was doing.
    pub phase: Phase,
    /// For how long it had been doing that.
    pub for_ms: u64,
}

/// Something that replaces pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// When it was asked for.
    pub at_ms: Millis,
    /// How, as one would type it: `kubectl rollout restart`.
    pub how: String,
    /// How many pods it replaces; none where containers restart in place.
    #[serde(default)]
    pub pods: usize,
}
