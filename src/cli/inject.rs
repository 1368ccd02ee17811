//! `silkroll inject`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::Value;

use super::engine;
use super::input::{self, Input};
use crate::admission::fail_on::{FailOn, Trouble};
use crate::admission::known::{Stated, Wins};
use crate::admission::manifests::{
    Item, NamespaceSource, Run, is_template, not_a_manifest, tell_with_workload,
};
use crate::admission::report::words;
use crate::engine::{Outcome, Reason};
use crate::manifest::budget::{Budget, Stop};
use crate::manifest::{self, Document, Edited, Limits, unified_diff};
use crate::policy::{cut, visible};
use crate::text::seen_json;

/// Inject into manifests at hand, as the webhook would.
///
/// The manifests go to standard output, the report to standard error. Documents that need no change
/// come out byte for byte; in those that do, comments and order stay.
#[derive(Debug, clap::Args)]
#[group(id = "inject")]
#[command(after_help = "Examples:
    silkroll inject -f deployment.yaml --diff --explain      what would change, and why
    silkroll inject -f manifests/ | kubectl apply -f -       without the webhook
    kubectl get deploy web -o yaml | silkroll inject -f - --remove
    kustomize build DIR | silkroll inject -f - --fail-on warning,skipped      in a pipeline

Exit code: 0 all went well, 1 something was rejected or is what --fail-on names, 2 something could not
be read or written, or with --fail-on there was no object at all. In both cases no manifest is printed. 141: the reader of standard output went away.
That the report cannot be written changes nothing.

An input may hold 256 MiB, all together 1 GiB; devices and named pipes are refused.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// A file, a folder (its .yaml, .yml and .json files), or - for standard input.
    /// May be given several times
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Folders with their subfolders
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Show what would change as a diff, instead of the manifests
    #[arg(long, conflicts_with = "output")]
    diff: bool,

    /// What goes to standard output: manifests as YAML, where they are, or as JSON, or one JSON
    /// patch a line for each workload
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Output,

    /// Say what was decided and why, and how the pods will stop, second by second
    #[arg(long)]
    explain: bool,

    /// Take Silkroll's parts out and give back what was there before
    #[arg(long)]
    remove: bool,

    /// Refuse what kubectl takes without a word and was hardly meant: a key twice in one mapping
    #[arg(long)]
    strict: bool,

    /// Namespace manifests (kubectl get namespaces -o yaml) that say who has opted in. Without it, every
    /// namespace counts as opted in: a file at hand was meant. A Namespace among the inputs holds for
    /// what is in it, too, also where it says `disabled`; what this file says otherwise wins
    #[arg(long, value_name = "FILE")]
    namespaces: Option<PathBuf>,

    /// Fail on more than what is rejected, which always fails: on a `warning`, or where a workload is
    /// `skipped`, that is, stays without its injection although nobody chose so: its namespace has not
    /// opted in or is not known, its kind is not covered, an annotation cannot be used, no container is
    /// known to serve traffic, and the like. Chosen is what an annotation says in as many words: the
    /// workload or its namespace says `disabled`, or the namespace says `on-request` and the workload
    /// does not ask. May be given several times, or with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = troubles())]
    fail_on: Vec<Trouble>,

    /// The namespace of documents that name none
    #[arg(short, long, value_name = "NAME", default_value = "default", value_parser = super::configmap::namespace)]
    namespace: String,

    #[command(flatten)]
    engine: engine::Args,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Yaml,
    Json,
    Patch,
}

fn troubles() -> impl clap::builder::TypedValueParser<Value = Trouble> {
    PossibleValuesParser::new(Trouble::ALL.map(Trouble::name)).try_map(|text| text.parse())
}

/// A message about a document: enough for its place, the reason and a piece of the text.
pub(super) const MESSAGE_CHARS: usize = 400;

/// What makes manifests of a chart.
const RENDER: &str = "build first: helm template NAME CHART | silkroll inject -f -";

