//! Routes: which paths name a resource. Matched on the raw target, byte for byte.
//!
//! INVARIANT: nothing is decoded or normalised before it is matched, and what goes upstream is built from the route and
//! the matched keys, never copied from the caller's target.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::cloud::GraphVersion;
use crate::key::KeyPattern;

/// A path with named keys, such as `/{version}/users/{userId}/settings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    Version,
    Key(String),
}

/// Why a path template was not accepted.
#[derive(Debug, thiserror::Error)]
#[error("the path '{text}' is not a route: {reason}")]
pub struct PathTemplateError {
    /// The path as it was written.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl PathTemplate {
    /// Reads a template. The first segment is `{version}`; the others are literals, or keys of different names.
    pub fn parse(text: &str) -> Result<Self, PathTemplateError> {
        let wrong = |reason: String| Err(PathTemplateError { text: text.to_owned(), reason });
        let Some(rest) = text.strip_prefix('/') else {
            return wrong("it does not begin with '/'".to_owned());
        };
        let mut segments = Vec::new();
        for part in rest.split('/') {
            let segment = match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                Some("version") => Segment::Version,
                Some(name) if is_name(name) => Segment::Key(name.to_owned()),
                None if is_literal(part) => Segment::Literal(part.to_owned()),
                _ => return wrong(format!("'{part}' is neither a plain segment nor a key such as '{{id}}'")),
            };
            let again = segments.contains(&segment) && !matches!(segment, Segment::Literal(_));
            if again {
                return wrong(format!("'{part}' stands in it twice"));
            }
            if (segments.is_empty()) != (segment == Segment::Version) {
                return wrong("it must begin with '/{version}/'".to_owned());
            }
            segments.push(segment);
        }
        if segments.len() < 2 {
            return wrong("it names no resource".to_owned());
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The template as it was written; the `http.route` of traces and metrics.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its keys, in the order of the path.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Key(name) => Some(name.as_str()),
            Segment::Literal(_) | Segment::Version => None,
        })
    }

    /// A path of this template; a key without a value stands there as its name in braces.
    fn render<'k>(&self, version: GraphVersion, mut key: impl FnMut(&str) -> Option<&'k str>) -> String {
        let mut path = String::with_capacity(self.text.len() + 24);
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(literal) => path.push_str(literal),
                Segment::Version => path.push_str(version.segment()),
                Segment::Key(name) => match key(name) {
                    Some(key) => path.push_str(key),
                    // Writing to a string does not fail.
                    None => _ = write!(path, "{{{name}}}"),
                },
            }
        }
        path
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn is_literal(segment: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
    !segment.is_empty() && segment.chars().all(plain) && segment != "." && segment != ".."
}

/// A template with all that is needed to match it: the versions, and a pattern for each key.
#[derive(Debug, Clone)]
pub struct Route {
    template: PathTemplate,
    versions: Vec<GraphVersion>,
    keys: Vec<KeyPattern>,
}

impl Route {
    /// A route; `pattern` gives the pattern of each key by its name.
    pub fn new(
        template: PathTemplate,
        versions: Vec<GraphVersion>,
        pattern: impl FnMut(&str) -> KeyPattern,
    ) -> Self {
        let keys = template.key_names().map(pattern).collect();
        Self { template, versions, keys }
    }

    /// The template it was made of.
    pub fn template(&self) -> &PathTemplate {
        &self.template
    }

    /// The versions in which it exists.
    pub fn versions(&self) -> &[GraphVersion] {
        &self.versions
    }

    /// The patterns of its keys, in the order of the path.
    pub fn keys(&self) -> &[KeyPattern] {
        &self.keys
    }

    /// The resource that a raw path (without query) names, if the path is the canonical form of this route.
    pub fn resource(self: &Arc<Self>, path: &str) -> Option<Resource> {
        let mut rest = Some(path.strip_prefix('/')?);
        let mut patterns = self.keys.iter();
        let mut version = None;
        for segment in &self.template.segments {
            let part = next_part(&mut rest)?;
            match segment {
                Segment::Literal(literal) => (part == literal).then_some(())?,
                Segment::Version => version = Some(self.version(part)?),
                Segment::Key(_) => patterns.next()?.matches(part).then_some(())?,
            }
        }
        rest.is_none().then_some(())?;
        Some(Resource { route: Arc::clone(self), version: version?, path: path.into() })
    }

