//! Objects that are read from objects only: what serde derives takes a list for a struct, too, its
//! elements for the members in their order, and a path into such a list is no path.

use serde::de::{Deserialize, Deserializer, Visitor};

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
        self.0.deserialize_map(visitor)
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
}
