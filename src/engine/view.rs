//! A workload as borrowed slices of its JSON: the few fields that matter are read, everything else
//! stays a raw slice, so that unknown fields survive and cost only their bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Strict;
use super::strict::no_text;
use crate::policy::PREFIX;

/// Members of an object that nobody here looks into, in their order.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;
/// Annotations or labels under our prefix.
pub(super) type Ours<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

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
    #[serde(borrow, deserialize_with = "super::optional")]
    pub(super) metadata: Option<Meta<'a>>,
    #[serde(borrow, deserialize_with = "super::optional")]
    pub(super) spec: Option<Spec<'a>>,
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

    pub(super) fn template(&self) -> Option<&RawValue> {
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
pub(super) struct Meta<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) generate_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) namespace: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "ours")]
    pub(super) annotations: Ours<'a>,
    #[serde(borrow, deserialize_with = "ours")]
    pub(super) labels: Ours<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec<'a> {
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) template: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) strategy: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) update_strategy: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) min_ready_seconds: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) progress_deadline_seconds: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) volume_claim_templates: Option<&'a RawValue>,
}

/// Keeps `null` apart from an absent member.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn ours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ours<'de>, D::Error> {
    struct OursVisitor;
    impl<'de> Visitor<'de> for OursVisitor {
        type Value = Ours<'de>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of strings")
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(no_text(&self))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(Text(key)) = map.next_key()? {
                if key.starts_with(PREFIX) {
                    found.push((key, map.next_value::<Text<'de>>()?.0));
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    deserializer.deserialize_any(OursVisitor)
}

/// Whether a member is there, and as what: giving back what was there needs all three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Presence {
    #[default]
    Absent,
    Null,
    Present,
}

/// A list of raw elements.
#[derive(Debug, Default)]
pub(super) struct List<'a> {
    pub(super) presence: Presence,
    pub(super) items: Vec<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = List<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(no_text(&self))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(List {
                    presence: Presence::Null,
                    items: Vec::new(),
                })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List {
                    presence: Presence::Present,
                    items,
                })
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

/// A pod template.
#[derive(Debug, Default)]
pub(super) struct Template<'a> {
    pub(super) metadata: TemplateMeta<'a>,
    pub(super) spec: PodSpec<'a>,
    pub(super) rest: Members<'a>,
}

/// The template's metadata.
#[derive(Debug, Default)]
pub(super) struct TemplateMeta<'a> {
    pub(super) presence: Presence,
    pub(super) annotations: Annotations<'a>,
    pub(super) rest: Members<'a>,
}

/// The template's annotations: ours are read, the others are not.
#[derive(Debug, Default)]
pub(super) struct Annotations<'a> {
    pub(super) presence: Presence,
    pub(super) ours: Ours<'a>,
    pub(super) others: Members<'a>,
}

/// The pod's spec.
#[derive(Debug, Default)]
pub(super) struct PodSpec<'a> {
    pub(super) grace: Option<&'a RawValue>,
    pub(super) volumes: List<'a>,
    pub(super) containers: Vec<Container<'a>>,
    pub(super) rest: Members<'a>,
}

/// A container.
#[derive(Debug, Default)]
pub(super) struct Container<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) env: List<'a>,
    pub(super) mounts: List<'a>,
    pub(super) lifecycle: Option<&'a RawValue>,
    pub(super) readiness: Option<&'a RawValue>,
    pub(super) ports: Option<&'a RawValue>,
    pub(super) rest: Members<'a>,
}

/// Bytes of a pod template that is read. The API server takes requests of 3 MiB, and its binary form is
/// shorter than JSON. What is read of a template may be 20 times as large: each element of a list is a
/// slice.
const MOST_BYTES: usize = 4 << 20;

/// Containers that are read: each takes more than a hundred times the two bytes that it may have.
const MOST_CONTAINERS: usize = 16_384;

struct Containers<'a>(Vec<Container<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Containers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContainersVisitor;
        impl<'de> Visitor<'de> for ContainersVisitor {
            type Value = Containers<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(container) = seq.next_element()? {
                    if all.len() == MOST_CONTAINERS {
                        let what = format!("there are more than {MOST_CONTAINERS} containers");
                        return Err(de::Error::custom(what));
                    }
                    all.push(container);
                }
                Ok(Containers(all))
            }
        }
        deserializer.deserialize_seq(ContainersVisitor)
    }
}

