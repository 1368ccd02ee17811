//! The HTTPS port: `/mutate` for the API server, `/dry-run` for people and pipelines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use tokio::sync::Semaphore;

use super::bodies::{self, ALLOWANCE, Unread};
use super::page;
use super::pool::{Pool, PoolPlace};
use super::preview::Preview;
use super::shares::Peer;
use crate::admission::manifests::{NamespaceSource, view_of};
use crate::admission::values::{self, MOST_VALUES};
use crate::admission::{MAX_BODY, Review, answer};
use crate::engine::{Decision, Kind, NamespaceView, Settings};
use crate::observe::Metrics;
use crate::snapshot::{Asked, Namespaces};
use crate::text::shown;

/// How long a request waits for a namespace that the snapshot does not have: the watch event of a
/// namespace made in the same `kubectl apply` is milliseconds behind, and more than 0.7 s was seen on
/// a node with ten times the work that it can do. After 3 s the API server goes on without us.
const NAMESPACE_WAIT: Duration = Duration::from_secs(2);

/// How long the first workload of a namespace that gets the helper waits for its ConfigMap, which is written meanwhile:
/// tens of milliseconds, unless the API server is slow or says no. Without it the answer is the same but for a Pod's
/// start hook.
const HELPER_WAIT: Duration = Duration::from_secs(1);

/// Reviews that wait at once, for a namespace or the helper; one more is answered as after the wait. A connection that waits works and
/// is never made to go, so this leaves three quarters of the 512 to those that need no wait.
const NAMESPACE_WAITS: usize = 128;

/// How long a large review waits for its turn: with the namespace's wait that is all the time that an API server has. What
/// nobody waits for any more is not to hold its memory.
const TURN: Duration = Duration::from_secs(2);

/// How long a body may take: whoever has a review to send has it at hand, and a sender that dribbles
/// must not hold one of the connections that others need.
const BODY: Duration = Duration::from_secs(5);

/// Dry runs at once, their bodies still coming included; more are told to come back. Far below the
/// connections that there are, so that `/mutate` always finds one.
const DRY_RUNS: usize = 32;

/// Bytes beyond the allowances of bodies and answers of `/mutate`: three of the largest.
const MUTATE_POOL: usize = 3 * MAX_BODY;
/// The same for `/dry-run`, of its own so that its load cannot starve `/mutate`.
const DRY_RUN_POOL: usize = 4 * MAX_BODY;

/// The longest name in the log, in characters: no object of a cluster has a longer one.
const NAME: usize = 253;
/// The longest message of a refusal in the log, in characters.
const MESSAGE: usize = 500;

/// What the routes need.
#[derive(Debug)]
pub struct App {
    /// The engine's settings; swapped when the cluster's version becomes known.
    pub settings: ArcSwap<Settings>,
    /// What is known of namespaces.
    pub namespaces: Arc<Namespaces>,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Namespaces whose pods mount the helper binary.
    pub asked: Arc<Asked>,
    mutate_pool: Arc<Pool>,
    waits: Semaphore,
    /// Reviews beyond the allowance are decided one at a time: what the engine holds of one may be
    /// ten times its body.
    large: Arc<Pool>,
    pub(super) dry_run_pool: Arc<Pool>,
    pub(super) dry_run_places: Arc<Semaphore>,
    pub(super) dry_runs: Arc<Pool>,
    /// What a preview has been given; none where this is the webhook.
    pub(super) preview: Option<Preview>,
}

impl App {
    /// What the routes need, and their budgets.
    #[must_use]
    pub fn new(settings: Settings, namespaces: Arc<Namespaces>, metrics: Arc<Metrics>) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            namespaces,
            metrics,
            asked: Arc::default(),
            mutate_pool: Pool::new(MUTATE_POOL),
            waits: Semaphore::new(NAMESPACE_WAITS),
            large: Pool::new(1),
            dry_run_pool: Pool::new(DRY_RUN_POOL),
            dry_run_places: Arc::new(Semaphore::new(DRY_RUNS)),
            // One at a time, however many processors there are: that bounds their memory and their
            // share of the time.
            dry_runs: Pool::new(1),
            preview: None,
        }
    }

    /// The same for a preview, which knows no cluster: every namespace counts as opted in.
    #[must_use]
    pub fn preview(settings: Settings, preview: Preview) -> Self {
        Self {
            preview: Some(preview),
            ..Self::new(settings, Arc::default(), Arc::default())
        }
    }

    pub(super) fn known(&self) -> NamespaceSource {
        if self.preview.is_some() {
            return NamespaceSource::All;
        }
        NamespaceSource::Snapshot(Arc::clone(&self.namespaces))
    }
}

