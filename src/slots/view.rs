//! A workload as admission sees it: borrowed slices of its JSON. The few fields that matter are read,
//! everything else stays a raw slice and costs only its bytes.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::kind::Kind;
use super::strict::{flag, no_text};
use crate::policy::{IGNORE, PREFIX};

/// Annotations or labels under our prefix.
pub(crate) type Ours<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A JSON string, borrowed where it has no escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A workload as admission sees it: its pod template is still one raw slice, so that the usual
/// UPDATE, which leaves the template alone, is answered without parsing it.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Object<'a> {
    /// `apps/v1`
    #[serde(borrow)]
    pub api_version: Option<Text<'a>>,
    /// `Deployment`, …
    #[serde(borrow)]
    pub kind: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "super::strict::optional")]
    pub(crate) metadata: Option<Meta<'a>>,
    #[serde(borrow, deserialize_with = "super::strict::optional")]
    pub(crate) spec: Option<Spec<'a>>,
}

/// An owner reference.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Owner<'a> {
    #[serde(borrow, default)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(default, deserialize_with = "flag")]
    controller: Option<bool>,
}

impl<'a> Object<'a> {
    /// Reads an object of a kind.
    ///
    /// # Errors
    /// It is none.
    pub fn read(kind: Kind, text: &'a str) -> Result<Self, serde_json::Error> {
        let mut object: Self = serde_json::from_str(text)?;
        if kind == Kind::Pod {
            object.is_template(serde_json::from_str(text)?);
        }
        Ok(object)
    }

    /// Makes it its own template, as a Pod is; `raw` is all of it.
    pub(crate) fn is_template(&mut self, raw: &'a RawValue) {
        self.spec = Some(Spec {
            template: Some(raw),
            ..Spec::default()
        });
    }
}

impl Object<'_> {
    /// `metadata.name`, else `metadata.generateName`, else nothing.
    #[must_use]
    pub fn name(&self) -> &str {
        let meta = self.metadata.as_ref();
        [
            meta.and_then(|meta| meta.name.as_ref()),
            meta.and_then(|meta| meta.generate_name.as_ref()),
        ]
        .into_iter()
        .flatten()
        .map(|text| text.0.as_ref())
        .find(|name| !name.is_empty())
        .unwrap_or_default()
    }

    /// Leaves out what was sent of it, by whom: of an object as it is stored, that nobody sends, the record alone says what is
    /// ours.
    pub fn forget_what_was_sent(&mut self) {
        if let Some(meta) = &mut self.metadata {
            meta.managed_fields = None;
            meta.annotations.last_applied = LastApplied::default();
        }
    }

    /// Our annotations on the workload itself.
    pub(crate) fn our_annotations(&self) -> &Ours<'_> {
        const NONE: &Ours<'_> = &Vec::new();
        self.metadata
            .as_ref()
            .map_or(NONE, |meta| &meta.annotations.ours)
    }

    /// Whether a controller has it, which would write back what was changed.
    pub(crate) fn is_owned(&self) -> bool {
        self.controller().is_some()
    }

    /// The controller that has it.
    pub(crate) fn controller(&self) -> Option<Owner<'_>> {
        let owners = self.metadata.as_ref()?.owner_references?;
        let owners: Vec<Owner<'_>> = serde_json::from_str(owners.get()).ok()?;
        owners
            .into_iter()
            .find(|owner| owner.controller == Some(true))
    }

    pub(crate) fn template(&self) -> Option<&RawValue> {
        self.spec.as_ref()?.template
    }

    /// `metadata.namespace`, where it is given.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        let namespace = self.metadata.as_ref()?.namespace.as_ref()?;
        (!namespace.0.is_empty()).then_some(namespace.0.as_ref())
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Meta<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) generate_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) annotations: Annotations<'a>,
    /// Given where the object was made from the stored one, by a patch or by a client that read it; a manifest has none.
    #[serde(borrow)]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "ours")]
    pub(crate) labels: Ours<'a>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) managed_fields: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) owner_references: Option<&'a RawValue>,
}

/// The workload's annotations: those under our prefix, and what kubectl applied last.
#[derive(Debug, Default)]
pub(crate) struct Annotations<'a> {
    pub(crate) ours: Ours<'a>,
    pub(crate) last_applied: LastApplied<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec<'a> {
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) template: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) strategy: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) update_strategy: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) min_ready_seconds: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) progress_deadline_seconds: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) volume_claim_templates: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) workload_ref: Option<&'a RawValue>,
}

/// Keeps `null` apart from an absent member.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The manifest that kubectl applied last: JSON in a JSON string, as it stands in the request. Decoded where it is asked for.
#[derive(Debug, Default)]
pub(crate) struct LastApplied<'a> {
    pub(crate) raw: Option<&'a str>,
    text: OnceLock<Option<String>>,
}

impl LastApplied<'_> {
    pub(crate) fn text(&self) -> Option<&str> {
        let text = self
            .text
            .get_or_init(|| serde_json::from_str(self.raw?).ok());
        text.as_deref()
    }
}

/// Where kubectl keeps the manifest that it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OursVisitor)
    }
}

/// For annotations and labels: those under our prefix.
pub(crate) fn ours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ours<'de>, D::Error> {
    Ok(deserializer.deserialize_any(OursVisitor)?.ours)
}

struct OursVisitor;

impl<'de> Visitor<'de> for OursVisitor {
    type Value = Annotations<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of strings")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(no_text(&self))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Annotations::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Annotations::default();
        while let Some(Text(key)) = map.next_key()? {
            if key.starts_with(PREFIX) && key != IGNORE {
                found.ours.push((key, map.next_value::<Text<'de>>()?.0));
            } else if key == LAST_APPLIED {
                found.last_applied.raw = Some(map.next_value::<&RawValue>()?.get());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
