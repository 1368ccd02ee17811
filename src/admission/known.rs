//! What is known of namespaces in a run: what was said by hand, what a cluster has, and the Namespaces that stand in the
//! input itself, which hold for what is applied with them.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use memchr::memmem;
use serde_json::Value;

use crate::engine::{Decision, NamespaceView, Step};
use crate::manifest::budget::{Account, Budget, Excess, element, text};
use crate::manifest::{DocumentError, Fault, Limits, documents, each_object};
use crate::policy::{INJECT, PREFIX};
use crate::snapshot::{NamespaceEntry, Namespaces, OwnedPairs};
use crate::text::shown;

/// How much of a name or a value a message shows, in characters.
const SHOWN: usize = 60;
/// Warnings of one Namespace: each of its workloads gets them.
const WARNINGS: usize = 3;
/// What an API server takes of annotations, in bytes (apimachinery, `TotalAnnotationSizeLimitB`).
const MOST: usize = 256 << 10;

/// Where the answers about namespaces come from.
#[derive(Debug, Clone)]
pub enum NamespaceSource {
    /// Every namespace counts as opted in.
    All,
    /// Every namespace counts as opted in, and what the snapshot has of one holds.
    Assumed(Arc<Namespaces>),
    /// Only what is in the snapshot.
    Snapshot(Arc<Namespaces>),
    /// Every namespace is as this one: whoever asks has said how.
    Like(Arc<NamespaceEntry>),
    /// Namespaces that stand in the input; of all others what the second knows.
    Stated(Arc<HashMap<String, Together>>, Box<Self>),
}

/// What holds of a Namespace that stands in the input.
#[derive(Debug)]
pub struct Together {
    entry: Arc<NamespaceEntry>,
    /// What does not come about as the input has it.
    warnings: Vec<String>,
}

/// Which of the two holds where the input and what was known before say different things of one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wins {
    /// The input, as `kubectl apply` would have it.
    Input,
    /// What was said by hand, by what this names.
    ByHand(&'static str),
}

/// The Namespaces that stand in an input, by name. Of one that comes twice the last holds, as after an apply.
#[derive(Debug, Default)]
pub struct Stated(BTreeMap<String, StatedNamespace>);

#[derive(Debug)]
struct StatedNamespace {
    entry: NamespaceEntry,
    warnings: Vec<String>,
}

impl Stated {
    /// Takes those of a document, Lists opened. Annotations whose values are no text are left out: an API server refuses
    /// them.
    pub fn add(&mut self, document: &Value) {
        let walked: Result<(), Infallible> = each_object(document, &mut |found| {
            let metadata = &found.value["metadata"];
            let name = metadata["name"].as_str().unwrap_or_default();
            if (found.api_version, found.kind) == ("v1", "Namespace") && !name.is_empty() {
                self.0
                    .insert(name.to_owned(), StatedNamespace::new(name, metadata));
            }
            Ok(())
        });
        let Ok(()) = walked;
    }

