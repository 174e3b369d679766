//! From a configuration to a ruleset, all or nothing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderName;
use patchgate_journal::HashKey;
use patchgate_model::route::PathTemplate;
use patchgate_model::suggest::nearest;
use patchgate_model::{Cloud, Generation, GraphVersion, KeyPattern, Route};
use patchgate_validator::{Schema, SchemaError};

use super::hash_key::{self, HashKeyError};
use super::reach::{self, Conflict};
use super::recorded::{self, RecordFault};
use super::{Guarded, Limits, Ruleset, shipped};
use crate::config::{self, Config};
use crate::reason;
use crate::snippet::{At, Excerpt, span_of};

/// Why there is no ruleset: each fault with the key at which it is, such as `guard[0].schema`.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.lines())]
pub struct BuildErrors(pub Vec<(String, BuildError)>);

/// What is wrong with one key.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A schema's file cannot be read.
    #[error("cannot read the schema '{path}': {}", reason::of(source))]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No schema of that name ships with the gateway.
    #[error(
        "no schema '{name}' ships with this binary{meant} It has: {names}. A file is named with its path, such as './{name}.json'"
    )]
    UnknownSchema {
        /// The name.
        name: String,
        /// The nearest name, as words.
        meant: String,
        /// The names there are.
        names: String,
    },
    /// A schema is not acceptable.
    #[error("the schema '{name}' is not acceptable: {reason}")]
    Schema {
        /// Its name or file.
        name: String,
        /// What is wrong.
        reason: String,
        /// Where in its text.
        at: Option<Box<Excerpt<'static>>>,
    },
    /// It would get around a guard, or be one twice.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A guard's resource does not exist in the configured cloud.
    #[error("Graph does not offer the update of '{guard}' in '{cloud}'; it does in: {offered}")]
    Cloud {
        /// The guard.
        guard: String,
        /// The cloud.
        cloud: &'static str,
        /// Where it exists.
        offered: String,
    },
    /// What a guard says about the record can't be followed.
    #[error(transparent)]
    Record(#[from] RecordFault),
    /// The key of hashed values can't be used.
    #[error(transparent)]
    HashKey(#[from] HashKeyError),
    /// A route is not one.
    #[error("{0}")]
    Route(String),
    /// There is nothing to guard.
    #[error("there is none")]
    NoGuard,
}

impl BuildErrors {
    fn lines(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(|(key, error)| format!("{key}: {error}")).collect();
        lines.join("\n")
    }
}

impl BuildError {
    /// The line of the file that is wrong, where it is in one.
    pub fn excerpt(&self) -> Option<Excerpt<'static>> {
        if let Self::Schema { at, .. } = self { at.as_deref().cloned() } else { None }
    }

    /// What to do about it, where the words do not say it.
    pub fn help(&self) -> Vec<String> {
        let one = |help: &str| vec![help.to_owned()];
        match self {
            Self::NoGuard => {
                one("add one, or leave all of them out to guard what patchgate guards by default")
            }
            Self::Unreadable { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                one("let the user that runs the gateway read it, and enter the folders on its path")
            }
            Self::Unreadable { .. } => one("a relative path belongs to the folder of the configuration"),
            Self::Conflict(Conflict::Twice { .. }) => one("leave one of them out"),
            Self::Conflict(Conflict::Routes { .. }) => one("a request has one route; leave one of them out"),
            Self::Conflict(_) => one("a guard that can be gone around is none; leave this path out"),
            Self::Cloud { .. } => one("leave the guard out, or choose another cloud"),
            Self::Schema { .. } => {
                one("docs/schema-format.md says what a schema has; `patchgate schema show` loads one")
            }
            Self::Record(fault) => fault.help(),
            Self::HashKey(error) => one(error.help()),
            Self::UnknownSchema { .. } | Self::Route(_) => Vec::new(),
        }
    }
}

