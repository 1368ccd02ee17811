//! `silkroll check`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::Value;

use super::inject::{MESSAGE_CHARS, count, patched};
use super::{engine, input};
use crate::admission::manifests::{Item, Known, Run, not_a_manifest};
use crate::check::{
    Baseline, Object, Place, RULES, Report, Rule, Severity, Wanted, World, assemble, judge, output,
};
use crate::cluster::Cluster;
use crate::manifest::budget::{Account, Budget, Stop};
use crate::manifest::{self, Document, Limits, each_object};
use crate::policy::{cut, visible};

/// Say what in manifests at hand is not lossless.
///
/// All inputs are judged together: Services, disruption budgets, autoscalers, Ingresses and ConfigMaps
/// are read to judge the workloads. The webhook is not needed for any of it; where annotating the
/// namespace would mend a finding, the finding says so.
#[derive(Debug, clap::Args)]
#[group(id = "check")]
#[command(after_help = "Examples:
    silkroll check -f manifests/                             every workload in a folder
    helm template shop ./chart | silkroll check -f -         what a chart makes
    silkroll check --cluster                                 what runs in a cluster
    silkroll check -f manifests/ --assume-injected           what would be left with Silkroll
    silkroll check -f manifests/ --output sarif > silkroll.sarif
    silkroll check --explain SR102

To silence one finding, say why, in a comment in front of its place or behind it, or on the object:
    replicas: 1   # silkroll:ignore SR301 a nightly report, which may be away
    silkroll.dev/ignore: SR301 a nightly report, which may be away; SR402 the same

Exit code: 0 nothing was found, 1 something was found (see --fail-on), 2 something could not be read or
written, or there was no object at all. It is the same for every --output.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// A file, a folder (its .yaml, .yml and .json files), or - for standard input.
    /// May be given several times
    #[arg(
        short,
        long = "filename",
        value_name = "FILE",
        required_unless_present_any = ["explain", "cluster"]
    )]
    files: Vec<PathBuf>,

    /// Folders with their subfolders
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Judge what is in a cluster, which is found as kubectl finds it: KUBECONFIG, ~/.kube/config, or the
    /// pod's own account. Reads only, never ConfigMaps nor Secrets
    #[arg(long, conflicts_with_all = ["files", "fix", "recursive"])]
    cluster: bool,

    /// The namespace of documents that name none [default: default]; with --cluster the only one
    /// that is judged
    #[arg(short, long, value_name = "NAME", value_parser = super::configmap::namespace)]
    namespace: Option<String>,

    /// What goes to standard output: text for people, JSON, SARIF 2.1.0, the XML of JUnit, or workflow
    /// commands of GitHub Actions
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,

    /// The mildest severity that makes the exit code 1: error, warning or info
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severities())]
    fail_on: Severity,

    /// Only these rules: codes, or how codes begin (SR1), with commas
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = rules)]
    rules: Vec<String>,

    /// Print the page of a rule: what it means, a bad and a good manifest, and the source
    #[arg(long, value_name = "CODE", value_parser = code, conflicts_with_all = ["files", "fix", "cluster"])]
    explain: Option<&'static Rule>,

    /// Judge what would come out if every namespace here were annotated
    #[arg(long)]
    assume_injected: bool,

    /// Findings of this file, which --write-baseline has written, are known and count for nothing
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Write what is found to a baseline, and exit with 0
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    write_baseline: Option<PathBuf>,

    /// Write into the files what `inject` would, in those workloads where that mends something, and
    /// report what is left; comments stay
    #[arg(long, conflicts_with_all = ["assume_injected", "write_baseline"])]
    fix: bool,

    #[command(flatten)]
    engine: engine::Args,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
    Sarif,
    Junit,
    Github,
}

fn severities() -> impl clap::builder::TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name)).try_map(|text| text.parse())
}

fn rules(text: &str) -> Result<String, String> {
    let begin = text.to_ascii_uppercase();
    let known = RULES.iter().any(|rule| rule.code.starts_with(&begin));
    if known && begin.len() > 2 {
        return Ok(begin);
    }
    Err("there is no such rule; expected is a code such as SR101, or how several begin, such as SR1".to_owned())
}

fn code(text: &str) -> Result<&'static Rule, String> {
    Rule::find(&text.to_ascii_uppercase()).ok_or_else(|| {
        let codes: Vec<_> = RULES.iter().map(|rule| rule.code).collect();
        format!("there is no such rule; there are {}", codes.join(", "))
    })
}