/// Implements `Deserialize` for an object: named members are read into fields, the others kept in
/// order. A member that comes twice is an error: which one would count is anybody's guess.
macro_rules! object {
    ($type:ident, $what:literal, |$it:ident, $map:ident, $seen:ident| { $($key:literal => $read:expr),+ $(,)? }, $null:expr) => {
        impl<'de: 'a, 'a> Deserialize<'de> for $type<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> Visitor<'de> for ObjectVisitor {
                    type Value = $type<'de>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                        Err(no_text(&self))
                    }
                    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                        $null.ok_or_else(|| E::invalid_type(de::Unexpected::Unit, &self))
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<Self::Value, A::Error> {
                        let mut $it = $type::default();
                        let mut $seen: Vec<&str> = Vec::new();
                        while let Some(Text(key)) = $map.next_key()? {
                            match key.as_ref() {
                                $($key => {
                                    if $seen.contains(&$key) {
                                        return Err(de::Error::duplicate_field($key));
                                    }
                                    $seen.push($key);
                                    $read;
                                })+
                                _ => $it.rest.push((key, $map.next_value()?)),
                            }
                        }
                        Ok($it)
                    }
                }
                deserializer.deserialize_any(ObjectVisitor)
            }
        }
    };
}

object!(Template, "a pod template", |it, map, seen| {
    "metadata" => {
        it.metadata = map.next_value()?;
        if it.metadata.presence == Presence::Absent {
            it.metadata.presence = Presence::Present;
        }
    },
    "spec" => it.spec = map.next_value()?,
}, None);

object!(TemplateMeta, "the template's metadata", |it, map, seen| {
    "annotations" => it.annotations = map.next_value()?,
}, Some(TemplateMeta { presence: Presence::Null, ..TemplateMeta::default() }));

object!(PodSpec, "a pod's spec", |it, map, seen| {
    "terminationGracePeriodSeconds" => it.grace = Some(map.next_value()?),
    "volumes" => it.volumes = map.next_value()?,
    "containers" => it.containers = map.next_value::<Option<Containers<'de>>>()?.map(|all| all.0).unwrap_or_default(),
}, None);

object!(Container, "a container", |it, map, seen| {
    "name" => it.name = map.next_value::<Text<'de>>()?.0,
    "env" => it.env = map.next_value()?,
    "volumeMounts" => it.mounts = map.next_value()?,
    "lifecycle" => it.lifecycle = Some(object_or_null(map.next_value()?)?),
    "readinessProbe" => it.readiness = Some(map.next_value()?),
    "ports" => it.ports = Some(map.next_value()?),
}, None);

/// Members are put into it, so it has to be something that has members.
fn object_or_null<E: de::Error>(raw: &RawValue) -> Result<&RawValue, E> {
    if raw.get().starts_with('{') || raw.get() == "null" {
        return Ok(raw);
    }
    Err(E::custom("lifecycle is no object"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnnotationsVisitor;
        impl<'de> Visitor<'de> for AnnotationsVisitor {
            type Value = Annotations<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(no_text(&self))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Annotations {
                    presence: Presence::Null,
                    ..Annotations::default()
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Annotations {
                    presence: Presence::Present,
                    ..Annotations::default()
                };
                while let Some(Text(key)) = map.next_key()? {
                    if key.starts_with(PREFIX) {
                        found.ours.push((key, map.next_value::<Text<'de>>()?.0));
                    } else {
                        found.others.push((key, map.next_value()?));
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(AnnotationsVisitor)
    }
}

impl<'a> Template<'a> {
    /// Reads a template from its slice.
    pub(super) fn read(raw: &'a RawValue) -> Result<Self, serde_json::Error> {
        let bytes = raw.get().len();
        if bytes > MOST_BYTES {
            let what = format!("the template has {bytes} bytes, at most {MOST_BYTES} are read");
            return Err(de::Error::custom(what));
        }
        serde_json::from_str(raw.get())
    }

    /// The template's labels under our prefix, which should be annotations.
    pub(super) fn our_labels(&self) -> Ours<'a> {
        let labels = member(&self.metadata.rest, "labels").filter(|raw| raw.get().contains(PREFIX));
        labels
            .and_then(|raw| ours(&mut serde_json::Deserializer::from_str(raw.get())).ok())
            .unwrap_or_default()
    }
}

/// A named member of a list's element, and how it is told apart.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
}

/// The name of a raw element; empty where it has none.
pub(super) fn name_of(raw: &RawValue) -> Cow<'_, str> {
    serde_json::from_str::<Strict<Named<'_>>>(raw.get())
        .map(|Strict(named)| named.name.0)
        .unwrap_or_default()
}

/// The members of a raw object, in their order; empty for `null` and for other kinds of values.
pub(super) fn members(raw: &RawValue) -> Members<'_> {
    struct All<'a>(Members<'a>);
    impl<'de: 'a, 'a> Deserialize<'de> for All<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct AllVisitor;
            impl<'de> Visitor<'de> for AllVisitor {
                type Value = Members<'de>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut found = Vec::new();
                    while let Some(Text(key)) = map.next_key()? {
                        found.push((key, map.next_value()?));
                    }
                    Ok(found)
                }
            }
            deserializer.deserialize_map(AllVisitor).map(All)
        }
    }
    serde_json::from_str::<All<'_>>(raw.get())
        .map(|all| all.0)
        .unwrap_or_default()
}

/// The value of one member.
pub(super) fn member<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    members
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| *value)
}