/// Where `/dry-run` is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// On the webhook's port.
    Here,
    /// On a listener of its own, or nowhere.
    NotHere,
}

/// The routes of the webhook's port.
pub fn router(app: Arc<App>, dry_run: DryRun) -> Router {
    let router = Router::new().route("/mutate", post(mutate));
    let there_are = match dry_run {
        DryRun::Here => "there are POST /mutate and POST /dry-run here",
        DryRun::NotHere => "there is POST /mutate here",
    };
    let router = match dry_run {
        DryRun::Here => page::routes(router),
        DryRun::NotHere => {
            router.route("/dry-run", any(async || (StatusCode::NOT_FOUND, ELSEWHERE)))
        }
    };
    only(router, there_are).with_state(app)
}

/// The routes of the listener that serves the dry run alone.
pub fn dry_run_router(app: Arc<App>) -> Router {
    only(page::routes(Router::new()), "there is POST /dry-run here").with_state(app)
}

const ELSEWHERE: &str = "not found; whoever runs Silkroll has taken the dry run from this port (serve --dry-run-listen)\n";

/// What is answered to all other requests.
pub(super) fn only(router: Router<Arc<App>>, there_are: &'static str) -> Router<Arc<App>> {
    router
        .fallback(async move || (StatusCode::NOT_FOUND, format!("not found; {there_are}\n")))
        .method_not_allowed_fallback(async || {
            (
                StatusCode::METHOD_NOT_ALLOWED,
                "only POST is allowed here\n",
            )
        })
}

/// A request that is not answered: why as a code for the metric, and as a sentence.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn respond(self, app: &App) -> Response {
        app.metrics.refused(self.why);
        tracing::warn!(
            why = self.why,
            status = self.status.as_u16(),
            "request refused: {}",
            shown(&self.message, MESSAGE)
        );
        (self.status, format!("{}\n", self.message)).into_response()
    }
}

async fn mutate(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    let _in_flight = app.metrics.in_flight("mutate");
    let (parts, body) = request.into_parts();
    if let Err(refused) = json_only(&parts.headers) {
        return refused.respond(&app);
    }
    let peer = peer(&parts.extensions);
    let place = app.mutate_pool.place(peer);
    let body = match read(&parts.headers, body, &place).await {
        Ok(body) => body,
        Err(refused) => return refused.respond(&app),
    };
    let (answer, place) = match decide(&app, body, place, peer, started).await {
        Ok(decided) => decided,
        Err(refused) => return refused.respond(&app),
    };
    match bodies::write(place, answer).await {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(unread) => refusal(&unread).respond(&app),
    }
}

/// Decides on a review, which is read anew after something was waited for: bodies are bounded,
/// and what is read of one may be far larger.
async fn decide(
    app: &Arc<App>,
    mut body: Vec<u8>,
    mut place: PoolPlace,
    peer: Peer,
    started: Instant,
) -> Result<(Vec<u8>, PoolPlace), Refused> {
    let mut waited = false;
    loop {
        let decided = if body.len() <= ALLOWANCE {
            try_decide(app, &body, waited, started)?
        } else {
            let turn = tokio::time::timeout(TURN, app.large.turn(peer)).await;
            let turn = turn.map_err(|_| busy())?.map_err(|_| failed())?;
            let app = Arc::clone(app);
            // Off the threads that answer the small ones. Turn and place go with the work: a client
            // that goes away frees nothing before the work has ended.
            let work = tokio::task::spawn_blocking(move || {
                let decided = if values::too_many(&body) {
                    Err(too_many_values())
                } else {
                    try_decide(&app, &body, waited, started)
                };
                drop(turn);
                (body, place, decided)
            });
            let (same_body, same_place, decided) = work.await.map_err(|_| failed())?;
            (body, place) = (same_body, same_place);
            decided?
        };
        match decided {
            Decided::Answer(answer) => return Ok((answer, place)),
            Decided::Wait(wait, name) => {
                if let Ok(_wait) = app.waits.try_acquire() {
                    let comes = async {
                        match wait {
                            Wait::Namespace => {
                                let _ = app.namespaces.wait_for(&name, NAMESPACE_WAIT).await;
                            }
                            Wait::Helper => app.asked.add_and_wait(&name, HELPER_WAIT).await,
                        }
                    };
                    // It may wait as long as nobody needs the memory.
                    tokio::select! {
                        () = place.needed() => {}
                        () = comes => {}
                    }
                }
                waited = true;
            }
        }
    }
}

