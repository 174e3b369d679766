//! The paths of an update and the keys in them.
//!
//! INVARIANT: a path is taken as the page writes it, or left out with a note; a key admits what the page's own samples
//! have in common, and never more than a safe identifier unless somebody said so.

use patchgate_model::{GraphVersion, KeyPattern, PathTemplate};

use super::Told;
use super::error::{DeriveError, Note, Reason};
use super::markdown::Place;

/// Whole numbers without leading zeros, as far as 19 digits go.
const DIGITS: &str = "[1-9][0-9]{0,18}";
/// GUIDs in either case.
const GUID: &str = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";

/// A path that can be a route.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) template: PathTemplate,
    place: Place,
}

/// The paths of a page, and the versions that they name themselves.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) all: Vec<Path>,
    pub(super) versions: Vec<GraphVersion>,
}

/// A key of the paths: what it admits, and one that is admitted.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) pattern: KeyPattern,
    pub(super) example: String,
}

/// Reads the targets of the `PATCH` lines.
pub(super) fn read(targets: &[(Place, String)], notes: &mut Vec<Note>) -> Result<Paths, DeriveError> {
    let mut paths = Paths { all: Vec::new(), versions: Vec::new() };
    for (place, target) in targets {
        let (version, rest) = split(target);
        let known: Vec<_> = paths.all.iter().flat_map(|path| path.template.key_names()).collect();
        let text = format!("/{{version}}/{}", named_keys(&rest, &known));
        match PathTemplate::parse(&text) {
            Ok(template) => {
                paths.versions.extend(version);
                if paths.all.iter().all(|path| path.template != template) {
                    paths.all.push(Path { template, place: *place });
                }
            }
            Err(error) => {
                let text = format!("the path '{target}' is left out: {}", error.reason);
                notes.push(Note::new("pathLeftOut", *place, text));
            }
        }
    }
    match (paths.all.is_empty(), targets.first()) {
        (false, _) | (true, None) => Ok(paths),
        (true, Some((place, target))) => {
            Err(DeriveError::new(Reason::NoRoute, *place, target, "a path of plain segments and keys"))
        }
    }
}

/// The version that a target names, and the path after it, without host, query and slashes at its ends.
pub(super) fn split(target: &str) -> (Option<GraphVersion>, String) {
    let target = target.split(['?', '#']).next().unwrap_or_default().trim();
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => target.strip_prefix('/').unwrap_or(target),
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match GraphVersion::from_segment(first) {
        Some(version) => (Some(version), rest.to_owned()),
        None if first == "{version}" => (None, rest.to_owned()),
        None => (None, path.to_owned()),
    }
}

/// Gives each key of a path a name of letters and digits, its own where it has one, and no name twice. Where the known
/// names of other paths differ from it only in case, theirs counts.
fn named_keys(path: &str, known: &[&str]) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut out: Vec<String> = Vec::new();
    // A key may hold a slash in no page that is known; white space and `|` are common.
    for segment in path.split('/') {
        let Some(key) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
            out.push(segment.to_owned());
            continue;
        };
        let base = key_name(key);
        // A path with n keys needs no more than n attempts at a name.
        let attempts =
            (1..=names.len() + 1).map(|n| if n == 1 { base.clone() } else { format!("{base}{n}") });
        let taken = |name: &String| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let name = attempts.into_iter().find(|name| !taken(name)).unwrap_or_default();
        let name = known
            .iter()
            .find(|other| other.eq_ignore_ascii_case(&name))
            .map_or(name, |other| (*other).to_owned());
        out.push(format!("{{{name}}}"));
        names.push(name);
    }
    out.join("/")
}

/// `id | userPrincipalName` becomes `idOrUserPrincipalName`, `tenant id` becomes `tenantId`.
fn key_name(key: &str) -> String {
    let spoken = key.replace('|', " or ");
    let mut words = spoken.split_whitespace();
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

impl Paths {
    /// The names of the keys of the first path that an example's path fits.
    pub(super) fn key_names(&self, path: &str) -> Option<Vec<String>> {
        let fitting = self.all.iter().find(|candidate| candidate.samples(path).is_some())?;
        Some(fitting.template.key_names().map(str::to_owned).collect())
    }

    /// The keys of the first path that an example's path fits, with the example's values for them.
    pub(super) fn samples(&self, path: &str) -> Vec<(String, String)> {
        self.all.iter().find_map(|candidate| candidate.samples(path)).unwrap_or_default()
    }

    /// All keys, in the order of the paths. `samples` are the page's own.
    pub(super) fn keys(
        &self,
        samples: &[(String, String)],
        told: &Told,
        notes: &mut Vec<Note>,
    ) -> Result<Vec<Key>, DeriveError> {
        let place = self.all.first().map_or(Place::START, |path| path.place);
        let mut keys: Vec<Key> = Vec::new();
        for path in &self.all {
            for name in path.template.key_names() {
                if keys.iter().all(|key| key.name != name) {
                    let told =
                        told.keys.iter().rev().find(|(told, _)| told == name).map(|(_, pattern)| pattern);
                    let samples = self.samples_of(name, samples);
                    keys.extend(key(name, &samples, told, path.place, notes));
                }
            }
        }
        if let Some((name, _)) = told.keys.iter().find(|(name, _)| keys.iter().all(|key| key.name != *name)) {
            let names: Vec<_> = keys.iter().map(|key| format!("'{}'", key.name)).collect();
            let expected = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(DeriveError::new(Reason::UnknownKey, place, name, expected));
        }
        Ok(keys)
    }

    /// The samples of a key. A name such as `id` may mean another resource in another path; then none counts.
    fn samples_of<'a>(&self, name: &str, samples: &'a [(String, String)]) -> Vec<&'a str> {
        let mut parents = self.all.iter().filter_map(|path| path.parent_of(name));
        let first = parents.next();
        if parents.any(|parent| Some(parent) != first) {
            return Vec::new();
        }
        samples.iter().filter(|(key, _)| key == name).map(|(_, sample)| sample.as_str()).collect()
    }
}

