//! Findings with the places that they have in files, and without what their authors ignore.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::baseline::Baseline;
use super::ignore::{ANNOTATION, Ignore, MARKS};
use super::judged::Judged;
use super::mend::Mended;
use super::object::Object;
use super::read::text;
use super::report::{Entry, Quiet, Report};
use super::rule::{Id, Rule, Severity};
use super::rules::Finding;
use super::world::World;
use crate::manifest::budget::{Account, Excess, element};
use crate::manifest::{Comment, Document, unescaped};
use crate::text::{deceptive, shown};

/// The longest reason of an ignore, in characters.
const REASON: usize = 1000;

/// Bytes for each finding, before and after, while it is looked up where it stands and whether an injection mends it.
const LOOKED_UP: usize = 512;

/// Where an object was read.
#[derive(Debug, Clone)]
pub struct ReadAt<'d, 't> {
    /// The input, as the report names it.
    pub file: &'d str,
    /// The document that it stands in; none for a cluster's.
    pub document: Option<&'d Document<'t>>,
    /// The document before it, where that holds nothing but comments.
    pub above: Option<&'d Document<'t>>,
    /// Its place in the document, as a JSON pointer.
    pub path: String,
}

/// What of it is wanted.
#[derive(Debug)]
pub struct Scope<'a> {
    /// Codes, or beginnings of codes; empty for all.
    pub rules: &'a [String],
    /// From this severity on a finding fails the run.
    pub fail_on: Severity,
    /// What was found before and is known.
    pub baseline: &'a Baseline,
}

impl Scope<'_> {
    fn takes(&self, rule: &Rule) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|begin| rule.code.starts_with(begin))
    }
}

/// Puts places to findings. `injected` is what would be found in the same objects if their namespaces were annotated, where
/// that was judged, too; `places` has one place for each object of the world.
///
/// `account` holds what it takes from then on.
///
/// # Errors
/// As [`Account::charge`].
pub fn assemble(
    world: &World<'_>,
    judged: &Judged,
    injected: Option<&Judged>,
    places: &[ReadAt<'_, '_>],
    wanted: &Scope<'_>,
    account: &mut Account,
) -> Result<Report, Excess> {
    let findings = &judged.findings;
    let left = injected.map_or(0, |injected| injected.findings.len());
    account.charge(LOOKED_UP * (findings.len() + left))?;
    let mended = injected.map(|injected| Mended::new(judged, injected));
    let mut of_objects: HashMap<usize, Vec<&Finding>> = HashMap::new();
    for finding in findings {
        if wanted.takes(finding.id.rule()) {
            of_objects.entry(finding.object).or_default().push(finding);
        }
    }
    let mut all = Vec::new();
    for (at, object) in world.objects.iter().enumerate() {
        let found = of_objects.remove(&at).unwrap_or_default();
        all.push(OfObject::new(at, object, found, account)?);
    }
    let mut entries = Vec::new();
    let mut comments = Comments::default();
    let mut lines = lines_of(places, &all).into_iter();
    for (at, (place, of_object)) in places.iter().zip(&all).enumerate() {
        let object = &world.objects[at];
        let wrong = comments.enter(place, account)?;
        if wrong.is_empty() && of_object.findings.is_empty() {
            continue;
        }
        let names = [
            place.file,
            comments.source,
            object.kind,
            object.namespace,
            object.name,
        ];
        account.charge(names.iter().map(|name| name.len()).sum())?;
        let [file, source, kind, namespace, name] = names.map(Arc::<str>::from);
        let entry = |finding: &Finding, line: usize| Entry {
            rule: finding.id.rule(),
            workload: finding.workload,
            file: Arc::clone(&file),
            source: Arc::clone(&source),
            line,
            kind: Arc::clone(&kind),
            namespace: Arc::clone(&namespace),
            name: Arc::clone(&name),
            container: finding.container.clone(),
            field: field(&finding.pointer),
            message: finding.message.clone(),
            advice: finding.advice.unwrap_or(finding.id.rule().advice),
            mended: mended
                .as_ref()
                .and_then(|mended| mended.how(finding, world)),
            quiet: None,
        };
        let mut own = Vec::new();
        for (line, why) in wrong {
            let bad = bad_ignore(at, "", "the comment", &why);
            account.charge(element::<Entry>() + bad.bytes())?;
            own.push(entry(&bad, line));
        }
        for finding in &of_object.findings {
            account.charge(element::<Entry>() + finding.bytes())?;
            let lines = lines.next().unwrap_or_default();
            let mut entry = entry(finding, lines.last().copied().unwrap_or_default());
            // What stands beside a workload is about it, and may be another's to write: KEDA's autoscaler.
            let about = all.get(finding.workload).filter(|_| finding.workload != at);
            let about = about.into_iter().flat_map(|workload| &workload.ignores);
            let annotated = of_object.ignores.iter().chain(about);
            let mut ignores = annotated.chain(comments.about(&lines));
            if let Some(ignore) = ignores.find(|ignore| ignore.covers(entry.rule)) {
                entry.quiet = Some(Quiet::Ignored(shown(ignore.reason, REASON).into_owned()));
            } else if wanted.baseline.has(&entry) {
                entry.quiet = Some(Quiet::Baseline);
            }
            own.push(entry);
        }
        entries.extend(own.into_iter().filter(|entry| wanted.takes(entry.rule)));
    }
    entries.sort_by(|one, other| order(one).cmp(&order(other)));
    let workloads = world.workloads.iter().map(|(at, ..)| {
        let object = &world.objects[*at];
        let title = format!("{} {}/{}", object.kind, object.namespace, object.name);
        let file = places.get(*at).map_or("", |place| place.file);
        (file.to_owned(), title)
    });
    Ok(Report {
        workloads: workloads.collect(),
        objects: world.objects.len(),
        unreadable: Vec::new(),
        remarks: Vec::new(),
        entries,
        fail_on: wanted.fail_on,
    })
}

