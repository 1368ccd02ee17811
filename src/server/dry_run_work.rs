//! The work of a dry run: from a body to the answer's text, within a budget.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::Value;

use super::dry_run::{Options, Output};
use crate::admission::known::{Stated, Wins};
use crate::admission::manifests::{
    Item, Run, is_template, not_a_manifest, tell_with_workload, to_json_within,
};
use crate::admission::places::lines;
use crate::admission::report::{Entry, Lines, words};
use crate::admission::{Review, api_version};
use crate::engine::Outcome;
use crate::manifest::budget::{Account, Budget, Excess, charge_clone, element};
use crate::manifest::{self, DocumentError, EditError, Fault, Limits, write_unified_diff};
use crate::policy::{cut, visible};

/// A message about a document: enough for its place, the reason and a piece of the text.
const MESSAGE_CHARS: usize = 400;
/// Messages about documents; who has more mends these first.
const ERRORS: usize = 100;

/// Workloads in one dry run: with objects, patches and decisions an answer has some ten KB for each.
const MOST_WORKLOADS: usize = 1000;
/// Warnings in headers; the JSON answer has all of them.
const WARNINGS: usize = 10;
/// Bytes of an answer: 1,000 workloads with all that is said of them.
pub(super) const ANSWER: usize = 16 << 20;

/// What is said besides of a text that has the braces of a template.
const RENDER: &str =
    ". It looks like a template: build first: helm template NAME CHART, and send what it prints";

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The body cannot be used.
    Bad(String),
    /// It takes more memory or time than there is for one.
    Excess(String),
    /// The answer would pass [`ANSWER`].
    TooLarge,
}

impl From<Excess> for Failure {
    fn from(excess: Excess) -> Self {
        Self::Excess(format!("the dry run ended: {excess}"))
    }
}

/// What is answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// How often each outcome came.
    pub(super) outcomes: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub(super) warnings: Vec<String>,
}

/// One document, decided on.
pub(super) struct Decided<'d> {
    pub(super) number: usize,
    pub(super) line: usize,
    value: Cow<'d, Value>,
    pub(super) before: Cow<'d, str>,
    pub(super) after: Cow<'d, str>,
    items: Vec<Item>,
    /// Of each item, where they are asked for.
    lines: Vec<Lines>,
    /// What all of this takes.
    pub(super) account: Account,
}

/// Why there is nothing to show of a document: the others of the body can still be.
enum Wrong {
    With(String),
    Excess(Excess),
}

impl From<Excess> for Wrong {
    fn from(excess: Excess) -> Self {
        Self::Excess(excess)
    }
}

/// An error without more to say about it than its words.
fn wrong(error: impl std::fmt::Display) -> Wrong {
    Wrong::With(error.to_string())
}

/// A text that grows within the budget and the bound for answers.
pub(super) struct Out {
    text: Vec<u8>,
    account: Account,
    failure: Option<Failure>,
}

impl std::io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let failure = if self.text.len() + bytes.len() > ANSWER {
            Failure::TooLarge
        } else {
            match self.account.charge(element::<u8>() * bytes.len()) {
                Ok(()) => {
                    self.text.extend_from_slice(bytes);
                    return Ok(bytes.len());
                }
                Err(excess) => excess.into(),
            }
        };
        self.failure = Some(failure);
        Err(std::io::ErrorKind::OutOfMemory.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        std::io::Write::write_all(self, text.as_bytes()).map_err(|_| std::fmt::Error)
    }
}

impl Out {
    fn new(budget: &Budget) -> Self {
        Self {
            text: Vec::new(),
            account: budget.account(),
            failure: None,
        }
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), Failure> {
        let written = std::io::Write::write_all(self, text.as_bytes());
        self.done(written.is_ok(), "the text could not be written")
    }

