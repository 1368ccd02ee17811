//! What the generator tells of itself where it runs in a pod. Whoever asks does so through the API
//! server's proxy, with GET, and may ask again: the answer is the same.

use serde::{Deserialize, Serialize};

use crate::record::{Load, Millis};

/// Where it listens.
pub const PORT: u16 = 8081;

/// How it is doing.
pub const STATE: &str = "/state";

/// Sends no more, and gives what became of all. Again: the same once more.
pub const STOP: &str = "/stop";

/// The answer to both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// What its clock says.
    pub now_ms: Millis,
    /// When its first request was due; none before the service has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<Millis>,
    /// Why there is no load, and will be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// What it saw, once it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}