/// Compiles a configuration.
pub fn build(config: &Config, generation: Generation) -> Result<Ruleset, BuildErrors> {
    let mut errors: Vec<(String, BuildError)> = Vec::new();
    let mut guards: Vec<(String, Guarded)> = Vec::new();
    // One that is named is looked at, needed or not: it would be the first surprise of the next change.
    let hash_key = config.audit.hash_key.as_ref().map(|file| hash_key::read(file, &config.folder));
    let hash_key = hash_key.transpose().unwrap_or_else(|error| {
        errors.push(("audit.hash_key".to_owned(), error.into()));
        None
    });
    let readable = errors.is_empty();
    for (index, guard) in config.guards.iter().enumerate() {
        match guarded(guard, &config.folder, hash_key.as_ref()) {
            Ok(guard) => guards.push((format!("guard[{index}].schema"), guard)),
            // A key that could not be read is none, and that has been said.
            Err(found) => errors.extend(
                found
                    .into_iter()
                    .filter(|(_, error)| readable || !matches!(error, BuildError::Record(RecordFault::NoKey)))
                    .map(|(key, error)| (format!("guard[{index}].{key}"), error)),
            ),
        }
    }
    if config.guards.is_empty() {
        errors.push(("guard".to_owned(), BuildError::NoGuard));
    }
    if let Some(cloud) = config.upstream.cloud {
        let missing = guards.iter().filter_map(|(_, guard)| not_offered(guard, cloud));
        errors.extend(missing.map(|error| ("upstream.cloud".to_owned(), error)));
    }
    let mut reads: Vec<(String, Arc<Route>)> = Vec::new();
    for (index, route) in config.routes.iter().enumerate() {
        let key = format!("route[{index}].path");
        match read(route, &guards) {
            Ok(route) => reads.push((key, route)),
            Err(error) => errors.push((key, error)),
        }
    }
    errors
        .extend(reach::conflicts(&guards, &reads).into_iter().map(|(key, conflict)| (key, conflict.into())));
    if !errors.is_empty() {
        return Err(BuildErrors(errors));
    }
    Ok(ruleset(config, generation, guards, reads))
}

fn ruleset(
    config: &Config,
    generation: Generation,
    guards: Vec<(String, Guarded)>,
    reads: Vec<(String, Arc<Route>)>,
) -> Ruleset {
    let guards: Vec<Arc<Guarded>> = guards.into_iter().map(|(_, guard)| Arc::new(guard)).collect();
    let reads: Vec<Arc<Route>> = reads.into_iter().map(|(_, route)| route).collect();
    let edits =
        guards.iter().flat_map(|guard| &guard.routes).map(|r| format!("PATCH {}", r.template().as_str()));
    let known = edits.chain(reads.iter().map(|r| format!("GET {}", r.template().as_str()))).collect();
    Ruleset {
        generation,
        guards,
        reads,
        limits: Limits {
            header_bytes: config.limits.header_bytes.0,
            header_lines: config.limits.header_lines.0,
            target_guard: config.limits.target_guard.0,
            target_read: config.limits.target_read.0,
            body: config.limits.body.0,
            json_depth: config.limits.json_depth.0,
        },
        public: config.listen.public_url.clone(),
        known,
    }
}

/// The file of a schema that is named with its path; nothing for one that ships.
pub fn schema_file(name: &str, folder: &Path) -> Option<PathBuf> {
    let is_path = name.contains(['/', '\\']) || Path::new(name).extension().is_some_and(|e| e == "json");
    is_path.then(|| folder.join(name))
}

/// Loads a schema by the name under which it ships, or by its path.
pub fn schema(name: &str, folder: &Path) -> Result<Schema, BuildError> {
    let text = if let Some(file) = schema_file(name, folder) {
        std::fs::read(file).map_err(|source| BuildError::Unreadable { path: name.to_owned(), source })?
    } else {
        let unknown = || BuildError::UnknownSchema {
            name: name.to_owned(),
            meant: nearest(name, shipped::names())
                .map_or_else(|| ".".to_owned(), |meant| format!("; did you mean '{meant}'?")),
            names: shipped::names().collect::<Vec<_>>().join(", "),
        };
        shipped::text(name).ok_or_else(unknown)?.to_vec()
    };
    Schema::load(&text).map_err(|error| BuildError::Schema {
        name: name.to_owned(),
        reason: error.to_string(),
        at: excerpt(name, &text, &error).map(Box::new),
    })
}