/// Where the request comes from; the default where it came through no socket, as in tests.
pub(super) fn peer(extensions: &Extensions) -> Peer {
    extensions.get().copied().unwrap_or_default()
}

fn busy() -> Refused {
    Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        why: "busy",
        message: format!(
            "other large reviews were decided first for {} s; send it again",
            TURN.as_secs()
        ),
    }
}

fn failed() -> Refused {
    Refused {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        why: Metrics::PANIC,
        message: "silkroll failed inside: its log has the details".to_owned(),
    }
}

enum Decided {
    Answer(Vec<u8>),
    /// Something of this namespace is on its way.
    Wait(Wait, String),
}

/// What is waited for, once for each review.
enum Wait {
    /// The namespace itself.
    Namespace,
    /// The helper's ConfigMap, which is to be there before a pod can need it.
    Helper,
}

fn try_decide(app: &App, body: &[u8], waited: bool, started: Instant) -> Result<Decided, Refused> {
    let mut review = Review::read(body).map_err(|refusal| Refused {
        status: StatusCode::BAD_REQUEST,
        why: "not-a-review",
        message: refusal.message,
    })?;
    let entry = match review.namespace_needed() {
        Some(name) => match app.namespaces.get(name) {
            None if !waited => return Ok(Decided::Wait(Wait::Namespace, name.to_owned())),
            entry => entry,
        },
        None => None,
    };
    let view = entry.as_deref().map_or(NamespaceView::Unknown, view_of);
    let pod = review.kind == Some(Kind::Pod);
    review.helper_stands = app.asked.stands(review.namespace());
    let mut decision = review.decide(&app.settings.load(), view, false);
    // A review may claim anything: only what is known of the namespace counts.
    let served = entry.as_ref().is_some_and(|entry| entry.is_served());
    if decision.helper && !review.dry_run && served {
        let name = review.namespace();
        if decision.patch.is_some() && !waited && app.asked.is_to_come(name) {
            return Ok(Decided::Wait(Wait::Helper, name.to_owned()));
        }
        app.asked.add(name);
    }
    log(&review, &decision);
    if pod {
        // Who makes a Pod is a controller: it would write them into its own log, for each Pod again.
        decision.warnings.clear();
    }
    app.metrics.admission(
        review.operation.code(),
        review.kind.map_or("other", Kind::name),
        decision.outcome.code(),
        decision.reason.code(),
        started.elapsed(),
    );
    Ok(Decided::Answer(answer(&review.uid.0, &decision)))
}

fn log(review: &Review<'_>, decision: &Decision) {
    // What is said of a workload its author reads; of a Pod, the log alone.
    let said = match review.kind {
        Some(Kind::Pod) => decision.warnings.join("; "),
        _ => String::new(),
    };
    // Anybody who reaches the port can send a review: what it says is shown and cut.
    let said = shown(&said, MESSAGE);
    tracing::info!(
        uid = shown(&review.uid.0, NAME).as_ref(),
        namespace = shown(review.namespace(), NAME).as_ref(),
        name = shown(review.name(), NAME).as_ref(),
        kind = review.kind.map_or("other", Kind::name),
        operation = review.operation.code(),
        dry_run = review.dry_run,
        outcome = decision.outcome.code(),
        reason = decision.reason.code(),
        warnings = decision.warnings.len(),
        said = said.as_ref(),
        denial = decision.denial.as_deref().unwrap_or_default(),
        "decided"
    );
}