/// What has come of all inputs so far.
#[derive(Default)]
struct Result {
    out: String,
    objects: usize,
    rejected: usize,
    /// Not rejected, but what `--fail-on` names.
    failed: usize,
    unreadable: usize,
}

impl Result {
    /// Says what is wrong with an input; what it quotes of it is cut and shown escaped.
    fn unreadable(
        &mut self,
        name: &str,
        error: &dyn std::fmt::Display,
        report: &mut dyn Write,
    ) -> std::io::Result<()> {
        self.unreadable += 1;
        let text = format!("{name}: {error}");
        writeln!(report, "{}", cut(&visible(&text), MESSAGE_CHARS))
    }
}

/// Injects, prints and reports.
///
/// # Errors
/// A file or setting that cannot be used at all.
pub fn run(args: &Args, out: &mut dyn Write, report: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let settings = Arc::new(args.engine.settings()?);
    let known = match &args.namespaces {
        Some(path) => {
            let (namespaces, warnings) = engine::namespaces(path)?;
            for warning in warnings {
                writeln!(report, "{}", cut(&visible(&warning), MESSAGE_CHARS))?;
            }
            NamespaceSource::Snapshot(Arc::new(namespaces))
        }
        None => NamespaceSource::All,
    };
    let mut inputs = Vec::new();
    let mut together = 0;
    for path in &args.files {
        inputs.extend(input::all(path, args.recursive, &mut together)?);
    }
    let run = Run {
        settings,
        known: stated(&inputs)?.over(known, Wins::ByHand("--namespaces")),
        namespace: args.namespace.clone(),
        remove: args.remove,
    };
    let mut result = Result::default();
    for input in &inputs {
        one(args, &run, input, &mut result, report)?;
    }
    if result.unreadable > 0 {
        writeln!(
            report,
            "silkroll: {} could not be read, no manifest was printed",
            count(result.unreadable, "document")
        )?;
        return Ok(ExitCode::from(2));
    }
    if result.rejected + result.failed > 0 {
        let mut what = Vec::new();
        if result.rejected > 0 {
            what.push(format!("{} rejected", count(result.rejected, "object")));
        }
        if result.failed > 0 {
            let named: Vec<&str> = args.fail_on.iter().map(|trouble| trouble.name()).collect();
            let objects = count(result.failed, "object");
            what.push(format!("{objects} failed --fail-on {}", named.join(",")));
        }
        let what = what.join(", ");
        writeln!(report, "silkroll: {what}, no manifest was printed")?;
        return Ok(ExitCode::from(1));
    }
    if result.objects == 0 {
        writeln!(report, "silkroll: there is no object in the input")?;
        // What was to be built in front of a gate was not.
        if !args.fail_on.is_empty() {
            return Ok(ExitCode::from(2));
        }
    }
    super::print(out, &manifest::restored(&result.out))?;
    Ok(ExitCode::SUCCESS)
}

/// The Namespaces in all inputs: one may stand in another file than its workloads.
fn stated(inputs: &[Input]) -> anyhow::Result<Stated> {
    let mut stated = Stated::default();
    let limits = Limits::default();
    for input in inputs {
        let budget = Budget::new(limits.memory, Stop::default());
        stated.read(&input.text, &limits, &budget)?;
    }
    Ok(stated)
}

pub(super) fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

