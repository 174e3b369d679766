//! What a schema says about the resource that it guards: `x-guard`.

use std::collections::BTreeMap;

use patchgate_model::quote::Quoted;
use patchgate_model::{Cloud, GraphVersion, KeyPattern, PathTemplate};
use serde::Deserialize;
use serde_json::Value;

use super::SchemaError;

/// What the gateway needs to know about a resource; `docs/schema-format.md` has each member.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The paths under which the resource is updated.
    pub paths: Vec<PathTemplate>,
    /// The versions of the API.
    pub versions: Vec<GraphVersion>,
    /// The keys of the paths by name.
    pub keys: BTreeMap<String, Key>,
    /// The header fields that an update must carry.
    pub required_headers: Vec<String>,
    /// The permission that the update needs, where it is known.
    pub permission: Option<String>,
    /// The clouds in which Graph offers the update.
    pub clouds: Vec<Cloud>,
    /// The OData type of the entity, without `#`.
    pub entity_type: Option<String>,
}

/// A key of a path.
#[derive(Debug, Clone)]
pub struct Key {
    /// Which strings it may be.
    pub pattern: KeyPattern,
    /// One of them.
    pub example: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    method: Patch,
    paths: Vec<String>,
    versions: Vec<GraphVersion>,
    keys: BTreeMap<String, WrittenKey>,
    required_headers: Vec<String>,
    permission: Option<String>,
    clouds: Vec<Cloud>,
    entity_type: Option<String>,
}

#[derive(Deserialize)]
enum Patch {
    #[serde(rename = "PATCH")]
    Patch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    pattern: String,
    example: String,
}

/// What stands before the name in `$id`.
const ID: &str = "urn:patchgate:schema:";

/// The `$id` of a schema of that name.
pub(crate) fn id_of(name: &str) -> String {
    format!("{ID}{name}")
}

/// Whether a schema can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    !name.is_empty() && name.chars().all(plain)
}

/// The name in a schema's `$id`, if it has one.
pub(crate) fn name_in(schema: &Value) -> Option<String> {
    let name = schema.get("$id")?.as_str()?.strip_prefix(ID)?;
    is_name(name).then(|| name.to_owned())
}

/// The name of the schema.
pub(super) fn name(schema: &Value) -> Result<String, SchemaError> {
    let expected = "expected 'urn:patchgate:schema:NAME', the name of letters, digits and - _ .";
    name_in(schema).ok_or_else(|| SchemaError::lint("/$id", expected))
}

/// Reads `x-guard`.
pub(super) fn read(schema: &Value) -> Result<Guard, SchemaError> {
    let wrong = |member: &str, problem: String| SchemaError::lint(format!("/x-guard/{member}"), problem);
    let written = schema.get("x-guard").cloned().unwrap_or_default();
    let written: Written =
        serde_json::from_value(written).map_err(|error| SchemaError::said("/x-guard", &error))?;
    let Patch::Patch = written.method;
    let paths: Vec<PathTemplate> = written
        .paths
        .iter()
        .map(|path| PathTemplate::parse(path).map_err(|error| wrong("paths", error.to_string())))
        .collect::<Result<_, _>>()?;
    let mut keys = BTreeMap::new();
    for (name, key) in written.keys {
        let at = format!("keys/{}", super::escape(&name));
        let pattern = KeyPattern::parse(&key.pattern)
            .map_err(|error| wrong(&format!("{at}/pattern"), error.to_string()))?;
        if !pattern.matches(&key.example) {
            return Err(wrong(&format!("{at}/example"), "the example does not match the pattern".to_owned()));
        }
        keys.insert(name, Key { pattern, example: key.example });
    }
    let missing = paths.iter().flat_map(PathTemplate::key_names).find(|name| !keys.contains_key(*name));
    if let Some(name) = missing {
        return Err(wrong("keys", format!("the key '{name}' of a path is missing")));
    }
    for needed in ["Authorization", "Content-Type"] {
        if !written.required_headers.iter().any(|name| name.eq_ignore_ascii_case(needed)) {
            return Err(wrong("requiredHeaders", format!("'{needed}' must be among them")));
        }
    }
    for (member, empty) in [
        ("paths", paths.is_empty()),
        ("versions", written.versions.is_empty()),
        ("clouds", written.clouds.is_empty()),
    ] {
        if empty {
            return Err(wrong(member, "it must not be empty".to_owned()));
        }
    }
    if let Some((at, name)) = written.required_headers.iter().enumerate().find(|(_, name)| !is_header(name)) {
        let problem = format!("'{}' is no name of a header field", Quoted(name));
        return Err(wrong(&format!("requiredHeaders/{at}"), problem));
    }
    let twice = twice("paths", &paths, PartialEq::eq)
        .or_else(|| twice("versions", &written.versions, PartialEq::eq))
        .or_else(|| twice("requiredHeaders", &written.required_headers, |a, b| a.eq_ignore_ascii_case(b)))
        .or_else(|| twice("clouds", &written.clouds, PartialEq::eq));
    if let Some(member) = twice {
        return Err(wrong(&member, "it stands there twice".to_owned()));
    }
    let entity_type = written.entity_type.map(|name| name.trim_start_matches('#').to_owned());
    if entity_type.as_ref().is_some_and(|name| !is_type(name)) {
        let problem = "expected the name of a type, such as 'microsoft.graph.thing'";
        return Err(wrong("entityType", problem.to_owned()));
    }
    Ok(Guard {
        paths,
        versions: written.versions,
        keys,
        required_headers: written.required_headers,
        permission: written.permission,
        clouds: written.clouds,
        entity_type,
    })
}

/// The first item that stands in the list before, too.
fn twice<T>(member: &str, list: &[T], same: impl Fn(&T, &T) -> bool) -> Option<String> {
    let again = |(at, item): &(usize, &T)| list.iter().take(*at).any(|other| same(other, item));
    list.iter().enumerate().find(again).map(|(at, _)| format!("{member}/{at}"))
}

/// Whether a header field can be called so (RFC 9110, 5.6.2).
fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether a type can be called so: names with dots between them.
fn is_type(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.split('.').all(|part| !part.is_empty() && part.chars().all(plain))
}