/// The line of a schema that is wrong.
fn excerpt(file: &str, text: &[u8], error: &SchemaError) -> Option<Excerpt<'static>> {
    let (place, name) = error.place()?;
    let text = std::str::from_utf8(text).ok()?.to_owned();
    let span = span_of(&text, place.line, place.column, &format!("\"{name}\""));
    Some(Excerpt { file: file.to_owned().into(), at: At::Text(text.into(), span), label: "".into() })
}

/// Loads a guard; its faults have the rest of their keys, such as `schema`.
fn guarded(
    guard: &config::Guard,
    folder: &Path,
    hash_key: Option<&HashKey>,
) -> Result<Guarded, Vec<(String, BuildError)>> {
    let of_schema = |error| vec![("schema".to_owned(), error)];
    let schema = Arc::new(schema(&guard.schema, folder).map_err(of_schema)?);
    let facts = schema.guard();
    // The schema was refused at load if a key of its paths had no pattern.
    let pattern = |name: &str| facts.keys.get(name).map(|key| key.pattern.clone());
    let routes = facts
        .paths
        .iter()
        .map(|path| route(path.clone(), facts.versions.clone(), pattern))
        .collect::<Result<_, _>>()
        .map_err(of_schema)?;
    let required_headers =
        facts.required_headers.iter().map(HeaderName::try_from).collect::<Result<_, _>>().map_err(
            |error| {
                let reason = error.to_string();
                of_schema(BuildError::Schema { name: guard.schema.clone(), reason, at: None })
            },
        )?;
    let record = recorded::rules(&guard.record, &schema, hash_key).map_err(|faults| {
        let faults = faults.into_iter();
        faults.map(|(field, fault)| (config::of_field("record", &field), fault.into())).collect::<Vec<_>>()
    })?;
    Ok(Guarded { schema, routes, required_headers, record })
}

fn not_offered(guard: &Guarded, cloud: Cloud) -> Option<BuildError> {
    let offered = &guard.schema.guard().clouds;
    (!offered.contains(&cloud)).then(|| BuildError::Cloud {
        guard: guard.schema.name().to_owned(),
        cloud: cloud.name(),
        offered: offered.iter().map(|cloud| cloud.name()).collect::<Vec<_>>().join(", "),
    })
}

/// A read; its keys have the patterns of the guard with the same template, else that of a safe identifier.
fn read(written: &config::Route, guards: &[(String, Guarded)]) -> Result<Arc<Route>, BuildError> {
    let template = PathTemplate::parse(&written.path).map_err(|e| BuildError::Route(e.to_string()))?;
    let guard = guards.iter().map(|(_, guard)| guard);
    let guard = guard.into_iter().find(|guard| guard.routes.iter().any(|r| *r.template() == template));
    let versions = guard.map_or(GraphVersion::ALL.to_vec(), |guard| guard.schema.guard().versions.clone());
    let pattern = |name: &str| {
        guard.and_then(|guard| guard.schema.guard().keys.get(name)).map(|key| key.pattern.clone())
    };
    route(template, versions, pattern)
}

fn route(
    template: PathTemplate,
    versions: Vec<GraphVersion>,
    pattern: impl Fn(&str) -> Option<KeyPattern>,
) -> Result<Arc<Route>, BuildError> {
    let safe =
        KeyPattern::parse(KeyPattern::SAFE_IDENTIFIER).map_err(|e| BuildError::Route(e.to_string()))?;
    Ok(Arc::new(Route::new(template, versions, |name| pattern(name).unwrap_or_else(|| safe.clone()))))
}