    /// Those of a text. What cannot be read is passed over: whoever reads it for its workloads says so.
    ///
    /// # Errors
    /// The run was stopped, or what they hold does not fit.
    pub fn read(&mut self, bytes: &[u8], limits: &Limits, budget: &Budget) -> Result<(), Excess> {
        // Most inputs have none and are not read twice. JSON and quoted YAML can write a letter by a backslash.
        if memmem::find(bytes, b"Namespace").is_none() && memchr::memchr(b'\\', bytes).is_none() {
            return Ok(());
        }
        let Ok(all) = documents(bytes, limits, budget) else {
            return Ok(());
        };
        for document in all {
            match document {
                Ok(document) => self.add(document.value()),
                Err(DocumentError {
                    fault: Fault::Excess(Excess::Stopped),
                    ..
                }) => return Err(Excess::Stopped),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Charges what they hold.
    ///
    /// # Errors
    /// As [`Account::charge`].
    pub fn charge(&self, account: &mut Account) -> Result<(), Excess> {
        for (name, one) in &self.0 {
            let pairs = one.entry.annotations.iter().chain(&one.entry.labels);
            let pairs: usize = pairs
                .map(|(key, value)| 2 * (text(key.len()) + text(value.len())))
                .sum();
            account.charge(
                element::<StatedNamespace>() + element::<Together>() + text(name.len()) + pairs,
            )?;
        }
        Ok(())
    }

    /// Each with the annotation that opts it in, whatever it says of that itself; what else it says holds.
    #[must_use]
    pub fn opted_in(self) -> Namespaces {
        let namespaces = Namespaces::new();
        for (name, one) in self.0 {
            let said = one.entry.annotations.into_iter();
            let said = said.filter(|(key, _)| key != INJECT);
            let annotations = said.chain([(INJECT.into(), "enabled".into())]);
            let entry = NamespaceEntry::new(annotations, one.entry.labels, false);
            namespaces.set(&name, entry);
        }
        namespaces
    }

    /// These over what is known of namespaces besides. Where every namespace counts as opted in, so does one that says
    /// nothing of it.
    #[must_use]
    pub fn over(self, known: NamespaceSource, wins: Wins) -> NamespaceSource {
        if self.0.is_empty() {
            return known;
        }
        let mut all = HashMap::new();
        for (name, StatedNamespace { entry, warnings }) in self.0 {
            let before = known.entry(&name);
            let mut together = Together {
                entry: Arc::default(),
                warnings,
            };
            let (mut annotations, mut labels) = (entry.annotations, entry.labels);
            if let Some(before) = before {
                if let Wins::ByHand(what) = wins {
                    together.tell(&name, &annotations, &before, what);
                }
                annotations = joined(annotations, &before.annotations, wins);
                labels = joined(labels, &before.labels, wins);
            }
            let says = annotations.iter().any(|(key, _)| key == INJECT);
            if !says && matches!(known, NamespaceSource::All | NamespaceSource::Assumed(_)) {
                annotations.push((INJECT.into(), "enabled".into()));
            }
            together.entry = Arc::new(NamespaceEntry::new(annotations, labels, false));
            together.warnings.truncate(WARNINGS);
            all.insert(name, together);
        }
        NamespaceSource::Stated(Arc::new(all), Box::new(known))
    }
}

impl StatedNamespace {
    fn new(name: &str, metadata: &Value) -> Self {
        let name = shown(name, SHOWN);
        let mut warnings = Vec::new();
        let mut texts = |of: &str| {
            let mut pairs = Vec::new();
            for (key, value) in metadata[of].as_object().into_iter().flatten() {
                match value.as_str() {
                    Some(value) => pairs.push((key.as_str(), value)),
                    None if key.starts_with(PREFIX) => warnings.push(format!(
                        "Namespace {name} has {}: {} among its {of}, which is no text and is refused: put it in quotes",
                        shown(key, SHOWN),
                        shown(&value.to_string(), SHOWN)
                    )),
                    None => {}
                }
            }
            pairs
        };
        let (mut annotations, labels) = (texts("annotations"), texts("labels"));
        let bytes = annotations
            .iter()
            .map(|(key, value)| key.len() + value.len());
        if bytes.sum::<usize>() > MOST {
            annotations.clear();
            warnings.push(format!(
                "Namespace {name} has more than {} KiB of annotations, which is refused: they are passed over",
                MOST >> 10
            ));
        }
        Self {
            entry: NamespaceEntry::new(annotations, labels, false),
            warnings,
        }
    }
}

impl Together {
    fn tell(&mut self, name: &str, input: &OwnedPairs, by_hand: &NamespaceEntry, what: &str) {
        for (key, value) in input {
            let other = by_hand.annotation(key).filter(|other| other != value);
            if let Some(other) = other {
                self.warnings.push(format!(
                    "Namespace {} says {key}: {} in the input, and {what} says {}, which holds",
                    shown(name, SHOWN),
                    shown(value, SHOWN),
                    shown(other, SHOWN)
                ));
            }
        }
    }
}

fn joined(input: OwnedPairs, before: &OwnedPairs, wins: Wins) -> OwnedPairs {
    let before = before.iter().cloned();
    // The later one holds.
    let all: BTreeMap<_, _> = match wins {
        Wins::Input => before.chain(input).collect(),
        Wins::ByHand(_) => input.into_iter().chain(before).collect(),
    };
    all.into_iter().collect()
}

impl NamespaceSource {
    /// What is known of a namespace.
    #[must_use]
    pub fn entry(&self, namespace: &str) -> Option<Arc<NamespaceEntry>> {
        match self {
            Self::All => None,
            Self::Assumed(namespaces) | Self::Snapshot(namespaces) => namespaces.get(namespace),
            Self::Like(entry) => Some(Arc::clone(entry)),
            Self::Stated(stated, rest) => match stated.get(namespace) {
                Some(together) => Some(Arc::clone(&together.entry)),
                None => rest.entry(namespace),
            },
        }
    }

    /// What the engine gets to see of a namespace.
    #[must_use]
    pub fn view<'a>(&self, entry: Option<&'a NamespaceEntry>) -> NamespaceView<'a> {
        match (self, entry) {
            (_, Some(entry)) => view_of(entry),
            (Self::All | Self::Assumed(_), None) => NamespaceView::Assumed,
            (Self::Stated(_, rest), None) => rest.view(None),
            (_, None) => NamespaceView::Unknown,
        }
    }

    /// Says in a decision where its namespace's settings come from, where they are those of the input.
    pub(super) fn tell(&self, namespace: &str, decision: &mut Decision) {
        let Self::Stated(stated, _) = self else {
            return;
        };
        let Some(together) = stated.get(namespace) else {
            return;
        };
        if !together.entry.annotations.is_empty() {
            let step = Step {
                part: "namespace",
                container: String::new(),
                text: "as the Namespace in the input says".to_owned(),
            };
            decision.steps.insert(0, step);
        }
        for text in &together.warnings {
            decision.push_warning(text);
        }
    }
}

/// What the engine gets to see of a namespace that is known.
#[must_use]
pub fn view_of(entry: &NamespaceEntry) -> NamespaceView<'_> {
    NamespaceView::Known {
        annotations: &entry.annotations,
        labels: &entry.labels,
    }
}
