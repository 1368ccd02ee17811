//! What `silkroll check` reads, what the engine makes of it, and the judgement of both.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;

use super::super::inject::MESSAGE_CHARS;
use super::super::input::{self, Input};
use super::Args;
use crate::admission::known::{Stated, Wins};
use crate::admission::manifests::{
    Item, NamespaceSource, Run, is_template, not_a_manifest, part_of_a_workload,
};
use crate::check::{
    Baseline, Object, ReadAt, Remark, Report, Scope, Terms, World, assemble, harmless, judge,
    remarks,
};
use crate::cluster::{Cluster, Lists};
use crate::manifest::budget::{Budget, Excess, Stop};
use crate::manifest::{self, Document, Limits, each_object};
use crate::policy::{cut, visible};

/// What is named, each once: what is named twice, or by a link, too, holds one object of each name.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) all: Vec<Input>,
    /// What is said of each folder that holds no manifests.
    charts: Vec<String>,
}

/// Reads all inputs.
///
/// # Errors
/// As [`input::all`].
pub(super) fn inputs(args: &Args) -> anyhow::Result<Inputs> {
    let mut inputs = Inputs::default();
    let mut seen = HashSet::new();
    let mut together = 0;
    for path in &args.files {
        if path.join("Chart.yaml").is_file() && path.join("templates").is_dir() {
            let shown = input::name(path);
            inputs.charts.push(format!(
                "{shown} is a Helm chart, whose templates are no manifests: {RENDER}"
            ));
            continue;
        }
        let all = input::all(path, args.recursive, &mut together)?;
        inputs.all.extend(all.into_iter().filter(|input| {
            let real = input.path.canonicalize();
            seen.insert(real.unwrap_or_else(|_| input.path.clone()))
        }));
    }
    Ok(inputs)
}

/// One document, or one List of a cluster's.
pub(super) struct Source<'t> {
    /// Which input it stands in; nothing for a cluster's.
    pub(super) input: Option<usize>,
    content: Content<'t>,
}

enum Content<'t> {
    Document(Document<'t>),
    Live(Value),
}

impl<'t> Source<'t> {
    fn value(&self) -> &Value {
        match &self.content {
            Content::Document(document) => document.value(),
            Content::Live(value) => value,
        }
    }

    pub(super) fn document(&self) -> Option<&Document<'t>> {
        match &self.content {
            Content::Document(document) => Some(document),
            Content::Live(_) => None,
        }
    }
}

/// What the engine makes of one source.
pub(super) struct Made {
    /// With the injection; none where it changes nothing.
    injected: Option<Value>,
    /// Of objects that it does not inject, by their paths, why.
    refused: HashMap<String, String>,
    /// Of objects that it denies, by their paths, why.
    denied: HashMap<String, String>,
}

fn said<'m>(all: &'m HashMap<String, String>, path: &str) -> &'m str {
    all.get(path).map_or("", String::as_str)
}

/// Everything that was read.
pub(super) struct Read<'t> {
    inputs: &'t [Input],
    pub(super) all: Vec<(Source<'t>, Made)>,
    /// What is said of each document that cannot be read.
    pub(super) unreadable: Vec<String>,
    /// Kinds that the cluster has and does not show to this account.
    forbidden: Vec<&'static str>,
}

/// What makes manifests of a chart.
const RENDER: &str = "build first: helm template NAME CHART | silkroll check -f -";

/// The namespace of what names none.
const NAMESPACE: &str = "default";