    pub(super) fn push_json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let written = serde_json::to_writer(&mut *self, value);
        let what = written.as_ref().err().map(ToString::to_string);
        self.done(written.is_ok(), &what.unwrap_or_default())
    }

    fn push_diff(&mut self, title: &str, before: &str, after: &str) -> Result<(), Failure> {
        let mut beside = self.account.beside();
        let written = write_unified_diff(title, before, after, &mut beside, self)?;
        self.done(written.is_ok(), "the diff could not be written")
    }

    fn done(&mut self, well: bool, what: &str) -> Result<(), Failure> {
        if well {
            return Ok(());
        }
        let bad = || Failure::Bad(what.to_owned());
        Err(self.failure.take().unwrap_or_else(bad))
    }
}

/// What has come of the documents so far: their text, not they themselves, for a body of a few
/// megabytes takes a hundred as values.
pub(super) struct Tally {
    out: Out,
    /// Further members of the JSON answer, where they are asked for.
    pub(super) more: Out,
    /// How many of them are in there.
    pub(super) documents: usize,
    report: Out,
    errors: Vec<String>,
    more_errors: usize,
    outcomes: BTreeMap<&'static str, u64>,
    warnings: Vec<String>,
    workloads: usize,
    rejected: bool,
    /// Whether the budget ended before the documents did.
    excess: bool,
    /// Whether anything is what `fail-on` names.
    failed: bool,
}

/// Does the whole work.
pub(super) fn answer(
    run: Run,
    options: &Options,
    body: &[u8],
    budget: &Budget,
) -> Result<Answer, Failure> {
    if body.is_empty() {
        let what =
            "the body is empty; expected is a manifest as JSON or YAML, or an AdmissionReview";
        return Err(Failure::Bad(what.to_owned()));
    }
    let text = manifest::as_text(body);
    let mut beside = budget.account();
    if let Cow::Owned(text) = &text {
        beside.charge(element::<u8>() * text.len())?;
    }
    let run = &stated(run, options, &text, budget, &mut beside)?;
    let is_template = is_template(&text);
    let documents = manifest::documents(&text, &Limits::default(), budget)
        .map_err(|error| Failure::Bad(error.to_string()))?;
    let mut tally = Tally {
        out: Out::new(budget),
        more: Out::new(budget),
        documents: 0,
        report: Out::new(budget),
        errors: Vec::new(),
        more_errors: 0,
        outcomes: BTreeMap::new(),
        warnings: Vec::new(),
        workloads: 0,
        rejected: false,
        excess: false,
        failed: false,
    };
    for document in documents {
        match document {
            Ok(document) => match decide(run, &document, options) {
                Ok(one) => tally.add(&one, options)?,
                Err(Wrong::With(error)) => tally.error(error),
                Err(Wrong::Excess(Excess::Stopped)) => {
                    return Err(Excess::Stopped.into());
                }
                Err(Wrong::Excess(excess)) => {
                    let (number, line) = (document.number(), document.line());
                    tally.error(format!("document {number}, line {line}: {excess}"));
                    // Whoever passed the budget once may do so in every document.
                    tally.excess = true;
                    break;
                }
            },
            Err(DocumentError {
                fault: Fault::Excess(Excess::Stopped),
                ..
            }) => return Err(Excess::Stopped.into()),
            Err(error) => {
                tally.excess = matches!(error.fault, Fault::Excess(_));
                let mut what = cut(&visible(&error.to_string()), MESSAGE_CHARS);
                if is_template {
                    what.push_str(RENDER);
                }
                tally.error(what);
                if tally.excess {
                    break;
                }
            }
        }
    }
    if tally.documents > 0 {
        tally.more.push("]")?;
    }
    if options.with.findings {
        tally.find(run, &text, budget)?;
    }
    tally.finish(options)
}