/// By place; what has none, a cluster's, by workload.
fn order(entry: &Entry) -> (&str, usize, &str, usize, &str, &str) {
    let (namespace, workload) = match entry.line {
        0 => (&*entry.namespace, entry.workload),
        _ => ("", 0),
    };
    let (code, field) = (entry.rule.code, &entry.field);
    (&entry.file, entry.line, namespace, workload, code, field)
}

/// What is said of one object: by rules, by its annotation that ignores some, and of that annotation.
struct OfObject<'f> {
    findings: Vec<Cow<'f, Finding>>,
    ignores: Vec<Ignore<'f>>,
}

impl<'f> OfObject<'f> {
    fn new(
        at: usize,
        object: &Object<'f>,
        findings: Vec<&'f Finding>,
        account: &mut Account,
    ) -> Result<Self, Excess> {
        let mut findings: Vec<_> = findings.into_iter().map(Cow::Borrowed).collect();
        let mut ignores = Vec::new();
        let template = &object.spec()["template"]["metadata"]["annotations"];
        let places = [
            ("/metadata/annotations", object.annotation(ANNOTATION)),
            (
                "/spec/template/metadata/annotations",
                text(template, ANNOTATION),
            ),
        ];
        for (place, said) in places {
            for ignore in Ignore::all(said) {
                match ignore {
                    Ok(ignore) => {
                        account.charge(ignore.bytes())?;
                        ignore.join(&mut ignores);
                    }
                    Err(why) => {
                        let bad = bad_ignore(at, place, ANNOTATION, &why);
                        account.charge(bad.bytes())?;
                        findings.push(Cow::Owned(bad));
                    }
                }
            }
        }
        Ok(Self { findings, ignores })
    }
}

