//! An edit as a guard makes it, for benchmarks.

use std::error::Error;
use std::sync::Arc;

use patchgate_journal::{Asked, FieldRules, Who};
use patchgate_model::{
    Generation, GraphVersion, KeyPattern, PathTemplate, Recordable, RequestId, Resource, Route,
};
use uuid::Uuid;

const DOCUMENT: &[u8] =
    br#"{"state":"resolved","kind":"truePositive","cause":"phishing","owner":"analyst@contoso.example"}"#;

/// An edit of a thing.
#[derive(Debug, Clone)]
pub(crate) struct Edit(Resource);

impl Edit {
    /// An edit of thing 2972395.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let template = PathTemplate::parse("/{version}/security/things/{thingId}")?;
        let pattern = KeyPattern::parse("[1-9][0-9]{0,18}")?;
        let route = Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), |_| pattern.clone()));
        Ok(Self(route.resource("/v1.0/security/things/2972395").ok_or("not a path of the route")?))
    }
}

impl Recordable for Edit {
    fn guard(&self) -> &'static str {
        "security-thing-update"
    }
    fn resource(&self) -> &Resource {
        &self.0
    }
    fn schema_id(&self) -> &'static str {
        "security-thing-update"
    }
    fn schema_digest(&self) -> &'static str {
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    }
    fn document(&self) -> &'static [u8] {
        DOCUMENT
    }
    fn each_field(&self, see: &mut dyn FnMut(&str, &[u8])) {
        see("state", b"\"resolved\"");
    }
}

/// A request of a number.
pub(crate) fn asked(number: u128) -> Asked<'static> {
    Asked {
        request_id: RequestId::from_uuid(Uuid::from_u128(number)),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c"),
        caller: Who { id: Some("soar-playbook"), known_by: "api-key" },
        generation: Generation(3),
        fields: FieldRules::NONE,
    }
}