/// The run with the Namespaces that stand in the body: they hold for what is applied with them.
fn stated(
    run: Run,
    options: &Options,
    text: &[u8],
    budget: &Budget,
    account: &mut Account,
) -> Result<Run, Excess> {
    let mut stated = Stated::default();
    stated.read(text, &Limits::default(), budget)?;
    stated.charge(account)?;
    let wins = match options.annotations {
        Some(_) => Wins::ByHand("the annotation chosen by hand"),
        None => Wins::Input,
    };
    let known = stated.over(run.known, wins);
    Ok(Run { known, ..run })
}

impl Tally {
    fn error(&mut self, error: String) {
        if self.errors.len() < ERRORS {
            self.errors.push(error);
        } else {
            self.more_errors += 1;
        }
    }

    fn add(&mut self, one: &Decided<'_>, options: &Options) -> Result<(), Failure> {
        for item in &one.items {
            let decision = &item.decision;
            *self.outcomes.entry(decision.outcome.code()).or_default() += 1;
            if item.is_workload() {
                self.workloads += 1;
                self.rejected |= decision.outcome == Outcome::Rejected;
                self.failed |= options.fail_on.fails(decision);
                let room = WARNINGS.saturating_sub(self.warnings.len());
                let warnings = decision.warnings.iter().take(room);
                self.warnings.extend(warnings.cloned());
                self.report.push(&words(&item.title(), decision, false))?;
            }
        }
        if self.workloads > MOST_WORKLOADS {
            return Err(Failure::Bad(format!(
                "there are more than {MOST_WORKLOADS} workloads in the body; send them in parts"
            )));
        }
        if options.with.text {
            self.text(one)?;
        }
        self.render(one, options.output)
    }

