//! The audit, as `silkroll serve` runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::{AUDIT, Args, own_namespace, told};
use crate::cli::supervise::Tasks;
use crate::cluster::{Audit, Cluster, Observer};
use crate::server::routes::App;

/// Starts it, unless it is switched off; what is returned stops it by being dropped. `complete` says whether the engine's
/// settings are those of this cluster yet.
pub(super) fn start(
    args: &Args,
    cluster: &Cluster,
    app: &Arc<App>,
    observer: &Arc<dyn Observer>,
    complete: Arc<AtomicBool>,
    tasks: &mut Tasks,
) -> Option<oneshot::Sender<()>> {
    if args.audit_interval == 0 {
        return None;
    }
    let of = Arc::clone(app);
    let settings = move || {
        let known = complete.load(Ordering::Relaxed);
        known.then(|| of.settings.load_full())
    };
    let audit = Audit {
        every: Duration::from_secs(args.audit_interval),
        home: own_namespace(),
        lease: format!("{}-audit", args.service),
        identity: identity(),
        settings: Arc::new(settings),
        namespaces: Arc::clone(&app.namespaces),
        asked: Arc::clone(&app.asked),
    };
    let (stop, stopping) = oneshot::channel();
    let run = (cluster.clone()).audit(audit, Arc::clone(observer), told(stopping));
    tasks.spawn(AUDIT, async {
        run.await;
        Ok(())
    });
    Some(stop)
}

/// The pod's name, and what makes it this process: a container that is started again has the same one.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_nanos());
    format!("{host}_{}_{since:x}", std::process::id())
}
