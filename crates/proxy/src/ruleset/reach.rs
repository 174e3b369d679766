//! Which paths of a configuration would get around a guard: those that reach what it guards by another name.
//!
//! OData has many names for one thing: a type cast (`…/things/{id}/microsoft.graph.thing`), `$ref`, `$value`, an action or
//! function of an item or of its collection, a batch, a property of what lies above. A guard that one of these goes around is
//! none, so a configuration with both does not load.

use std::sync::Arc;

use patchgate_model::{KeyPattern, Route};

use super::Guarded;

/// Why a guard or route cannot be beside another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Two guards have the same path.
    #[error("it guards '{path}', and so does '{other}'")]
    Twice {
        /// The path.
        path: String,
        /// The other guard.
        other: String,
    },
    /// Two paths are different, and some target is both.
    #[error("'{path}' overlaps '{other}': a target would be both, or one is another spelling of the other")]
    Overlap {
        /// The path.
        path: String,
        /// The other.
        other: String,
    },
    /// Two routes are different, and some target is both. No guard is in it.
    #[error("'{path}' overlaps '{other}': a target would be both, or one is another spelling of the other")]
    Routes {
        /// The path.
        path: String,
        /// The other.
        other: String,
    },
    /// Part of OData's way to say things otherwise, behind what is guarded.
    #[error("'{segment}' is {what}: '{path}' reaches what '{guard}' guards by another spelling")]
    Spelling {
        /// The segment.
        segment: String,
        /// What it is in OData.
        what: &'static str,
        /// The path.
        path: String,
        /// The guard.
        guard: String,
    },
    /// A word in the place of a guarded key.
    #[error(
        "'{segment}' stands in the place of a key that '{guard}' guards: in OData that is an action or function of the \
         collection, such as a merge, and it reaches what is guarded"
    )]
    Collection {
        /// The segment.
        segment: String,
        /// The guard.
        guard: String,
    },
    /// A request that is not of one resource.
    #[error("'{segment}' is {what}, and no guard would see what is in it")]
    Root {
        /// The segment.
        segment: String,
        /// What it is in OData.
        what: &'static str,
    },
    /// A guard above another, with the other inside of it.
    #[error("its field '{field}' reaches what '{guard}' guards, by an update of what lies above")]
    Inside {
        /// The field.
        field: String,
        /// The other guard.
        guard: String,
    },
}

/// The conflicts of a configuration, each with the key at which it is.
pub(super) fn conflicts(
    guards: &[(String, Guarded)],
    reads: &[(String, Arc<Route>)],
) -> Vec<(String, Conflict)> {
    let mut found = Vec::new();
    for (number, (key, guard)) in guards.iter().enumerate() {
        for route in &guard.routes {
            let own = own(route, true);
            let among = guards.iter().take(number).find_map(|(_, other)| between(route, other));
            let around = || {
                let others = guards.iter().enumerate().filter(|(at, _)| *at != number);
                others.map(|(_, (_, other))| other).find_map(|other| around(route, other))
            };
            if let Some(conflict) = own.or(among).or_else(around) {
                found.push((key.clone(), conflict));
            }
        }
        let others = guards.iter().enumerate().filter(|(at, _)| *at != number);
        found.extend(
            others.filter_map(|(_, (_, other))| inside(guard, other)).map(|conflict| (key.clone(), conflict)),
        );
    }
    for (number, (key, route)) in reads.iter().enumerate() {
        let twice = || {
            let overlapping = reads.iter().take(number).find(|(_, other)| overlap(route, other));
            overlapping.map(|(_, other)| Conflict::Routes { path: text(route), other: text(other) })
        };
        let another = || {
            let routes = guards.iter().flat_map(|(_, guard)| &guard.routes);
            let mut others = routes.filter(|other| other.template() != route.template());
            others
                .find(|other| overlap(route, other))
                .map(|other| Conflict::Overlap { path: text(route), other: text(other) })
        };
        let around = || guards.iter().find_map(|(_, guard)| around(route, guard));
        if let Some(conflict) = own(route, false).or_else(around).or_else(another).or_else(twice) {
            found.push((key.clone(), conflict));
        }
    }
    found
}

/// A segment of a path: a word, or a key with its pattern.
#[derive(Clone, Copy)]
enum Part<'r> {
    Word(&'r str),
    Key(&'r KeyPattern),
}

impl<'r> Part<'r> {
    /// Whether some segment is both. Graph takes words in any case.
    fn meets(self, other: Part<'r>) -> bool {
        match (self, other) {
            (Self::Word(a), Self::Word(b)) => a.eq_ignore_ascii_case(b),
            (Self::Word(word), Self::Key(pattern)) | (Self::Key(pattern), Self::Word(word)) => {
                pattern.matches(word)
            }
            (Self::Key(_), Self::Key(_)) => true,
        }
    }
}

/// The segments behind the version.
fn parts(route: &Route) -> Vec<Part<'_>> {
    let mut keys = route.keys().iter();
    let segments = route.template().as_str().split('/').skip(2);
    segments
        .filter_map(|segment| {
            if segment.starts_with('{') { keys.next().map(Part::Key) } else { Some(Part::Word(segment)) }
        })
        .collect()
}