fn json_only(headers: &HeaderMap) -> Result<(), Refused> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refused {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        why: "content-type",
        message: format!(
            "the content type is {}; expected is application/json",
            crate::policy::quoted(given, 60)
        ),
    })
}

/// Reads a body within the limits.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    place: &PoolPlace,
) -> Result<Vec<u8>, Refused> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY) {
        return Err(too_large());
    }
    let read = bodies::read(place, body, announced, MAX_BODY);
    match tokio::time::timeout(BODY, read).await {
        Ok(read) => read.map_err(|unread| refusal(&unread)),
        Err(_) => Err(Refused {
            status: StatusCode::REQUEST_TIMEOUT,
            why: "body-too-slow",
            message: format!("the body did not arrive within {} s", BODY.as_secs()),
        }),
    }
}

pub(super) fn refusal(unread: &Unread) -> Refused {
    match unread {
        Unread::TooLarge => too_large(),
        Unread::Evicted => Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            why: "evicted",
            message:
                "others needed the memory, and this request was the furthest behind; send it again"
                    .to_owned(),
        },
        Unread::Failed(error) => Refused {
            status: StatusCode::BAD_REQUEST,
            why: "body-unreadable",
            message: format!("the body could not be read to its end: {error}"),
        },
    }
}

/// Asked of large bodies alone: one within the allowance has fewer bytes than that.
fn too_many_values() -> Refused {
    Refused {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        why: "too-many-values",
        message: format!(
            "the review has more than {MOST_VALUES} values, which no stored object has"
        ),
    }
}

fn too_large() -> Refused {
    Refused {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        why: "body-too-large",
        message: format!("the body is larger than {MAX_BODY} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::snapshot::NamespaceEntry;

    fn review(namespace: &str) -> Request {
        let body = format!(
            r#"{{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {{"uid": "1",
            "kind": {{"group": "apps", "version": "v1", "kind": "Deployment"}}, "operation": "CREATE",
            "namespace": "{namespace}", "object": {{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {{"name": "w"}}, "spec": {{"template": {{"spec": {{"containers": [{{"name": "w"}}]}}}}}}}}}}}}"#
        );
        Request::post("/mutate")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap()
    }

    #[tokio::test]
    async fn the_first_helper_of_a_namespace_is_answered_when_its_config_map_is_there() {
        const SAYS: [(&str, &str); 4] = [
            ("inject", "enabled"),
            ("deregister", "dubbo"),
            ("hook", "binary"),
            ("hook-arch", "amd64"),
        ];
        let says = SAYS.map(|(key, value)| (format!("silkroll.dev/{key}"), value));
        let entry = NamespaceEntry::new(says, [], false);
        let namespaces = Namespaces::new();
        namespaces.replace_all([("shop", entry)]);
        let app = App::new(Settings::default(), Arc::new(namespaces), Arc::default());
        let app = Arc::new(app);
        let ask = || router(Arc::clone(&app), DryRun::NotHere).oneshot(review("shop"));
        let at_once = || ask().now_or_never().is_some();
        assert!(
            at_once(),
            "where nothing writes it, there is nothing to wait for"
        );
        assert!(app.asked.contains("shop"));
        app.asked.note_all([]);
        let waits = tokio::spawn(ask());
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        app.asked.note("shop", true);
        assert_eq!(waits.await.unwrap().unwrap().status(), StatusCode::OK);
        assert!(at_once());
    }

    #[tokio::test]
    async fn a_namespace_is_waited_for_unless_too_many_wait() {
        let settings = Settings::default();
        let app = App::new(settings, Arc::new(Namespaces::new()), Arc::default());
        let app = Arc::new(app);
        let ask = || router(Arc::clone(&app), DryRun::NotHere).oneshot(review("new"));
        assert!(ask().now_or_never().is_none(), "it waits");
        let others = u32::try_from(NAMESPACE_WAITS).unwrap();
        let _others = app.waits.try_acquire_many(others).unwrap();
        let answered = ask().now_or_never().expect("it does not wait").unwrap();
        assert_eq!(answered.status(), StatusCode::OK);
    }
}
