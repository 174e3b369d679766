//! The ruleset: routes, schemas and limits of one configuration, compiled into one immutable value.
//!
//! It has the two pure functions that decide everything: [`Ruleset::admit`], before a byte of the body is read, and
//! [`AdmittedEdit::decide`]. The gateway, the offline check and the benchmarks call the same two.

mod admit;
pub mod build;
mod hash_key;
mod headers;
mod media_type;
mod reach;
mod recorded;
mod shipped;

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName};
use patchgate_journal::FieldRules;
use patchgate_model::refusal::{HostFault, Misdirection};
use patchgate_model::{Caller, Credential, Generation, Refusal, Resource, Route};
use patchgate_validator::{Edit, Schema};

pub use headers::Outbound;

use crate::config::PublicUrl;
use crate::head::Head;

/// One generation of rules. A request holds one from start to end.
#[derive(Debug)]
pub struct Ruleset {
    generation: Generation,
    guards: Vec<Arc<Guarded>>,
    reads: Vec<Arc<Route>>,
    limits: Limits,
    public: Option<PublicUrl>,
    /// All routes as words, for those who look for one.
    known: Arc<[String]>,
}

/// A schema with the routes that it guards, and what stands on record of an edit that it checks.
#[derive(Debug)]
pub struct Guarded {
    schema: Arc<Schema>,
    routes: Vec<Arc<Route>>,
    required_headers: Vec<HeaderName>,
    record: FieldRules,
}

/// The limits that a decision depends on; sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All header lines together.
    pub header_bytes: usize,
    /// The number of header lines.
    pub header_lines: usize,
    /// The target of an edit.
    pub target_guard: usize,
    /// The target of a read.
    pub target_read: usize,
    /// The body of an edit.
    pub body: usize,
    /// The nesting of a body.
    pub json_depth: usize,
}

/// What was admitted.
#[derive(Debug)]
pub enum Admitted<'h> {
    /// An update of a guarded resource, its body still unread.
    Edit(AdmittedEdit<'h>),
    /// A read.
    Read(AdmittedRead),
}

/// An edit whose head was admitted; [`decide`](Self::decide) takes its body.
#[derive(Debug)]
pub struct AdmittedEdit<'h> {
    guard: &'h Guarded,
    resource: Resource,
    headers: &'h HeaderMap,
    target: &'h PathAndQuery,
    json_depth: usize,
    body_limit: usize,
}

/// A read that was admitted. It carries no body.
#[derive(Debug)]
pub struct AdmittedRead {
    resource: Resource,
    query: Option<String>,
    headers: Outbound,
}

impl Ruleset {
    /// Whether a request may go on, and as what: target, method, credential, other headers, in this order.
    pub fn admit<'h>(&'h self, head: &'h Head, caller: Caller) -> Result<Admitted<'h>, Refusal> {
        admit::admit(self, head, caller)
    }

    /// What a target names, for those who describe a request without deciding on it.
    pub fn route_of(&self, path: &str) -> Option<Resource> {
        self.guarded(path).map(|(_, resource)| resource).or_else(|| self.read(path))
    }

    /// The number of this ruleset.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The most bytes that the body of an edit may have.
    pub fn body_limit(&self) -> usize {
        self.limits.body
    }

    /// The guards.
    pub fn guards(&self) -> &[Arc<Guarded>] {
        &self.guards
    }

    /// The versions with which the paths of requests begin.
    pub fn versions(&self) -> impl Iterator<Item = &'static str> {
        self.all_routes().flat_map(|route| route.versions()).map(|version| version.segment())
    }

    /// The authority that callers must name, where `listen.public_url` is set.
    pub fn public_authority(&self) -> Option<&str> {
        self.public.as_ref().map(|public| public.authority().as_str())
    }

    /// The base URL that callers use, where `listen.public_url` is set; without a slash at its end.
    pub fn public_url(&self) -> Option<&str> {
        self.public.as_ref().map(PublicUrl::as_str)
    }

    /// The guard and the resource that a path names.
    fn guarded(&self, path: &str) -> Option<(&Guarded, Resource)> {
        self.guards
            .iter()
            .map(|guard| &**guard)
            .find_map(|guard| guard.resource(path).map(|resource| (guard, resource)))
    }

    /// The resource that a path names, if it may be read.
    fn read(&self, path: &str) -> Option<Resource> {
        self.reads.iter().find_map(|route| route.resource(path))
    }

    fn all_routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.guards.iter().flat_map(|guard| &guard.routes).chain(&self.reads)
    }
}

impl Guarded {
    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The routes that it guards.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// How the values of an edit stand on record.
    pub fn record(&self) -> &FieldRules {
        &self.record
    }

    /// A target of this guard made of the examples of its keys.
    pub fn example_path(&self) -> Option<String> {
        let route = self.routes.first()?;
        let keys = &self.schema.guard().keys;
        let examples = route.template().key_names().filter_map(|name| keys.get(name));
        let examples: Vec<String> = examples.map(|key| key.example.clone()).collect();
        let resource = route.resource_of(*route.versions().first()?, &examples)?;
        Some(resource.path().to_owned())
    }

    fn resource(&self, path: &str) -> Option<Resource> {
        self.routes.iter().find_map(|route| route.resource(path))
    }
}

impl<'h> AdmittedEdit<'h> {
    /// Whether a body may pass: the checked edit, or everything that is wrong with it.
    pub fn decide(&self, body: &[u8]) -> Result<Edit, Refusal> {
        self.guard.schema.check(self.resource.clone(), body, self.json_depth).map_err(Refusal::Violations)
    }

    /// What is edited.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The guard that checks its body.
    pub fn guard(&self) -> &'h Guarded {
        self.guard
    }

    /// The most bytes that its body may have.
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    /// The header fields that go upstream with it, put into an empty map.
    pub fn outbound(&self, room: HeaderMap) -> Outbound {
        Outbound::of_edit(self.headers, self.target, &self.guard.required_headers, room)
    }
}

impl AdmittedRead {
    /// What is read.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Path and query as they go upstream: the path built from the route, the query as the caller sent it.
    pub fn target(&self) -> String {
        let path = self.resource.path();
        self.query.as_ref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }

    /// The header fields that go upstream with it.
    pub fn headers(&self) -> &Outbound {
        &self.headers
    }
}
