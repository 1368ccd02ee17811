//! `POST /dry-run`: what the webhook would do with a manifest. It writes nothing anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt as _;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WARNING};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::routes::{App, Refused, read};
use crate::admission::Review;
use crate::admission::fail_on::FailOn;
use crate::admission::manifests::{Item, Run, not_a_manifest, tell_with_workload};
use crate::admission::report::{Entry, words};
use crate::engine::Outcome;
use crate::manifest::{self, Limits, unified_diff};
use crate::policy::{cut, visible};

/// How long a dry run waits for its turn before it is told to come back.
const TURN: Duration = Duration::from_secs(5);

/// A message about a document: enough for its place, the reason and a piece of the text.
const MESSAGE_CHARS: usize = 400;

/// Workloads in one dry run: with objects, patches and decisions an answer has some ten KB for each.
const MOST_WORKLOADS: usize = 1000;
/// Warnings in headers; the JSON answer has all of them.
const WARNINGS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Json,
    Yaml,
    Diff,
    Patch,
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
            fail_on: FailOn::default(),
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
    let Ok(_place) = app.dry_run_places.try_acquire() else {
        return busy(&app);
    };
    let (parts, body) = request.into_parts();
    let (body, _held) = match read(&parts.headers, body, app.dry_run_bytes()).await {
        Ok(read) => read,
        Err(refused) => return refused.respond(&app),
    };
    let turn = Arc::clone(&app.dry_runs).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(TURN, turn).await else {
        return busy(&app);
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
            let head = (answer.status, [(CONTENT_TYPE, answer.content_type)]);
            let mut response = (head.0, head.1, answer.body).into_response();
            // As the API server tells them: RFC 9111 no longer has the header, its clients do.
            for warning in answer.warnings.iter().take(WARNINGS) {
                let text = warning.replace(['"', '\\'], "'");
                if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{text}\"").as_bytes()) {
                    response.headers_mut().append(WARNING, value);
                }
            }
            response
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

fn busy(app: &App) -> Response {
    let refused = Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        why: "dry-run-busy",
        message: "other dry runs are under way; try again in a few seconds".to_owned(),
    };
    ([(RETRY_AFTER, "5")], refused.respond(app)).into_response()
}

struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    outcomes: Vec<Outcome>,
    warnings: Vec<String>,
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

/// What has come of the documents so far: their text, not they themselves, for a body of a few
/// megabytes takes a hundred as values.
#[derive(Default)]
struct Tally {
    out: String,
    report: String,
    errors: Vec<String>,
    outcomes: Vec<Outcome>,
    warnings: Vec<String>,
    workloads: usize,
    rejected: bool,
    /// Whether anything is what `fail-on` names.
    failed: bool,
}

fn answer(run: &Run, options: &Options, body: &Bytes) -> Result<Answer, String> {
    if body.is_empty() {
        return Err(
            "the body is empty; expected is a manifest as JSON or YAML, or an AdmissionReview"
                .to_owned(),
        );
    }
    let text = manifest::as_text(body);
    let documents = manifest::read(&text, &Limits::default()).map_err(|error| error.to_string())?;
    let mut tally = Tally::default();
    for document in documents {
        let document = document.map_err(|error| cut(&visible(&error.to_string()), MESSAGE_CHARS));
        match document.and_then(|document| decide(run, &document)) {
            Ok(one) => tally.add(&one, options)?,
            Err(error) => tally.errors.push(error),
        }
    }
    tally.finish(options)
}

impl Tally {
    fn add(&mut self, one: &Decided, options: &Options) -> Result<(), String> {
        for item in &one.items {
            let decision = &item.decision;
            self.outcomes.push(decision.outcome);
            if item.is_workload() {
                self.workloads += 1;
                self.rejected |= decision.outcome == Outcome::Rejected;
                self.failed |= options.fail_on.fails(decision);
                self.warnings.extend_from_slice(&decision.warnings);
                self.report.push_str(&words(&item.title(), decision, false));
            }
        }
        if self.workloads > MOST_WORKLOADS {
            return Err(format!(
                "there are more than {MOST_WORKLOADS} workloads in the body; send them in parts"
            ));
        }
        self.render(one, options.output)
    }

    fn render(&mut self, one: &Decided, output: Output) -> Result<(), String> {
        match output {
            Output::Json => {
                for item in &one.items {
                    let object = one.value.pointer(&item.path).cloned().unwrap_or_default();
                    let entry = Entry::new(item, one.number, one.line, object);
                    if !self.out.is_empty() {
                        self.out.push(',');
                    }
                    self.out
                        .push_str(&serde_json::to_string(&entry).map_err(|e| e.to_string())?);
                }
            }
            Output::Yaml => self.out.push_str(&one.after),
            Output::Diff if one.before != one.after => {
                self.out
                    .push_str(&unified_diff(&title(one), &one.before, &one.after));
            }
            Output::Diff => {}
            Output::Patch => {
                for item in one.items.iter().filter(|item| item.is_workload()) {
                    self.out
                        .push_str(item.decision.patch.as_deref().unwrap_or("[]"));
                    self.out.push('\n');
                }
            }
        }
        Ok(())
    }

    fn finish(self, options: &Options) -> Result<Answer, String> {
        let json = options.output == Output::Json;
        if !json && !self.errors.is_empty() {
            return Err(self.errors.join("\n"));
        }
        // A rejected object has no manifest, diff or patch to show.
        let failed = self.failed || (self.rejected && !json);
        let status = if !self.errors.is_empty() {
            StatusCode::BAD_REQUEST
        } else if failed {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        let (content_type, body) = match options.output {
            Output::Json => {
                let errors = serde_json::to_string(&self.errors).map_err(|e| e.to_string())?;
                let body = ["{\"items\":[", &self.out, "],\"errors\":", &errors, "}"].concat();
                ("application/json", body)
            }
            _ if failed => (TEXT, self.report),
            Output::Yaml | Output::Diff => {
                let diff = options.output == Output::Diff;
                let content_type = if diff { TEXT } else { "application/yaml" };
                return Ok(Answer {
                    status,
                    content_type,
                    body: manifest::restored(&self.out).into_owned(),
                    outcomes: self.outcomes,
                    warnings: self.warnings,
                });
            }
            Output::Patch => ("application/json-patch+json", self.out),
        };
        Ok(Answer {
            status,
            content_type,
            body: body.into_bytes(),
            outcomes: self.outcomes,
            warnings: self.warnings,
        })
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

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
    tell_with_workload(&mut decided.items, document.warnings());
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
