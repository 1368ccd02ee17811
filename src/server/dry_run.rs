//! `POST /dry-run`: what the webhook would do with a manifest. It writes nothing anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt as _;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::routes::{App, Refused, read};
use crate::admission::Review;
use crate::admission::manifests::{Item, Run, not_a_manifest};
use crate::admission::report::Entry;
use crate::engine::Outcome;
use crate::manifest::{self, Limits, unified_diff};
use crate::policy::{cut, visible};

/// How long a dry run waits for its turn before it is told to come back.
const TURN: Duration = Duration::from_secs(5);

/// A message about a document: enough for its place, the reason and a piece of the text.
const MESSAGE_CHARS: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Json,
    Yaml,
    Diff,
    Patch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailOn {
    Never,
    Warning,
    Rejected,
}

#[derive(Debug, Clone)]
struct Options {
    namespace: String,
    output: Output,
    fail_on: FailOn,
}

impl Options {
    fn read(query: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut options = Self {
            namespace: "default".to_owned(),
            output: Output::Json,
            fail_on: FailOn::Never,
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
                ("fail-on", "warning") => options.fail_on = FailOn::Warning,
                ("fail-on", "rejected") => options.fail_on = FailOn::Rejected,
                ("fail-on", "never") => options.fail_on = FailOn::Never,
                ("fail-on", _) => return bad("allowed is warning, rejected or never"),
                _ => {
                    return Err(format!(
                        "parameter {} is not known; there are namespace, output and fail-on",
                        crate::policy::quoted(key, 40)
                    ));
                }
            }
        }
        Ok(options)
    }
}

pub(super) async fn dry_run(State(app): State<Arc<App>>, mut request: Request) -> Response {
    let refuse = |status, why, message: String| Refused {
        status,
        why,
        message,
    };
    let query = match request
        .extract_parts::<Query<BTreeMap<String, String>>>()
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
    let (parts, body) = request.into_parts();
    let (body, _held) = match read(&parts.headers, body, app.dry_run_bytes()).await {
        Ok(read) => read,
        Err(refused) => return refused.respond(&app),
    };
    let turn = Arc::clone(&app.dry_runs).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(TURN, turn).await else {
        let busy = refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "dry-run-busy",
            "other dry runs are under way; try again in a few seconds".to_owned(),
        );
        return ([(RETRY_AFTER, "5")], busy.respond(&app)).into_response();
    };
    let run = Run {
        settings: app.settings.load_full(),
        known: app.known(),
        namespace: options.namespace.clone(),
        remove: false,
    };
    // Off the threads that answer `/mutate`: a large manifest takes a while.
    let answer = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        answer(&run, &options, &body)
    })
    .await;
    match answer {
        Ok(Ok(answer)) => {
            for outcome in &answer.outcomes {
                app.metrics.dry_run(outcome.code());
            }
            (
                answer.status,
                [(CONTENT_TYPE, answer.content_type)],
                answer.body,
            )
                .into_response()
        }
        Ok(Err(message)) => refuse(StatusCode::BAD_REQUEST, "dry-run-body", message).respond(&app),
        Err(_) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "dry-run-panic",
            "the dry run failed inside; the log has more".to_owned(),
        )
        .respond(&app),
    }
}

struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    outcomes: Vec<Outcome>,
}

/// One document, decided on.
struct Decided {
    number: usize,
    line: usize,
    value: Value,
    before: String,
    after: String,
    items: Vec<Item>,
}