impl Path {
    fn samples(&self, path: &str) -> Option<Vec<(String, String)>> {
        let mut parts = path.split('/');
        let mut samples = Vec::new();
        for segment in self.template.as_str().trim_start_matches("/{version}/").split('/') {
            let part = parts.next()?;
            match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(name) if !part.contains('{') => samples.push((name.to_owned(), part.to_owned())),
                Some(_) => {}
                None if part.eq_ignore_ascii_case(segment) => {}
                None => return None,
            }
        }
        parts.next().is_none().then_some(samples)
    }

    /// The segment before a key: the collection that the key is of.
    fn parent_of(&self, name: &str) -> Option<&str> {
        self.template.as_str().split_once(&format!("/{{{name}}}"))?.0.rsplit('/').next()
    }
}

/// What a key admits: what was told, else what the samples have in common, else a safe identifier.
fn key(
    name: &str,
    samples: &[&str],
    told: Option<&KeyPattern>,
    place: Place,
    notes: &mut Vec<Note>,
) -> Option<Key> {
    let all = |pattern: &str| {
        let pattern = KeyPattern::parse(pattern).ok()?;
        (!samples.is_empty() && samples.iter().all(|sample| pattern.matches(sample))).then_some(pattern)
    };
    let safe = || KeyPattern::parse(KeyPattern::SAFE_IDENTIFIER).ok();
    let pattern = told.cloned().or_else(|| all(DIGITS)).or_else(|| all(GUID)).or_else(safe)?;
    let sample = samples.iter().find(|sample| pattern.matches(sample));
    if let (None, Some(sample)) = (sample, samples.first()) {
        let text = format!(
            "the page's own '{sample}' is no '{name}' by its pattern '{}'; --key can tell another",
            pattern.as_str()
        );
        notes.push(Note::new("sampleKey", place, text));
    }
    let example = sample.map_or_else(|| pattern.example(), |sample| (*sample).to_owned());
    Some(Key { name: name.to_owned(), pattern, example })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_become_templates() {
        let rows = [
            ("/a/{x}", "/{version}/a/{x}", None),
            ("a/{x}/", "/{version}/a/{x}", None),
            ("/beta/a", "/{version}/a", Some(GraphVersion::Beta)),
            ("https://graph.microsoft.com/v1.0/a/{x}?$select=b", "/{version}/a/{x}", Some(GraphVersion::V1)),
            ("/{version}/a", "/{version}/a", None),
            ("/a/{id}/b/{id}", "/{version}/a/{id}/b/{id2}", None),
            ("/a/{id | userPrincipalName}", "/{version}/a/{idOrUserPrincipalName}", None),
            ("/a/{tenant id}/b-c/{team-id}", "/{version}/a/{tenantId}/b-c/{team-id}", None),
            ("/a/root:/{item-path}:/b", "", None),
            ("~/a", "", None),
            ("/a/{x", "", None),
            ("/", "", None),
        ];
        for (target, template, version) in rows {
            let mut notes = Vec::new();
            let paths = read(&[(Place { line: 3, column: 7 }, target.to_owned())], &mut notes);
            let found = paths.as_ref().map_or("", |paths| paths.all[0].template.as_str());
            assert_eq!(found, template, "{target}");
            assert_eq!(paths.ok().and_then(|paths| paths.versions.first().copied()), version, "{target}");
            assert_eq!(notes.len(), usize::from(template.is_empty()), "{target}");
        }
    }

    #[test]
    fn names_of_keys_that_differ_in_case_are_one() {
        let at = Place { line: 1, column: 1 };
        let targets = ["/a/{Id}", "/b/{id}/c/{ID}"].map(|target| (at, target.to_owned()));
        let paths = read(&targets, &mut Vec::new()).unwrap();
        let texts: Vec<_> = paths.all.iter().map(|path| path.template.as_str()).collect();
        assert_eq!(texts, ["/{version}/a/{Id}", "/{version}/b/{Id}/c/{ID2}"]);
    }

    #[test]
    fn keys_admit_what_their_samples_share() {
        let guid = "0a1b2c3d-0000-4000-8000-00000000abcd";
        let safe = KeyPattern::SAFE_IDENTIFIER;
        let rows = [
            (vec!["2972395"], None, DIGITS, "2972395", 0),
            (vec!["2972395", "a1"], None, safe, "2972395", 0),
            (vec!["007"], None, safe, "007", 0),
            (vec![guid], None, GUID, guid, 0),
            (vec!["a@b.example"], None, safe, "0", 1),
            (vec!["2972395"], Some("[a-z]{3}"), "[a-z]{3}", "aaa", 1),
            (vec![], None, safe, "0", 0),
        ];
        for (samples, told, pattern, example, noted) in rows {
            let told = told.map(|text| KeyPattern::parse(text).unwrap());
            let mut notes = Vec::new();
            let key = key("k", &samples, told.as_ref(), Place { line: 1, column: 1 }, &mut notes).unwrap();
            assert_eq!(
                (key.pattern.as_str(), key.example.as_str(), notes.len()),
                (pattern, example, noted),
                "{samples:?}"
            );
        }
    }
}