impl<'t> Read<'t> {
    /// What is in a cluster.
    ///
    /// # Errors
    /// It cannot be reached or says no, or a setting of the engine cannot be used.
    pub(super) fn cluster(args: &Args) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime cannot be started")?;
        let Lists { lists, forbidden } = runtime.block_on(async {
            let cluster = Cluster::connect().await?;
            cluster.lists(args.namespace.as_deref()).await
        })?;
        let live = |list| Source {
            input: None,
            content: Content::Live(list),
        };
        Ok(Self {
            inputs: &[],
            all: made(args, lists.into_iter().map(live).collect(), &[])?,
            unreadable: Vec::new(),
            forbidden,
        })
    }

    /// What is in files. Of a document that cannot be read the report tells.
    ///
    /// # Errors
    /// The report cannot be written, or a setting of the engine cannot be used.
    pub(super) fn of(
        args: &Args,
        inputs: &'t Inputs,
        report: &mut dyn Write,
    ) -> anyhow::Result<Self> {
        let limits = Limits::default();
        // All of it is held at one time.
        let budget = Budget::new(limits.memory, Stop::default());
        let mut unreadable = Vec::new();
        let mut sources = Vec::new();
        let mut say = |text: &str| {
            let text = harmless(&cut(&visible(text), MESSAGE_CHARS));
            // A line that begins with a file's name could be taken for a workflow command.
            let written = writeln!(report, "silkroll: {text}");
            unreadable.push(text);
            written
        };
        for chart in &inputs.charts {
            say(chart)?;
        }
        let inputs = &*inputs.all;
        for (at, input) in inputs.iter().enumerate() {
            let mut wrong =
                |error: &dyn std::fmt::Display| say(&format!("{}: {error}", input.name));
            let documents = match manifest::documents(&input.text, &limits, &budget) {
                Ok(documents) => documents,
                Err(error) => {
                    wrong(&error)?;
                    continue;
                }
            };
            let is_template = is_template(&input.text);
            for document in documents {
                let document = match document {
                    Ok(document) => document,
                    Err(error) if is_template => {
                        wrong(&format!("{error}. It looks like a template: {RENDER}"))?;
                        continue;
                    }
                    Err(error) => {
                        wrong(&error)?;
                        continue;
                    }
                };
                let why = not_a_manifest(document.value())
                    .or_else(|| part_of_a_workload(document.value()));
                if let Some(why) = why {
                    // It says how to build what it is a part of.
                    let why = why.replace("silkroll inject -f", "silkroll check -f");
                    wrong(&format!(
                        "document {}, line {}: {why}",
                        document.number(),
                        document.line()
                    ))?;
                    continue;
                }
                sources.push(Source {
                    input: Some(at),
                    content: Content::Document(document),
                });
            }
        }
        Ok(Self {
            inputs,
            all: made(args, sources, inputs)?,
            unreadable,
            forbidden: Vec::new(),
        })
    }

    /// What `silkroll inject` of the same would do: a Namespace among the sources that has not opted in stays so.
    ///
    /// # Errors
    /// A setting of the engine cannot be used.
    pub(super) fn as_said(&self, args: &Args) -> anyhow::Result<Run> {
        let stated = stated(self.all.iter().map(|(source, _)| source));
        run(args, stated.over(NamespaceSource::All, Wins::Input))
    }

    /// Judges all of it.
    ///
    /// # Errors
    /// Never: whoever runs this may use the memory that there is.
    pub(super) fn judge(&self, args: &Args, baseline: &Baseline) -> Result<Report, Excess> {
        let account = &mut Budget::new(usize::MAX, Stop::default()).account();
        let wanted = Scope {
            rules: &args.rules,
            fail_on: args.fail_on,
            baseline,
        };
        let mut places = Vec::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let namespace = args.namespace.as_deref().unwrap_or(NAMESPACE);
        // A document of nothing but comments: they speak for the next one, as if the separator between them were not there.
        let mut above: Option<&Source<'_>> = None;
        for (source, made) in &self.all {
            let file = source.input.map_or("", |at| &*self.inputs[at].name);
            let value = source.value();
            let same = above.take().filter(|above| above.input == source.input);
            if value.is_null() {
                above = Some(source);
                continue;
            }
            let above = same.and_then(Source::document);
            objects(value, namespace, &mut |object, path| {
                let (refused, denied) = (said(&made.refused, &path), said(&made.denied, &path));
                before.push(object.in_file(file).refused(refused).denied(denied));
                places.push(ReadAt {
                    file,
                    document: source.document(),
                    above,
                    path,
                });
            });
            let value = made.injected.as_ref().unwrap_or(value);
            objects(value, namespace, &mut |object, path| {
                let denied = said(&made.denied, &path);
                after.push(object.in_file(file).denied(denied));
            });
        }
        let (before, after) = (World::new(before), World::new(after));
        let terms = |before| Terms {
            before,
            native_sleep: args.engine.native_sleep(),
        };
        let found = judge(&before, terms(None), account)?;
        let left = judge(&after, terms(Some(&found)), account)?;
        let report = if args.assume_injected {
            assemble(&after, &left, None, &places, &wanted, account)?
        } else {
            assemble(&before, &found, Some(&left), &places, &wanted, account)?
        };
        let mut remarks = remarks(&before);
        if !self.forbidden.is_empty() {
            remarks.push(Remark::plain(format!(
                "not read, for this account may not list them: {}; workloads are judged as if there were none \
                 (docs/check/README.md has the rights that are needed)",
                self.forbidden.join(", ")
            )));
        }
        Ok(Report {
            unreadable: self.unreadable.clone(),
            remarks,
            ..report
        })
    }
}

/// Asks the engine about everything. Every namespace counts as opted in; what else the Namespaces among the sources say
/// holds.
fn made<'t>(
    args: &Args,
    sources: Vec<Source<'t>>,
    inputs: &[Input],
) -> anyhow::Result<Vec<(Source<'t>, Made)>> {
    let known = NamespaceSource::Assumed(Arc::new(stated(&sources).opted_in()));
    let run = run(args, known)?;
    // What an API server has sent is there already; its objects are bounded one by one.
    let budget = Budget::new(usize::MAX, Stop::default());
    let made = sources.into_iter().map(|source| {
        let mut account = match source.document() {
            Some(document) => document.account(),
            None => budget.account(),
        };
        let place = || match (source.input, source.document()) {
            (Some(at), Some(document)) => {
                format!("{}: document {}", inputs[at].name, document.number())
            }
            _ => "the cluster".to_owned(),
        };
        let items = run
            .decide(source.value(), &mut account)
            .with_context(place)?;
        let injected = injected(source.value(), &items).with_context(place)?;
        let refused = items.iter().filter_map(|item| {
            let decision = &item.decision;
            let why = decision.denial.as_ref().or(decision.warnings.first())?;
            let untouched = decision.patch.is_none();
            untouched.then(|| (item.path.clone(), why.clone()))
        });
        let refused = refused.collect();
        let denied = items
            .iter()
            .filter_map(|item| Some((item.path.clone(), item.decision.denial.clone()?)));
        let denied = denied.collect();
        Ok((
            source,
            Made {
                injected,
                refused,
                denied,
            },
        ))
    });
    made.collect()
}

/// The Namespaces among the sources.
fn stated<'s, 't: 's>(sources: impl IntoIterator<Item = &'s Source<'t>>) -> Stated {
    let mut stated = Stated::default();
    for source in sources {
        stated.add(source.value());
    }
    stated
}

fn run(args: &Args, known: NamespaceSource) -> anyhow::Result<Run> {
    Ok(Run {
        settings: Arc::new(args.engine.settings()?),
        known,
        namespace: args.namespace.clone().unwrap_or(NAMESPACE.to_owned()),
        remove: false,
    })
}

fn objects<'v>(document: &'v Value, namespace: &'v str, each: &mut dyn FnMut(Object<'v>, String)) {
    let walked: Result<(), Infallible> = each_object(document, &mut |found| {
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