fn answer(run: &Run, options: &Options, body: &Bytes) -> Result<Answer, String> {
    if body.is_empty() {
        return Err(
            "the body is empty; expected is a manifest as JSON or YAML, or an AdmissionReview"
                .to_owned(),
        );
    }
    let documents = manifest::read(body, &Limits::default()).map_err(|error| error.to_string())?;
    let mut decided = Vec::new();
    let mut errors = Vec::new();
    for document in documents {
        let document = document.map_err(|error| cut(&visible(&error.to_string()), MESSAGE_CHARS));
        match document {
            Ok(document) => match decide(run, &document) {
                Ok(one) => decided.push(one),
                Err(error) => errors.push(error),
            },
            Err(error) => errors.push(error),
        }
    }
    let items = || decided.iter().flat_map(|one| one.items.iter());
    let rejected = items().any(|item| item.decision.outcome == Outcome::Rejected);
    let warned = items().any(|item| !item.decision.warnings.is_empty());
    let failed = match options.fail_on {
        FailOn::Never => false,
        FailOn::Rejected => rejected,
        FailOn::Warning => rejected || warned,
    };
    let status = if !errors.is_empty() {
        StatusCode::BAD_REQUEST
    } else if failed {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let outcomes = items().map(|item| item.decision.outcome).collect();
    let (content_type, body) = match options.output {
        Output::Json => ("application/json", as_json(&decided, &errors)?),
        _ if !errors.is_empty() => return Err(errors.join("\n")),
        Output::Yaml => {
            let text: String = decided.iter().map(|one| one.after.as_str()).collect();
            ("application/yaml", text.into_bytes())
        }
        Output::Diff => {
            let text: String = decided
                .iter()
                .filter(|one| one.before != one.after)
                .map(|one| unified_diff(&title(one), &one.before, &one.after))
                .collect();
            ("text/plain; charset=utf-8", text.into_bytes())
        }
        Output::Patch => {
            let mut text = String::new();
            for item in items().filter(|item| item.is_workload()) {
                text.push_str(item.decision.patch.as_deref().unwrap_or("[]"));
                text.push('\n');
            }
            ("application/json-patch+json", text.into_bytes())
        }
    };
    Ok(Answer {
        status,
        content_type,
        body,
        outcomes,
    })
}

fn title(one: &Decided) -> String {
    match one.items.as_slice() {
        [only] => only.title(),
        _ => format!("document {}", one.number),
    }
}

fn decide(run: &Run, document: &manifest::Document<'_>) -> Result<Decided, String> {
    let value = document.value();
    if let Some(why) = not_a_manifest(value) {
        let (number, line) = (document.number(), document.line());
        return Err(format!("document {number}, line {line}: {why}"));
    }
    let mut decided = Decided {
        number: document.number(),
        line: document.line(),
        value: value.clone(),
        before: document.text().to_owned(),
        after: document.text().to_owned(),
        items: Vec::new(),
    };
    if value["kind"] == "AdmissionReview" {
        review(run, &mut decided)?;
        return Ok(decided);
    }
    decided.items = run.decide(value);
    let mut operations = Vec::new();
    for item in &decided.items {
        operations.extend(
            item.patch_in_document()
                .map_err(|error| error.to_string())?
                .0,
        );
    }
    if !operations.is_empty() {
        let edited = document
            .edit(&json_patch::Patch(operations))
            .map_err(|error| error.to_string())?;
        decided.after = edited.text;
        decided.value = edited.value;
    }
    Ok(decided)
}

/// An AdmissionReview gets the very answer that `/mutate` would give.
fn review(run: &Run, decided: &mut Decided) -> Result<(), String> {
    let text = decided.value.to_string();
    let review = Review::read(text.as_bytes()).map_err(|refusal| refusal.message)?;
    let entry = match &run.known {
        crate::admission::manifests::Known::Snapshot(namespaces) => {
            namespaces.get(review.namespace())
        }
        crate::admission::manifests::Known::All => None,
    };
    let decision = review.decide(&run.settings, run.known.view(entry.as_deref()), true);
    let request = &decided.value["request"];
    let (namespace, name) = (review.namespace().to_owned(), review.name().to_owned());
    let mut object = request["object"].clone();
    let kind = &request["kind"];
    let part = |name: &str| kind[name].as_str().unwrap_or_default().to_owned();
    let item = Item {
        api_version: format!("{}/{}", part("group"), part("version")),
        kind: part("kind"),
        namespace,
        name,
        path: String::new(),
        decision,
    };
    let patch = item
        .patch_in_document()
        .map_err(|error| error.to_string())?;
    decided.before = manifest::to_yaml(&object);
    json_patch::patch(&mut object, &patch).map_err(|error| error.to_string())?;
    decided.after = manifest::to_yaml(&object);
    decided.value = object;
    decided.items.push(item);
    Ok(())
}

fn as_json(decided: &[Decided], errors: &[String]) -> Result<Vec<u8>, String> {
    let items: Vec<_> = decided
        .iter()
        .flat_map(|one| {
            one.items.iter().map(move |item| {
                let object = one.value.pointer(&item.path).cloned().unwrap_or_default();
                Entry::new(item, one.number, one.line, object)
            })
        })
        .collect();
    let answer = json!({"items": serde_json::to_value(&items).map_err(|e| e.to_string())?, "errors": errors});
    serde_json::to_vec(&answer).map_err(|error| error.to_string())
}