fn one(
    args: &Args,
    run: &Run,
    input: &Input,
    result: &mut Result,
    report: &mut dyn Write,
) -> anyhow::Result<()> {
    let name = &input.name;
    let limits = Limits::default();
    let budget = Budget::new(limits.memory, Stop::default());
    let documents = match manifest::documents(&input.text, &limits, &budget) {
        Ok(documents) => documents,
        Err(error) => return Ok(result.unreadable(name, &error, report)?),
    };
    let is_template = is_template(&input.text);
    let (mut before, mut after) = (String::new(), String::new());
    let mut json = String::new();
    let fail_on: FailOn = args.fail_on.iter().copied().collect();
    for document in documents {
        let document = match document {
            Ok(document) => document,
            Err(error) if is_template => {
                let what = format!("{error}. It looks like a template: {RENDER}");
                result.unreadable(name, &what, report)?;
                continue;
            }
            Err(error) => {
                result.unreadable(name, &error, report)?;
                continue;
            }
        };
        if let Some(why) = not_a_manifest(document.value()) {
            let place = format!(
                "document {}, line {}: {why}",
                document.number(),
                document.line()
            );
            result.unreadable(name, &place, report)?;
            continue;
        }
        if args.strict && !document.warnings().is_empty() {
            let warnings = document.warnings().iter().map(ToString::to_string);
            let told = warnings.collect::<Vec<_>>().join("; ");
            let place = format!("document {}: {told}", document.number());
            result.unreadable(name, &place, report)?;
            continue;
        }
        let mut account = document.account();
        let mut items = run
            .decide(document.value(), &mut account)
            .with_context(|| format!("{name}: document {}", document.number()))?;
        if !tell_with_workload(&mut items, document.warnings()) {
            for warning in document.warnings() {
                let text = format!("{name}: document {}: {warning}", document.number());
                writeln!(report, "{}", cut(&visible(&text), MESSAGE_CHARS))?;
            }
        }
        result.objects += items.len();
        let mut operations = Vec::new();
        for item in &items {
            tell(args, item, report)?;
            let rejected = item.decision.outcome == Outcome::Rejected;
            let failed = fail_on.fails(&item.decision);
            result.rejected += usize::from(rejected);
            result.failed += usize::from(failed && !rejected);
            operations.extend(item.patch_in_document()?.0);
            if args.output == Output::Patch && item.is_workload() {
                result
                    .out
                    .push_str(item.decision.patch.as_deref().unwrap_or("[]"));
                result.out.push('\n');
            }
        }
        before.push_str(document.text());
        if operations.is_empty() {
            after.push_str(document.text());
            append_json(args, &mut json, document.value())?;
            continue;
        }
        let edited = patched(&document, operations, name, report)?;
        after.push_str(&edited.text);
        append_json(args, &mut json, &edited.value)?;
    }
    if args.diff {
        if before != after {
            let name = visible(name);
            result.out.push_str(&unified_diff(&name, &before, &after));
        }
        return Ok(());
    }
    match args.output {
        Output::Yaml => append(&mut result.out, &after),
        Output::Json => result.out.push_str(&json),
        Output::Patch => {}
    }
    Ok(())
}

/// As text at once: a value takes ten times as much.
fn append_json(args: &Args, out: &mut String, value: &Value) -> anyhow::Result<()> {
    if args.output != Output::Json || value.is_null() {
        return Ok(());
    }
    out.push_str(&seen_json(&serde_json::to_string_pretty(value)?));
    out.push('\n');
    Ok(())
}

/// Files become one stream: between two of them stands a separator.
pub(super) fn append(out: &mut String, text: &str) {
    if !out.is_empty() && !text.is_empty() {
        if !out.ends_with('\n') {
            out.push('\n');
        }
        if !text.starts_with("---") {
            out.push_str("---\n");
        }
    }
    out.push_str(text);
}

/// A document after a patch. Says where it could not be edited in place.
pub(super) fn patched(
    document: &Document<'_>,
    operations: Vec<json_patch::PatchOperation>,
    name: &str,
    report: &mut dyn Write,
) -> anyhow::Result<Edited> {
    let number = document.number();
    let edited = document
        .edit(&json_patch::Patch(operations))
        .with_context(|| format!("{name}: document {number}"))?;
    if let Some(why) = &edited.rewritten {
        writeln!(
            report,
            "{}: document {number} had to be written anew: its comments below the first line of content are lost, and its quotes and anchors ({why})",
            visible(name)
        )?;
    }
    Ok(edited)
}

fn tell(args: &Args, item: &Item, report: &mut dyn Write) -> anyhow::Result<()> {
    if item.decision.reason == Reason::OtherKind {
        return Ok(());
    }
    report.write_all(words(&item.title(), &item.decision, args.explain).as_bytes())?;
    Ok(())
}
