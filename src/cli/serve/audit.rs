//! The audit, as `silkroll serve` runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cluster::Audit;
use crate::server::routes::App;
use crate::snapshot::Namespaces;

/// What is audited by. `complete` says whether the engine's settings are those of this cluster yet.
pub(super) fn audit(
    every: Duration,
    home: String,
    app: &Arc<App>,
    namespaces: Arc<Namespaces>,
    complete: Arc<AtomicBool>,
) -> Audit {
    let asked = Arc::clone(&app.asked);
    let app = Arc::clone(app);
    let settings = move || {
        complete
            .load(Ordering::Relaxed)
            .then(|| app.settings.load_full())
    };
    Audit {
        every,
        home,
        identity: identity(),
        settings: Arc::new(settings),
        namespaces,
        asked,
    }
}

/// The pod's name, and what makes it this process: a container that is started again has the same one.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_nanos());
    format!("{host}_{}_{since:x}", std::process::id())
}
