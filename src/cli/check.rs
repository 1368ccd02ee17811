//! `silkroll check`: its arguments, what is read (`read`), and what is written back (`fix`).

mod fix;
mod read;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use self::read::{Read, inputs};
use super::inject::{MESSAGE_CHARS, count};
use super::{engine, input, replace};
use crate::check::{Baseline, RULES, Rule, Severity, output, sentences};
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
    if args.write_baseline.as_deref() == Some(Path::new("-")) {
        bail!("--write-baseline names a file, and - is none: standard output has what is found");
    }
    let baseline = match &args.baseline {
        Some(path) => {
            let context = || format!("--baseline {}", input::name(path));
            let text = input::file(path).with_context(context)?;
            Baseline::read(&text).with_context(context)?
        }
        None => Baseline::default(),
    };
    if args.fix {
        fix::fix(args, &baseline, report)?;
    }
    let inputs = inputs(args)?;
    let read = if args.cluster {
        Read::cluster(args)?
    } else {
        Read::of(args, &inputs, report)?
    };
    let judged = read.judge(args, &baseline)?;
    let unreadable = read.unreadable.len();
    // The process ends soon: to give back all that was read, value by value, takes a twentieth of the whole run.
    std::mem::forget(read);
    if let Some(path) = &args.write_baseline {
        let text = Baseline::write(&judged)?;
        replace::write(path, text.as_bytes())?;
    }
    let text = match args.output {
        Output::Text => output::text(&judged),
        Output::Json => output::json(&judged)?,
        Output::Sarif => output::sarif(&judged),
        Output::Junit => output::junit(&judged),
        Output::Github => output::github(&judged),
    };
    super::print(out, text.as_bytes())?;
    for remark in sentences(&judged.remarks) {
        let remark = cut(&visible(&remark), MESSAGE_CHARS);
        writeln!(report, "silkroll: {remark}")?;
    }
    if unreadable > 0 {
        let documents = count(unreadable, "document");
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
