//! `POST /dry-run`: what the webhook would do with a manifest. It writes nothing anywhere.

use std::sync::Arc;
use std::time::Duration;

use super::bodies;
use super::dry_run_work::{ANSWER, Failure, answer};
use super::routes::{App, Refused, peer, read, refusal};
use crate::admission::fail_on::FailOn;
use crate::admission::manifests::{NamespaceSource, Run};
use crate::manifest::budget::{Budget, Stop};
use crate::policy::PREFIX;
use crate::snapshot::NamespaceEntry;
use axum::RequestExt as _;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WARNING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// How long a dry run waits for its turn before it is told to come back.
const TURN: Duration = Duration::from_secs(5);

/// How long the work itself may take: a thousand Deployments take two seconds on one processor.
const TIME: Duration = Duration::from_secs(15);

/// What one dry run may hold beside its body: documents, values, texts and its answer while it grows.
/// A List of 1,000 Deployments in one document, 3 MB, takes two thirds of it.
const MEMORY: usize = 96 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Json,
    Yaml,
    Diff,
    Patch,
}

/// What the JSON answer has besides, where it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct With {
    /// What `silkroll check` finds.
    pub(super) findings: bool,
    /// The lines that warnings are about.
    pub(super) lines: bool,
    /// The documents as text, before and after.
    pub(super) text: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Options {
    namespace: String,
    pub(super) output: Output,
    pub(super) fail_on: FailOn,
    pub(super) with: With,
    /// What every namespace is to say, in the place of what is known of it.
    pub(super) annotations: Option<Vec<(String, String)>>,
}

impl Options {
    fn read(query: &[(String, String)]) -> Result<Self, String> {
        let mut options = Self {
            namespace: "default".to_owned(),
            output: Output::Json,
            fail_on: FailOn::default(),
            with: With::default(),
            annotations: None,
        };
        for (key, value) in query {
            let bad = |allowed: &str| {
                Err(format!(
                    "parameter {key}={} cannot be used: {allowed}",
                    crate::policy::quoted(value, 60)
                ))
            };
            match (key.as_str(), value.as_str()) {
                ("namespace", name) if crate::policy::dns_label(name) => {
                    name.clone_into(&mut options.namespace);
                }
                ("namespace", _) => return bad("allowed is the name of a namespace"),
                ("output", "json") => options.output = Output::Json,
                ("output", "yaml") => options.output = Output::Yaml,
                ("output", "diff") => options.output = Output::Diff,
                ("output", "patch") => options.output = Output::Patch,
                ("output", _) => return bad("allowed is json, yaml, diff or patch"),
                ("fail-on", text) => match FailOn::parse(text) {
                    Ok(fail_on) => options.fail_on = fail_on,
                    Err(allowed) => return bad(&allowed),
                },
                ("with", what) => {
                    for what in what.split(',') {
                        match what {
                            "findings" => options.with.findings = true,
                            "lines" => options.with.lines = true,
                            "text" => options.with.text = true,
                            _ => {
                                return bad(
                                    "allowed is findings, lines or text, several with commas",
                                );
                            }
                        }
                    }
                }
                ("annotation", "") => {
                    options.annotations.get_or_insert_default();
                }
                ("annotation", text) => match text.split_once('=') {
                    Some((name, value)) if !name.is_empty() => {
                        let name = name.strip_prefix(PREFIX).unwrap_or(name);
                        let said = options.annotations.get_or_insert_default();
                        said.push((format!("{PREFIX}{name}"), value.to_owned()));
                    }
                    _ => {
                        return bad(
                            "allowed is an annotation as NAME=VALUE, or nothing for a namespace without any",
                        );
                    }
                },
                _ => {
                    return Err(format!(
                        "parameter {} is not known; there are namespace, output, fail-on, with and annotation",
                        crate::policy::quoted(key, 40)
                    ));
                }
            }
        }
        if options.with != With::default() && options.output != Output::Json {
            return Err("parameter with goes with output=json alone".to_owned());
        }
        Ok(options)
    }

