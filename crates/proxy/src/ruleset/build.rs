//! From a configuration to a ruleset, all or nothing.

use std::path::Path;
use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderName, Uri};
use patchgate_model::route::PathTemplate;
use patchgate_model::suggest::nearest;
use patchgate_model::{Cloud, Generation, GraphVersion, KeyPattern, Route};
use patchgate_validator::Schema;

use super::{Guarded, Limits, Ruleset, shipped};
use crate::config::{self, Config};

/// Why there is no ruleset.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A schema's file cannot be read.
    #[error("guard.schema: cannot read the schema '{path}': {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No schema of that name ships with the gateway.
    #[error(
        "guard.schema: no schema '{name}' ships with this binary{meant} It has: {names}. A file is named with its path, such as './{name}.json'"
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
    #[error("guard.schema: the schema '{name}' is not acceptable: {reason}")]
    Schema {
        /// Its name or file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Two guards have the same path.
    #[error("guard.schema: '{first}' and '{second}' guard the same path '{path}'")]
    Overlap {
        /// One guard.
        first: String,
        /// The other.
        second: String,
        /// The path.
        path: String,
    },
    /// A guard's resource does not exist in the configured cloud.
    #[error(
        "upstream.cloud: Graph does not offer the update of '{guard}' in '{cloud}'; it does in: {offered}"
    )]
    Cloud {
        /// The guard.
        guard: String,
        /// The cloud.
        cloud: &'static str,
        /// Where it exists.
        offered: String,
    },
    /// A route is not one.
    #[error("route.path: {0}")]
    Route(String),
    /// The public URL is not one.
    #[error("listen.public_url: '{0}' is not a URL of the form 'https://host' or 'https://host:port'")]
    PublicUrl(String),
    /// There is nothing to guard.
    #[error(
        "guard: there is none; add one, or leave all of them out to guard what patchgate guards by default"
    )]
    NoGuard,
    /// A limit of nothing.
    #[error("limits.{0}: it must be more than zero")]
    Zero(&'static str),
    /// The JSON depth cannot be served.
    #[error("limits.json_depth: {0} is not between 1 and 64")]
    Depth(usize),
}

/// Compiles a configuration.
pub fn build(config: &Config, generation: Generation) -> Result<Ruleset, BuildError> {
    let guards: Vec<Guarded> = config
        .guards
        .iter()
        .flatten()
        .map(|guard| guarded(guard, &config.folder))
        .collect::<Result<_, _>>()?;
    if guards.is_empty() {
        return Err(BuildError::NoGuard);
    }
    no_overlap(&guards)?;
    if let Some(cloud) = config.upstream.cloud {
        guards.iter().try_for_each(|guard| offered_in(guard, cloud))?;
    }
    let reads: Vec<Arc<Route>> =
        config.routes.iter().flatten().map(|route| read(route, &guards)).collect::<Result<_, _>>()?;
    let limits = &config.limits;
    for (name, limit) in [
        ("header_lines", limits.header_lines),
        ("connections", limits.connections),
        ("connections_per_address", limits.connections_per_address),
        ("in_flight", limits.in_flight),
    ] {
        if limit == 0 {
            return Err(BuildError::Zero(name));
        }
    }
    if !(1..=64).contains(&config.limits.json_depth) {
        return Err(BuildError::Depth(config.limits.json_depth));
    }
    let edits =
        guards.iter().flat_map(|guard| &guard.routes).map(|r| format!("PATCH {}", r.template().as_str()));
    let known = edits.chain(reads.iter().map(|r| format!("GET {}", r.template().as_str()))).collect();
    Ok(Ruleset {
        generation,
        guards,
        reads,
        limits: Limits {
            header_bytes: config.limits.header_bytes.0,
            header_lines: config.limits.header_lines,
            target_guard: config.limits.target_guard.0,
            target_read: config.limits.target_read.0,
            body: config.limits.body.0,
            json_depth: config.limits.json_depth,
        },
        public: config.listen.public_url.as_deref().map(public_authority).transpose()?,
        known,
    })
}