    fn render(&mut self, one: &Decided<'_>, output: Output) -> Result<(), Failure> {
        match output {
            Output::Json => {
                for (at, item) in one.items.iter().enumerate() {
                    let object = one.value.pointer(&item.path).unwrap_or(&Value::Null);
                    let lines = one.lines.get(at);
                    let entry = Entry::new(item, one.number, one.line, lines, object);
                    if !self.out.text.is_empty() {
                        self.out.push(",")?;
                    }
                    self.out.push_json(&entry)?;
                }
            }
            Output::Yaml => self.out.push(&one.after)?,
            Output::Diff if one.before != one.after => {
                self.out.push_diff(&title(one), &one.before, &one.after)?;
            }
            Output::Diff => {}
            Output::Patch => {
                for item in one.items.iter().filter(|item| item.is_workload()) {
                    let patch = item.decision.patch.as_deref();
                    self.out.push(patch.unwrap_or("[]"))?;
                    self.out.push("\n")?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, options: &Options) -> Result<Answer, Failure> {
        let json = options.output == Output::Json;
        if self.more_errors > 0 {
            let more = self.more_errors;
            self.errors
                .push(format!("and {more} more documents cannot be used"));
        }
        if !json && !self.errors.is_empty() {
            let errors = self.errors.join("\n");
            return Err(if self.excess {
                Failure::Excess(errors)
            } else {
                Failure::Bad(errors)
            });
        }
        // A rejected object has no manifest, diff or patch to show.
        let failed = self.failed || (self.rejected && !json);
        let status = if self.excess {
            StatusCode::PAYLOAD_TOO_LARGE
        } else if !self.errors.is_empty() {
            StatusCode::BAD_REQUEST
        } else if failed {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        let (content_type, body) = match options.output {
            Output::Json => {
                let head = b"{\"items\":[";
                self.out.push("],\"errors\":")?;
                self.out.push_json(&self.errors)?;
                let more = std::mem::take(&mut self.more.text);
                let written = std::io::Write::write_all(&mut self.out, &more);
                self.out
                    .done(written.is_ok(), "the answer could not be written")?;
                self.out.push("}")?;
                self.out.text.splice(0..0, head.iter().copied());
                ("application/json", self.out.text)
            }
            _ if failed => (TEXT, self.report.text),
            Output::Yaml => ("application/yaml", restored(self.out.text)),
            Output::Diff => (TEXT, restored(self.out.text)),
            Output::Patch => ("application/json-patch+json", self.out.text),
        };
        Ok(Answer {
            status,
            content_type,
            body,
            outcomes: self.outcomes,
            warnings: self.warnings,
        })
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

/// The bytes of the body's comments that were no text, as they came.
fn restored(text: Vec<u8>) -> Vec<u8> {
    let text = match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => return error.into_bytes(),
    };
    match manifest::restored(&text) {
        Cow::Owned(bytes) => bytes,
        Cow::Borrowed(_) => text.into_bytes(),
    }
}

fn title(one: &Decided<'_>) -> String {
    match one.items.as_slice() {
        [only] => only.title(),
        _ => format!("document {}", one.number),
    }
}

fn decide<'d>(
    run: &Run,
    document: &'d manifest::Document<'_>,
    options: &Options,
) -> Result<Decided<'d>, Wrong> {
    let value = document.value();
    if let Some(why) = not_a_manifest(value) {
        let (number, line) = (document.number(), document.line());
        return Err(Wrong::With(format!(
            "document {number}, line {line}: {why}"
        )));
    }
    let mut decided = Decided {
        number: document.number(),
        line: document.line(),
        value: Cow::Borrowed(value),
        before: document.text().into(),
        after: document.text().into(),
        items: Vec::new(),
        lines: Vec::new(),
        account: document.account(),
    };
    if value["kind"] == "AdmissionReview" {
        review(run, value, &mut decided, options)?;
        return Ok(decided);
    }
    decided.items = run.decide(value, &mut decided.account)?;
    tell_with_workload(&mut decided.items, document.warnings());
    if options.with.lines {
        decided.lines = lines(document, &decided.items);
    }
    let mut operations = Vec::new();
    for item in &decided.items {
        let patch = item.patch_in_document().map_err(wrong)?;
        operations.extend(patch.0);
    }
    if !operations.is_empty() {
        let edited =
            document
                .edit(&json_patch::Patch(operations))
                .map_err(|error| match error {
                    EditError::Excess(excess) => Wrong::Excess(excess),
                    other => wrong(other),
                })?;
        decided
            .account
            .charge(element::<u8>() * edited.text.len())?;
        charge_clone(&mut decided.account, &edited.value)?;
        decided.after = edited.text.into();
        decided.value = Cow::Owned(edited.value);
    }
    Ok(decided)
}

/// An AdmissionReview gets the very answer that `/mutate` would give.
fn review<'d>(
    run: &Run,
    value: &'d Value,
    decided: &mut Decided<'d>,
    options: &Options,
) -> Result<(), Wrong> {
    let mut beside = decided.account.beside();
    let text = to_json_within(value, &mut beside)?;
    let mut review =
        Review::read(text.as_bytes()).map_err(|refusal| Wrong::With(refusal.message))?;
    // By the time that the Pod is made.
    review.helper_stands = true;
    let entry = run.known.entry(review.namespace());
    let decision = review.decide(&run.settings, run.known.view(entry.as_deref()), true);
    let request = &value["request"];
    let kind = &request["kind"];
    let part = |name: &str| kind[name].as_str().unwrap_or_default();
    let item = Item {
        api_version: api_version(part("group"), part("version")),
        kind: part("kind").to_owned(),
        namespace: review.namespace().to_owned(),
        name: review.name().to_owned(),
        path: String::new(),
        decision,
    };
    drop(review);
    drop(text);
    drop(beside);
    let patch = item.patch_in_document().map_err(wrong)?;
    let account = &mut decided.account;
    let object = &request["object"];
    charge_clone(account, object)?;
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &patch).map_err(wrong)?;
    if options.with.text || matches!(options.output, Output::Yaml | Output::Diff) {
        decided.before = manifest::to_yaml_within(object, account)?.into();
        decided.after = manifest::to_yaml_within(&patched, account)?.into();
    }
    decided.value = Cow::Owned(patched);
    decided.items.push(item);
    Ok(())
}
