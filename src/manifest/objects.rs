//! The objects of a document, Lists opened.

use serde_json::Value;

/// One object of a document.
#[derive(Debug, Clone)]
pub struct ObjectAt<'v> {
    /// The object as it stands there; null where an item of a List is.
    pub value: &'v Value,
    /// Where it stands in the document: empty, or `/items/3` in a List.
    pub path: String,
    /// `apiVersion`, empty where it has none.
    pub api_version: &'v str,
    /// `kind`, empty where it has none.
    pub kind: &'v str,
}

/// Hands over each object of a document, in its order. As kubectl reads a `DeploymentList` (apimachinery, unstructured's
/// `decodeToList`): its items carry neither apiVersion nor kind in the API's own answers, and have the List's.
///
/// # Errors
/// The first one that `each` answers.
pub fn each_object<'v, E>(
    document: &'v Value,
    each: &mut dyn FnMut(ObjectAt<'v>) -> Result<(), E>,
) -> Result<(), E> {
    open(document, String::new(), ("", ""), each)
}

fn open<'v, E>(
    value: &'v Value,
    path: String,
    implied: (&'v str, &'v str),
    each: &mut dyn FnMut(ObjectAt<'v>) -> Result<(), E>,
) -> Result<(), E> {
    let named = |name: &str| value[name].as_str().unwrap_or_default();
    let (api_version, kind) = match (named("apiVersion"), named("kind")) {
        ("", "") => implied,
        named => named,
    };
    let list = kind.strip_suffix("List").zip(value["items"].as_array());
    let Some((of, items)) = list else {
        return each(ObjectAt {
            value,
            path,
            api_version,
            kind,
        });
    };
    let implied = if of.is_empty() {
        ("", "")
    } else {
        (api_version, of)
    };
    for (at, item) in items.iter().enumerate() {
        open(item, format!("{path}/items/{at}"), implied, each)?;
    }
    Ok(())
}