fn text(route: &Route) -> String {
    route.template().as_str().to_owned()
}

fn share_a_version(a: &Route, b: &Route) -> bool {
    a.versions().iter().any(|version| b.versions().contains(version))
}

fn all_meet<'r>(a: &[Part<'r>], b: &[Part<'r>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.meets(*b))
}

fn overlap(a: &Route, b: &Route) -> bool {
    share_a_version(a, b) && all_meet(&parts(a), &parts(b))
}

/// What a segment is in OData, if it is not a resource's own name.
fn special(segment: &str) -> Option<&'static str> {
    match segment.to_ascii_lowercase().as_str() {
        "$ref" => Some("the link to a resource"),
        "$value" => Some("a resource in another form"),
        "$batch" => Some("a batch: many requests in one"),
        "$entity" => Some("any resource by its id"),
        "$all" | "$crossjoin" | "$each" | "$query" | "$filter" => Some("a way to name many resources"),
        // A number, not a resource.
        "$count" | "$metadata" => None,
        other if other.starts_with('$') => Some("a system resource of OData"),
        other if other.contains('.') => Some("a type cast, an action or a function of OData"),
        _ => None,
    }
}

/// What a path is by itself.
fn own(route: &Route, guard: bool) -> Option<Conflict> {
    let parts = parts(route);
    let named = |part: &Part<'_>| match part {
        Part::Word(word) => special(word).map(|what| ((*word).to_owned(), what)),
        Part::Key(_) => None,
    };
    let at_root = parts.first().and_then(named);
    // What is updated is a resource, never what has a dollar sign.
    let in_guard = || {
        let mut words = parts.iter().filter(|part| matches!(part, Part::Word(word) if word.starts_with('$')));
        words.find_map(named).filter(|_| guard)
    };
    at_root.or_else(in_guard).map(|(segment, what)| Conflict::Root { segment, what })
}

/// Two guards for the same targets.
fn between(route: &Route, other: &Guarded) -> Option<Conflict> {
    let met = other.routes.iter().find(|other| overlap(route, other))?;
    Some(if met.template() == route.template() {
        Conflict::Twice { path: text(route), other: other.schema.name().to_owned() }
    } else {
        Conflict::Overlap { path: text(route), other: text(met) }
    })
}

/// A path around a guard: through a cast, a link, an action or a function.
fn around(route: &Route, guard: &Guarded) -> Option<Conflict> {
    let path = parts(route);
    let name = || guard.schema.name().to_owned();
    guard.routes.iter().filter(|guarded| share_a_version(route, guarded)).find_map(|guarded| {
        let guarded = parts(guarded);
        let (last, collection) = guarded.split_last()?;
        let mut plain: Vec<Part<'_>> = Vec::with_capacity(path.len());
        for part in &path {
            if let Part::Word(word) = part
                && let Some(what) = special(word)
            {
                if all_meet(&plain, &guarded) || all_meet(&plain, collection) {
                    let segment = (*word).to_owned();
                    return Some(Conflict::Spelling { segment, what, path: text(route), guard: name() });
                }
                continue;
            }
            plain.push(*part);
        }
        let (end, before) = plain.split_last()?;
        match (end, last) {
            (Part::Word(word), Part::Key(pattern))
                if !word.eq_ignore_ascii_case("$count")
                    && all_meet(before, collection)
                    && !pattern.matches(word) =>
            {
                Some(Conflict::Collection { segment: (*word).to_owned(), guard: name() })
            }
            _ => None,
        }
    })
}

/// A guard above another that lets the other's resource be updated inside of its own.
fn inside(guard: &Guarded, other: &Guarded) -> Option<Conflict> {
    let names: Vec<&str> = guard.schema.field_names().collect();
    guard.routes.iter().find_map(|above| {
        let path = parts(above);
        other.routes.iter().filter(|below| share_a_version(above, below)).find_map(|below| {
            let below = parts(below);
            let upper = below.get(..path.len()).filter(|upper| all_meet(upper, &path))?;
            let Part::Word(next) = below.get(upper.len())? else { return None };
            let field = names.iter().find(|name| name.eq_ignore_ascii_case(next))?;
            Some(Conflict::Inside { field: (*field).to_owned(), guard: other.schema.name().to_owned() })
        })
    })
}

#[cfg(test)]
mod tests;
