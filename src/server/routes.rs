//! The HTTPS port: `/mutate` for the API server, `/dry-run` for people and pipelines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::admission::manifests::{Known, view_of};
use crate::admission::{MAX_BODY, Review, answer};
use crate::engine::{Decision, NamespaceView, Settings};
use crate::observe::Metrics;
use crate::snapshot::{Asked, Namespaces};
use crate::text::shown;

/// How long a request waits for a namespace that the snapshot does not have: the watch event of a
/// namespace made in the same `kubectl apply` is milliseconds behind, and more than 0.7 s was seen on
/// a node with ten times the work that it can do. After 3 s the API server goes on without us.
const NAMESPACE_WAIT: Duration = Duration::from_secs(2);

/// How long a body may take: whoever has a review to send has it at hand, and a sender that dribbles
/// must not hold one of the connections that others need.
const BODY: Duration = Duration::from_secs(5);

/// Dry runs at once, their bodies still coming included; more are told to come back. Far below the
/// connections that there are, so that `/mutate` always finds one.
const DRY_RUNS: usize = 32;

/// Bytes of bodies held at once for `/mutate`, in KiB: more wait for their turn. Eight of the largest.
const MUTATE_KIB: usize = 8 * MAX_BODY / 1024;
/// The same for `/dry-run`, of its own so that its load cannot starve `/mutate`.
const DRY_RUN_KIB: usize = 2 * MAX_BODY / 1024;

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
    mutate_bytes: Semaphore,
    dry_run_bytes: Semaphore,
    pub(super) dry_run_places: Semaphore,
    pub(super) dry_runs: Arc<Semaphore>,
}

impl App {
    /// What the routes need, and their budgets.
    #[must_use]
    pub fn new(settings: Settings, namespaces: Arc<Namespaces>, metrics: Arc<Metrics>) -> Self {
        // One core is left to `/mutate`, where there are two.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            settings: ArcSwap::from_pointee(settings),
            namespaces,
            metrics,
            asked: Arc::default(),
            mutate_bytes: Semaphore::new(MUTATE_KIB),
            dry_run_bytes: Semaphore::new(DRY_RUN_KIB),
            dry_run_places: Semaphore::new(DRY_RUNS),
            dry_runs: Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))),
        }
    }

    pub(super) fn known(&self) -> Known {
        Known::Snapshot(Arc::clone(&self.namespaces))
    }
}

/// The routes of the HTTPS port.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/mutate", post(mutate))
        .route("/dry-run", post(super::dry_run::dry_run))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "not found; there are POST /mutate and POST /dry-run here\n",
            )
        })
        .method_not_allowed_fallback(|| async {
            (
                StatusCode::METHOD_NOT_ALLOWED,
                "only POST is allowed here\n",
            )
        })
        .with_state(app)
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
    let (parts, body) = request.into_parts();
    if let Err(refused) = json_only(&parts.headers) {
        return refused.respond(&app);
    }
    let (body, _held) = match read(&parts.headers, body, &app.mutate_bytes).await {
        Ok(read) => read,
        Err(refused) => return refused.respond(&app),
    };
    let review = match Review::read(&body) {
        Ok(review) => review,
        Err(refusal) => {
            let refused = Refused {
                status: StatusCode::BAD_REQUEST,
                why: "not-a-review",
                message: refusal.message,
            };
            return refused.respond(&app);
        }
    };
    let entry = match review.namespace_needed() {
        Some(name) => app.namespaces.wait_for(name, NAMESPACE_WAIT).await,
        None => None,
    };
    let view = entry.as_deref().map_or(NamespaceView::Unknown, view_of);
    let decision = review.decide(&app.settings.load(), view, false);
    // A review may claim anything: only what is known of the namespace counts.
    let served = entry.as_ref().is_some_and(|entry| entry.is_served());
    if decision.helper && !review.dry_run && served {
        app.asked.add(review.namespace());
    }
    log(&review, &decision);
    app.metrics.admission(
        review.operation.code(),
        review.kind.map_or("other", crate::engine::Kind::name),
        decision.outcome.code(),
        decision.reason.code(),
        started.elapsed(),
    );
    let answer = answer(&review.uid.0, &decision);
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}

fn log(review: &Review<'_>, decision: &Decision) {
    // Anybody who reaches the port can send a review: what it says is shown and cut.
    tracing::info!(
        uid = shown(&review.uid.0, NAME).as_ref(),
        namespace = shown(review.namespace(), NAME).as_ref(),
        name = shown(review.name(), NAME).as_ref(),
        kind = review.kind.map_or("other", crate::engine::Kind::name),
        operation = review.operation.code(),
        dry_run = review.dry_run,
        outcome = decision.outcome.code(),
        reason = decision.reason.code(),
        warnings = decision.warnings.len(),
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

/// Reads a body within the limits. Bytes count against the budget as they come in, so that an
/// announcement alone takes nothing from others; the permit stands for them until it is dropped.
pub(super) async fn read<'a>(
    headers: &HeaderMap,
    body: Body,
    budget: &'a Semaphore,
) -> Result<(Bytes, SemaphorePermit<'a>), Refused> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY, collect(body, budget)).await {
        Ok(read) => read,
        Err(_) => Err(Refused {
            status: StatusCode::REQUEST_TIMEOUT,
            why: "body-too-slow",
            message: format!("the body did not arrive within {} s", BODY.as_secs()),
        }),
    }
}

async fn collect(
    mut body: Body,
    budget: &Semaphore,
) -> Result<(Bytes, SemaphorePermit<'_>), Refused> {
    let unreadable = |error: &dyn std::fmt::Display| Refused {
        status: StatusCode::BAD_REQUEST,
        why: "body-unreadable",
        message: format!("the body could not be read to its end: {error}"),
    };
    let acquire = async |kib: usize| {
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        budget
            .acquire_many(kib)
            .await
            .map_err(|error| unreadable(&error))
    };
    let mut permit = acquire(1).await?;
    let mut held = 1;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| unreadable(&error))?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > MAX_BODY {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
        let needed = bytes.len().div_ceil(1024);
        if needed > held {
            permit.merge(acquire(needed - held).await?);
            held = needed;
        }
    }
    Ok((bytes.freeze(), permit))
}

fn too_large() -> Refused {
    Refused {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        why: "body-too-large",
        message: format!("the body is larger than {MAX_BODY} bytes"),
    }
}

impl App {
    pub(super) fn dry_run_bytes(&self) -> &Semaphore {
        &self.dry_run_bytes
    }
}