    /// The resource with these keys in this version, if all of them match.
    pub fn resource_of(self: &Arc<Self>, version: GraphVersion, keys: &[String]) -> Option<Resource> {
        let fits = self.versions.contains(&version)
            && keys.len() == self.keys.len()
            && self.keys.iter().zip(keys).all(|(pattern, key)| pattern.matches(key));
        let mut keys = keys.iter().map(String::as_str);
        let path = self.template.render(version, |_| keys.next());
        fits.then(|| Resource { route: Arc::clone(self), version, path: path.into() })
    }

    /// The version of a path segment, where this route exists in it.
    pub(crate) fn version(&self, segment: &str) -> Option<GraphVersion> {
        GraphVersion::from_segment(segment).filter(|version| self.versions.contains(version))
    }
}

/// What a path names: a route, a version and the keys. Only a [`Route`] makes one, so each key matches its pattern.
#[derive(Debug, Clone)]
pub struct Resource {
    route: Arc<Route>,
    version: GraphVersion,
    /// INVARIANT: it matched the route, byte for byte.
    path: Arc<str>,
}

impl Resource {
    /// The route that matched.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The version of the API.
    pub fn version(&self) -> GraphVersion {
        self.version
    }

    /// The keys by their names, in the order of the path.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.path.split('/').skip(1);
        self.route.template.segments.iter().zip(parts).filter_map(|(segment, part)| match segment {
            Segment::Key(name) => Some((name.as_str(), part)),
            Segment::Literal(_) | Segment::Version => None,
        })
    }

    /// The path: the route's constants and the keys.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path as telemetry may show it: a key only where its pattern admits digits or GUIDs alone, else its name.
    pub fn shown_path(&self) -> String {
        let mut keys = self.route.keys.iter().zip(self.keys());
        self.route.template.render(self.version, |_| {
            keys.next().and_then(|(pattern, (_, key))| pattern.shows().then_some(key))
        })
    }

    /// The keys that telemetry may show, joined with `/`; nothing where one of them must not be shown.
    pub fn shown_id(&self) -> Option<String> {
        let all = !self.route.keys.is_empty() && self.route.keys.iter().all(KeyPattern::shows);
        all.then(|| self.keys().map(|(_, key)| key).collect::<Vec<_>>().join("/"))
    }
}

/// Takes the part of a path up to the next slash.
fn next_part<'p>(rest: &mut Option<&'p str>) -> Option<&'p str> {
    let path = (*rest)?;
    let Some(end) = path.bytes().position(|b| b == b'/') else {
        *rest = None;
        return Some(path);
    };
    *rest = path.get(end + 1..);
    path.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Arc<Route> {
        let template = PathTemplate::parse("/{version}/things/{thingId}/parts/{partId}").unwrap();
        Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), |name| {
            let pattern = if name == "thingId" { "[1-9][0-9]{0,18}" } else { KeyPattern::SAFE_IDENTIFIER };
            KeyPattern::parse(pattern).unwrap()
        }))
    }

    #[test]
    fn matches_the_canonical_form_alone() {
        let resource = route().resource("/v1.0/things/12/parts/a-b").unwrap();
        assert_eq!(resource.path(), "/v1.0/things/12/parts/a-b");
        assert_eq!(resource.shown_path(), "/v1.0/things/12/parts/{partId}");
        assert_eq!(resource.shown_id(), None);
        assert_eq!(resource.keys().collect::<Vec<_>>(), [("thingId", "12"), ("partId", "a-b")]);
        for path in [
            "/v1.0/things/12/parts/a-b/",
            "/v1.0/things/12/parts/",
            "/v1.0/things/12/parts",
            "/V1.0/things/12/parts/a",
            "/v1.0/Things/12/parts/a",
            "/v1.0/things/012/parts/a",
            "//v1.0/things/12/parts/a",
            "/v1.0//things/12/parts/a",
            "/v1.0/things/%31/parts/a",
            "/v1.0/things/12/parts/a;x",
            "v1.0/things/12/parts/a",
            "/v2/things/12/parts/a",
        ] {
            assert!(route().resource(path).is_none(), "{path}");
        }
    }

    #[test]
    fn refuses_what_is_no_template() {
        for text in [
            "",
            "/",
            "/{version}",
            "things",
            "/things",
            "/{version}/{a}/{a}",
            "/{version}/a//b",
            "/{version}/a/..",
            "/{version}/a%20",
            "/{version}/{a b}",
            "/{version}/{version}/a",
            "/{version}/a/",
        ] {
            assert!(PathTemplate::parse(text).is_err(), "{text}");
        }
    }
}