    /// All namespaces as the query describes one, or as the replica knows them.
    fn namespaces(&self, app: &App) -> NamespaceSource {
        let Some(said) = &self.annotations else {
            return app.known();
        };
        NamespaceSource::Like(Arc::new(NamespaceEntry::new(said.clone(), [], false)))
    }
}

pub(super) async fn dry_run(State(app): State<Arc<App>>, mut request: Request) -> Response {
    let _in_flight = app.metrics.in_flight("dry-run");
    let refuse = |status, why, message: String| Refused {
        status,
        why,
        message,
    };
    let query = match request
        .extract_parts::<Query<Vec<(String, String)>>>()
        .await
    {
        Ok(Query(query)) => Options::read(&query),
        Err(error) => Err(error.to_string()),
    };
    let options = match query {
        Ok(options) => options,
        Err(message) => {
            return refuse(StatusCode::BAD_REQUEST, "dry-run-parameter", message).respond(&app);
        }
    };
    let Ok(among) = Arc::clone(&app.dry_run_places).try_acquire_owned() else {
        return busy(&app);
    };
    let (parts, body) = request.into_parts();
    let peer = peer(&parts.extensions);
    let place = app.dry_run_pool.place(peer);
    let body = match read(&parts.headers, body, &place).await {
        Ok(read) => read,
        Err(refused) => return refused.respond(&app),
    };
    let Ok(Ok(turn)) = tokio::time::timeout(TURN, app.dry_runs.turn(peer)).await else {
        return busy(&app);
    };
    let run = Run {
        settings: app.settings.load_full(),
        known: options.namespaces(&app),
        namespace: options.namespace.clone(),
        remove: false,
    };
    // Dropped with this request, when its client goes away or the server stops.
    let stop = StopOnDrop(Stop::default());
    let budget = Budget::new(MEMORY, stop.0.clone());
    // Off the threads that answer `/mutate`: a large manifest takes a while. What the work holds of
    // others goes with it: a client that goes away frees nothing before the work has ended.
    let work = tokio::task::spawn_blocking(move || {
        let answer = answer(run, &options, &body, &budget);
        drop((body, among, turn));
        (answer, place)
    });
    let Ok(worked) = tokio::time::timeout(TIME, work).await else {
        let message = format!(
            "the dry run took longer than {} s and was ended: send the manifests in parts",
            TIME.as_secs()
        );
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "dry-run-too-long", message).respond(&app);
    };
    let Ok((answer, place)) = worked else {
        let message = "the dry run failed inside; the log has more".to_owned();
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "dry-run-panic", message).respond(&app);
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Failure::Bad(message)) => {
            return refuse(StatusCode::BAD_REQUEST, "dry-run-body", message).respond(&app);
        }
        Err(Failure::Excess(message)) => {
            let (status, why) = (StatusCode::PAYLOAD_TOO_LARGE, "dry-run-memory");
            return refuse(status, why, message).respond(&app);
        }
        Err(Failure::TooLarge) => {
            let message = format!(
                "the answer would be larger than {} MiB: send the manifests in parts, or ask for output=patch",
                ANSWER >> 20
            );
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "dry-run-answer", message).respond(&app);
        }
    };
    for (outcome, count) in &answer.outcomes {
        for _ in 0..*count {
            app.metrics.dry_run(outcome);
        }
    }
    let body = match bodies::write(place, answer.body).await {
        Ok(body) => body,
        Err(unread) => return refusal(&unread).respond(&app),
    };
    let headers = [
        (CONTENT_TYPE, answer.content_type),
        // What somebody sent comes back: it is text whatever it looks like, and nobody else's.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    let mut response = (answer.status, headers, body).into_response();
    // As the API server tells them: RFC 9111 no longer has the header, its clients do.
    for warning in answer.warnings {
        let text = warning.replace(['"', '\\'], "'");
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{text}\"").as_bytes()) {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}

/// Ends the work when the request that waits for it is gone.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn busy(app: &App) -> Response {
    let refused = Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        why: "dry-run-busy",
        message: "other dry runs are under way; try again in a few seconds".to_owned(),
    };
    ([(RETRY_AFTER, "5")], refused.respond(app)).into_response()
}