/// Judges and prints.
///
/// # Errors
/// A file or setting that cannot be used at all.
pub fn run(args: &Args, out: &mut dyn Write, report: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(rule) = args.explain {
        super::print(out, rule.page.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let baseline = match &args.baseline {
        Some(path) => {
            let context = || format!("--baseline {}", path.display());
            let text = input::file(path).with_context(context)?;
            let text = String::from_utf8(text).with_context(context)?;
            Baseline::read(&text).with_context(context)?
        }
        None => Baseline::default(),
    };
    if args.fix {
        fix(args, &baseline, report)?;
    }
    let inputs = inputs(args)?;
    let read = if args.cluster {
        Read::cluster(args)?
    } else {
        Read::of(args, &inputs, report)?
    };
    let judged = read.judge(args, &baseline);
    if let Some(path) = &args.write_baseline {
        let text = Baseline::write(&judged)?;
        std::fs::write(path, text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let text = match args.output {
        Output::Text => output::text(&judged),
        Output::Json => output::json(&judged)?,
        Output::Sarif => output::sarif(&judged),
        Output::Junit => output::junit(&judged),
        Output::Github => output::github(&judged),
    };
    super::print(out, text.as_bytes())?;
    if read.unreadable > 0 {
        let documents = count(read.unreadable, "document");
        writeln!(report, "silkroll: {documents} could not be read")?;
        return Ok(ExitCode::from(2));
    }
    if judged.objects == 0 {
        writeln!(report, "silkroll: there is no object in the input")?;
        return Ok(ExitCode::from(2));
    }
    let failed = judged.fails() && args.write_baseline.is_none();
    Ok(ExitCode::from(u8::from(failed)))
}

/// An input: its path, its name in the report, and its text.
struct Input {
    path: PathBuf,
    name: String,
    text: Vec<u8>,
}

fn inputs(args: &Args) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in &args.files {
        for (name, bytes) in input::all(path, args.recursive)? {
            let text = manifest::as_text(&bytes).into_owned();
            let path = if path == Path::new("-") {
                path.clone()
            } else {
                PathBuf::from(&name)
            };
            inputs.push(Input { path, name, text });
        }
    }
    Ok(inputs)
}

/// One document, or one List of a cluster's, with what the engine makes of it.
struct One<'t> {
    /// Which input it stands in; nothing for a cluster's.
    input: Option<usize>,
    source: Source<'t>,
    items: Vec<Item>,
    /// With the injection; none where it changes nothing.
    injected: Option<Value>,
}

enum Source<'t> {
    Document(Document<'t>),
    Live(Value),
}

impl<'t> One<'t> {
    fn new(
        run: &Run,
        input: Option<usize>,
        source: Source<'t>,
        account: &mut Account,
    ) -> anyhow::Result<Self> {
        let value = source.value();
        let items = run.decide(value, account)?;
        let injected = injected(value, &items)?;
        Ok(Self {
            input,
            source,
            items,
            injected,
        })
    }
}

impl<'t> Source<'t> {
    fn value(&self) -> &Value {
        match self {
            Self::Document(document) => document.value(),
            Self::Live(value) => value,
        }
    }

    fn document(&self) -> Option<&Document<'t>> {
        match self {
            Self::Document(document) => Some(document),
            Self::Live(_) => None,
        }
    }
}

/// Everything that was read.
struct Read<'t> {
    inputs: &'t [Input],
    all: Vec<One<'t>>,
    unreadable: usize,
}

/// The namespace of what names none.
const NAMESPACE: &str = "default";

fn of_engine(args: &Args) -> anyhow::Result<Run> {
    Ok(Run {
        settings: Arc::new(args.engine.settings()?),
        known: Known::All,
        namespace: args.namespace.clone().unwrap_or(NAMESPACE.to_owned()),
        remove: false,
    })
}

impl<'t> Read<'t> {
    fn cluster(args: &Args) -> anyhow::Result<Self> {
        let run = of_engine(args)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime cannot be started")?;
        let lists = runtime.block_on(async {
            let cluster = Cluster::connect().await?;
            cluster.lists(args.namespace.as_deref()).await
        })?;
        // What an API server has sent is there already; its objects are bounded one by one.
        let budget = Budget::new(usize::MAX, Stop::default());
        let all = lists
            .into_iter()
            .map(|list| One::new(&run, None, Source::Live(list), &mut budget.account()));
        Ok(Self {
            inputs: &[],
            all: all.collect::<anyhow::Result<_>>()?,
            unreadable: 0,
        })
    }