/// Loads a schema by the name under which it ships, or by its path.
pub fn schema(name: &str, folder: &Path) -> Result<Schema, BuildError> {
    let is_path = name.contains(['/', '\\']) || Path::new(name).extension().is_some_and(|e| e == "json");
    let text = if is_path {
        std::fs::read(folder.join(name))
            .map_err(|source| BuildError::Unreadable { path: name.to_owned(), source })?
    } else {
        let unknown = || BuildError::UnknownSchema {
            name: name.to_owned(),
            meant: nearest(name, shipped::names())
                .map_or_else(|| ".".to_owned(), |meant| format!("; did you mean '{meant}'?")),
            names: shipped::names().collect::<Vec<_>>().join(", "),
        };
        shipped::text(name).ok_or_else(unknown)?.to_vec()
    };
    Schema::load(&text)
        .map_err(|error| BuildError::Schema { name: name.to_owned(), reason: error.to_string() })
}

fn guarded(guard: &config::Guard, folder: &Path) -> Result<Guarded, BuildError> {
    let schema = Arc::new(schema(&guard.schema, folder)?);
    let facts = schema.guard();
    // The schema was refused at load if a key of its paths had no pattern.
    let pattern = |name: &str| facts.keys.get(name).map(|key| key.pattern.clone());
    let routes = facts
        .paths
        .iter()
        .map(|path| route(path.clone(), facts.versions.clone(), pattern))
        .collect::<Result<_, _>>()?;
    let required_headers = facts
        .required_headers
        .iter()
        .map(HeaderName::try_from)
        .collect::<Result<_, _>>()
        .map_err(|error| BuildError::Schema { name: guard.schema.clone(), reason: error.to_string() })?;
    Ok(Guarded { schema, routes, required_headers })
}

fn no_overlap(guards: &[Guarded]) -> Result<(), BuildError> {
    for (index, first) in guards.iter().enumerate() {
        for second in guards.iter().skip(index + 1) {
            let same =
                first.routes.iter().find(|a| second.routes.iter().any(|b| a.template() == b.template()));
            if let Some(same) = same {
                return Err(BuildError::Overlap {
                    first: first.schema.name().to_owned(),
                    second: second.schema.name().to_owned(),
                    path: same.template().as_str().to_owned(),
                });
            }
        }
    }
    Ok(())
}

fn offered_in(guard: &Guarded, cloud: Cloud) -> Result<(), BuildError> {
    let offered = &guard.schema.guard().clouds;
    if offered.contains(&cloud) {
        return Ok(());
    }
    Err(BuildError::Cloud {
        guard: guard.schema.name().to_owned(),
        cloud: cloud.name(),
        offered: offered.iter().map(|cloud| cloud.name()).collect::<Vec<_>>().join(", "),
    })
}

/// A read; its keys have the patterns of the guard with the same template, else that of a safe identifier.
fn read(written: &config::Route, guards: &[Guarded]) -> Result<Arc<Route>, BuildError> {
    let template = PathTemplate::parse(&written.path).map_err(|e| BuildError::Route(e.to_string()))?;
    if written.methods.is_empty() {
        return Err(BuildError::Route(format!(
            "'{}' has no method; what can be configured is GET",
            written.path
        )));
    }
    let guard = guards.iter().find(|guard| guard.routes.iter().any(|r| *r.template() == template));
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

/// The authority of `listen.public_url`.
fn public_authority(url: &str) -> Result<Authority, BuildError> {
    let wrong = || BuildError::PublicUrl(url.to_owned());
    let parts = url.parse::<Uri>().map_err(|_| wrong())?.into_parts();
    let http = parts.scheme.is_some_and(|scheme| ["https", "http"].contains(&scheme.as_str()));
    let bare = parts.path_and_query.is_none_or(|path| path == "/");
    parts.authority.filter(|authority| http && bare && !authority.as_str().contains('@')).ok_or_else(wrong)
}
