//! Objects that are read from objects only: what serde derives takes a list for a struct, too, its
//! elements for the members in their order, and a path into such a list is no path. And a text in place of an object
//! is not quoted in the error, as serde would: it may have megabytes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// A value that no list stands for.
#[derive(Debug)]
pub(crate) struct Strict<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(ObjectOnly(deserializer)).map(Self)
    }
}

/// For `#[serde(deserialize_with)]`: an object or null.
pub(crate) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let found = Option::<Strict<T>>::deserialize(deserializer)?;
    Ok(found.map(|Strict(found)| found))
}

struct ObjectOnly<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectOnly<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(MapOnly(visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
    }
}

/// The error of whoever wants something else than a text, without the text.
pub(crate) fn no_text<'de, V: Visitor<'de>, E: Error>(wanted: &V) -> E {
    E::invalid_type(Unexpected::Other("string"), wanted)
}

/// Passes on an object and nothing else.
struct MapOnly<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for MapOnly<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<V::Value, E> {
        Err(no_text(&self))
    }
}

/// For `#[serde(deserialize_with)]`: true or false, or nothing where it is null.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    struct Flag;
    impl Visitor<'_> for Flag {
        type Value = Option<bool>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a boolean")
        }
        fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
            Ok(Some(flag))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(no_text(&self))
        }
    }
    deserializer.deserialize_any(Flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Name {
        name: String,
    }

    #[test]
    fn a_list_is_no_object() {
        let read = serde_json::from_str::<Strict<Name>>;
        assert_eq!(read(r#"{"name":"a"}"#).unwrap().0.name, "a");
        for text in [r#"["a"]"#, "null", "1", "\"a\""] {
            assert!(read(text).is_err(), "{text}");
            assert!(serde_json::from_str::<Strict<serde::de::IgnoredAny>>(text).is_ok());
        }
    }

    #[test]
    fn a_text_in_another_place_is_not_quoted() {
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            #[serde(default, deserialize_with = "flag")]
            dry: Option<bool>,
            #[serde(default, deserialize_with = "optional")]
            inner: Option<Name>,
        }
        let read = serde_json::from_str::<Strict<Outer>>;
        for (text, dry) in [
            ("{}", None),
            (r#"{"dry":null}"#, None),
            (r#"{"dry":true}"#, Some(true)),
        ] {
            let outer = read(text).unwrap().0;
            assert_eq!((outer.dry, outer.inner.is_none()), (dry, true));
        }
        for text in [
            r#"{"dry":"SENT"}"#,
            r#"{"inner":"SENT"}"#,
            r#""SENT""#,
            r#"{"dry":"SE\nNT"}"#,
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.starts_with("invalid type: string, expected "),
                "{error}"
            );
        }
        assert!(read(r#"{"dry":1}"#).is_err());
    }
}