/// The lines that lead to each finding, in the order of objects and findings; none for a cluster's. A document is read once
/// for all of its objects, of which a List has thousands.
fn lines_of(places: &[ReadAt<'_, '_>], all: &[OfObject<'_>]) -> Vec<Vec<usize>> {
    let mut lines = Vec::new();
    let objects: Vec<_> = places.iter().zip(all).collect();
    for same in objects.chunk_by(|(one, _), (next, _)| same(one.document, next.document)) {
        let pointers = same.iter().flat_map(|(place, of_object)| {
            let findings = of_object.findings.iter();
            findings.map(|finding| format!("{}{}", place.path, finding.pointer))
        });
        let pointers: Vec<String> = pointers.collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        let document = same.first().and_then(|(place, _)| place.document);
        lines.extend(match document {
            Some(document) if !pointers.is_empty() => document.lines_of(&pointers),
            _ => vec![Vec::new(); pointers.len()],
        });
    }
    lines
}

fn same(one: Option<&Document<'_>>, other: Option<&Document<'_>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// What the comments say of the document that is being looked at: where it comes from, and what is to be ignored, each with
/// the line that it is about. They are read once, with the document's first object.
#[derive(Default)]
struct Comments<'d, 't> {
    of: Option<&'d Document<'t>>,
    /// The template that the document was made of.
    source: &'t str,
    /// By the line that they are about.
    ignores: HashMap<usize, Vec<Ignore<'t>>>,
}

impl<'d, 't> Comments<'d, 't> {
    /// Goes on to an object's document; what is wrong in its comments, where it is a new one, with their lines.
    ///
    /// # Errors
    /// As [`Account::charge`].
    fn enter(
        &mut self,
        place: &ReadAt<'d, 't>,
        account: &mut Account,
    ) -> Result<Vec<(usize, String)>, Excess> {
        if same(self.of, place.document) {
            return Ok(Vec::new());
        }
        self.of = place.document;
        self.source = "";
        self.ignores.clear();
        let mut wrong = Vec::new();
        let Some(document) = place.document else {
            return Ok(wrong);
        };
        self.source = source(document);
        let mut all = comments(document);
        let mut above: Vec<_> = place.above.into_iter().flat_map(comments).collect();
        if !above.is_empty() {
            let first = document.lines_of(&[""]).concat().first().copied();
            for comment in &mut above {
                comment.about = first.unwrap_or_default();
            }
            all.extend(above);
        }
        for comment in all {
            match Ignore::parse(comment.text) {
                Ok(ignore) => {
                    account.charge(ignore.bytes())?;
                    ignore.join(self.ignores.entry(comment.about).or_default());
                }
                Err(why) => {
                    account.charge(element::<(usize, String)>() + why.len())?;
                    wrong.push((comment.line, why));
                }
            }
        }
        Ok(wrong)
    }

    fn about(&self, lines: &[usize]) -> impl Iterator<Item = &Ignore<'t>> {
        let about = lines.iter().filter_map(|line| self.ignores.get(line));
        about.flatten()
    }
}

/// The template that a document was made of: Helm names it in a comment above.
fn source<'t>(document: &Document<'t>) -> &'t str {
    // Whoever writes a manifest writes that comment, too.
    let plain = |path: &&str| {
        let mut parts = path.split('/');
        !path.contains(deceptive) && parts.all(|part| !matches!(part, "" | "." | ".."))
    };
    let source = document.heading("Source:").filter(plain);
    source.unwrap_or_default()
}

fn comments<'t>(document: &Document<'t>) -> Vec<Comment<'t>> {
    let mut all = MARKS.map(|mark| document.comments(mark)).concat();
    all.sort_by_key(|comment| comment.line);
    all
}

fn bad_ignore(object: usize, pointer: &str, what: &str, why: &str) -> Finding {
    Finding {
        id: Id::Sr001,
        object,
        workload: object,
        container: String::new(),
        pointer: pointer.to_owned(),
        message: format!("{what} has no effect: {why}"),
        advice: None,
    }
}

/// A JSON pointer as people write it.
fn field(pointer: &str) -> String {
    let mut out = String::new();
    for name in pointer.split('/').skip(1) {
        let name = unescaped(name);
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push('[');
            out.push_str(&name);
            out.push(']');
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&name);
        }
    }
    out
}
