//! `silkroll check --fix`: the injection, written into those workloads where it mends something.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::super::inject::{count, patched};
use super::super::replace;
use super::Args;
use super::read::{Read, inputs};
use crate::admission::report::words;
use crate::check::Baseline;
use crate::manifest;
use crate::policy::visible;

/// Writes into the files what mends something.
pub(super) fn fix(args: &Args, baseline: &Baseline, report: &mut dyn Write) -> anyhow::Result<()> {
    if args.files.iter().any(|path| path == Path::new("-")) {
        bail!("--fix writes files, and cannot write standard input: use silkroll inject -f -");
    }
    let inputs = inputs(args)?;
    let read = Read::of(args, &inputs, report)?;
    if !read.unreadable.is_empty() {
        bail!(
            "{} could not be read, nothing was written",
            count(read.unreadable.len(), "document")
        );
    }
    let judged = read.judge(args, baseline)?;
    let inputs = &inputs.all;
    let mended: HashSet<usize> = judged
        .loud()
        .filter(|entry| entry.mended.is_some())
        .map(|entry| entry.workload)
        .collect();
    // What a finding says of a namespace that is to be annotated is not done to one that says no.
    let said = read.as_said(args)?;
    let mut needed = BTreeSet::new();
    let mut warned = String::new();
    let mut texts = vec![(String::new(), 0); inputs.len()];
    let mut object = 0;
    for (source, _) in &read.all {
        let (Some(at), Some(document)) = (source.input, source.document()) else {
            continue;
        };
        let (text, changed) = &mut texts[at];
        let mut operations = Vec::new();
        for item in said.decide(document.value(), &mut document.account())? {
            let patch = item.patch_in_document()?.0;
            if mended.contains(&object) && !patch.is_empty() {
                operations.extend(patch);
                *changed += 1;
                let decision = &item.decision;
                if !decision.warnings.is_empty() {
                    warned.push_str(&words(&item.title(), decision, false));
                }
                let patch = decision.patch.as_deref().unwrap_or_default();
                if decision.helper {
                    needed.insert((item.namespace, " --hook binary", "--server-side "));
                } else if patch.contains(&*said.settings.script.config_map) {
                    needed.insert((item.namespace, "", ""));
                }
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
    let changed = || {
        let all = inputs.iter().zip(&texts);
        all.filter(|(_, (_, changed))| *changed > 0)
    };
    // What can be refused is, before the first is written.
    for (input, _) in changed() {
        replace::check(input)?;
    }
    let files = changed().count();
    for (at, (input, (text, changed))) in changed().enumerate() {
        replace::replace(input, &manifest::restored(text))
            .with_context(|| format!("{at} of {} written", count(files, "file")))?;
        let injected = count(*changed, "workload");
        writeln!(
            report,
            "silkroll: {}: {injected} injected",
            visible(&input.name)
        )?;
    }
    report.write_all(warned.as_bytes())?;
    // Without it a hook falls back to a sleep, and leaves nothing.
    for (namespace, hook, apply) in needed {
        let namespace = visible(&namespace);
        writeln!(
            report,
            "silkroll: the hook in {namespace} is in a ConfigMap, which has to be there first, unless the webhook keeps it there: \
             silkroll configmap -n {namespace}{hook} | kubectl apply {apply}-f -"
        )?;
    }
    Ok(())
}