    fn of(args: &Args, inputs: &'t [Input], report: &mut dyn Write) -> anyhow::Result<Self> {
        let run = of_engine(args)?;
        let limits = Limits::default();
        // All of it is held at one time.
        let budget = Budget::new(limits.memory, Stop::default());
        let mut read = Self {
            inputs,
            all: Vec::new(),
            unreadable: 0,
        };
        for (at, input) in inputs.iter().enumerate() {
            let mut wrong = |error: &dyn std::fmt::Display| {
                read.unreadable += 1;
                let text = format!("{}: {error}", input.name);
                writeln!(report, "{}", cut(&visible(&text), MESSAGE_CHARS))
            };
            let documents = match manifest::documents(&input.text, &limits, &budget) {
                Ok(documents) => documents,
                Err(error) => {
                    wrong(&error)?;
                    continue;
                }
            };
            for document in documents {
                let document = match document {
                    Ok(document) => document,
                    Err(error) => {
                        wrong(&error)?;
                        continue;
                    }
                };
                if let Some(why) = not_a_manifest(document.value()) {
                    wrong(&format!(
                        "document {}, line {}: {why}",
                        document.number(),
                        document.line()
                    ))?;
                    continue;
                }
                let number = document.number();
                let mut account = document.account();
                let source = Source::Document(document);
                let one = One::new(&run, Some(at), source, &mut account)
                    .with_context(|| format!("{}: document {number}", input.name))?;
                read.all.push(one);
            }
        }
        Ok(read)
    }

    fn judge(&self, args: &Args, baseline: &Baseline) -> Report {
        let wanted = Wanted {
            rules: &args.rules,
            fail_on: args.fail_on,
            baseline,
        };
        let mut places = Vec::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let namespace = args.namespace.as_deref().unwrap_or(NAMESPACE);
        for one in &self.all {
            let file = one.input.map_or("", |at| &self.inputs[at].name);
            let value = one.source.value();
            objects(value, namespace, &mut |object, path| {
                before.push(object);
                places.push(Place {
                    file,
                    document: one.source.document(),
                    path,
                });
            });
            let value = one.injected.as_ref().unwrap_or(value);
            objects(value, namespace, &mut |object, _| after.push(object));
        }
        let (before, after) = (World::new(before), World::new(after));
        let left = judge(&after);
        if args.assume_injected {
            return assemble(&after, &left, None, &places, &wanted);
        }
        assemble(&before, &judge(&before), Some(&left), &places, &wanted)
    }
}

fn objects<'v>(document: &'v Value, namespace: &'v str, each: &mut dyn FnMut(Object<'v>, String)) {
    let walked: Result<(), std::convert::Infallible> = each_object(document, &mut |found| {
        if !found.value.is_null() {
            let object = Object::new(found.value, found.api_version, found.kind, namespace);
            each(object, found.path);
        }
        Ok(())
    });
    let Ok(()) = walked;
}

fn injected(value: &Value, items: &[Item]) -> anyhow::Result<Option<Value>> {
    let mut operations = Vec::new();
    for item in items {
        operations.extend(item.patch_in_document()?.0);
    }
    if operations.is_empty() {
        return Ok(None);
    }
    let mut value = value.clone();
    json_patch::patch(&mut value, &json_patch::Patch(operations))?;
    Ok(Some(value))
}

/// Writes into the files what mends something.
fn fix(args: &Args, baseline: &Baseline, report: &mut dyn Write) -> anyhow::Result<()> {
    if args.files.iter().any(|path| path == Path::new("-")) {
        bail!("--fix writes files, and cannot write standard input: use silkroll inject -f -");
    }
    let inputs = inputs(args)?;
    let read = Read::of(args, &inputs, report)?;
    if read.unreadable > 0 {
        bail!(
            "{} could not be read, nothing was written",
            count(read.unreadable, "document")
        );
    }
    let judged = read.judge(args, baseline);
    let mended: std::collections::HashSet<usize> = judged
        .loud()
        .filter(|entry| entry.mended)
        .map(|entry| entry.object)
        .collect();
    let mut texts = vec![(String::new(), 0); inputs.len()];
    let mut object = 0;
    for one in &read.all {
        let (Some(at), Some(document)) = (one.input, one.source.document()) else {
            continue;
        };
        let (text, changed) = &mut texts[at];
        let mut operations = Vec::new();
        for item in &one.items {
            let patch = item.patch_in_document()?.0;
            if mended.contains(&object) && !patch.is_empty() {
                operations.extend(patch);
                *changed += 1;
            }
            object += 1;
        }
        if operations.is_empty() {
            text.push_str(document.text());
            continue;
        }
        let name = &inputs[at].name;
        let edited = patched(document, operations, name, report)?;
        text.push_str(&edited.text);
    }
    for (input, (text, changed)) in inputs.iter().zip(&texts) {
        if *changed > 0 {
            input::replace(&input.path, &manifest::restored(text))?;
            writeln!(
                report,
                "{}: {} injected",
                input.name,
                count(*changed, "workload")
            )?;
        }
    }
    Ok(())
}
