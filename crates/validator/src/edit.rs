//! The checked document of a guard.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use patchgate_model::{Recordable, Resource};

use crate::schema::Schema;

/// An edit that passed its schema: which resource it changes, and the one document that is forwarded and recorded.
///
/// Only [`Schema::check`] makes one. Enum values have their documented spelling, members the caller's order.
#[derive(Debug, Clone)]
pub struct Edit(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    schema: Arc<Schema>,
    resource: Resource,
    bytes: Bytes,
    fields: Vec<Field>,
}

/// A member of the document: its place in the schema's list of fields, and its value's place in the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) index: usize,
    pub(crate) value: Range<usize>,
}

impl Edit {
    pub(crate) fn new(schema: Arc<Schema>, resource: Resource, bytes: Vec<u8>, fields: Vec<Field>) -> Self {
        Self(Arc::new(Checked { schema, resource, bytes: bytes.into(), fields }))
    }

    /// The schema that it passed.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.0.schema
    }

    /// What it changes.
    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// The document: JSON in UTF-8, without white space. These bytes go upstream.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// Its fields in the caller's order: the name, and the value as JSON.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.fields.iter().map(|field| {
            let name = self.0.schema.field(field.index).unwrap_or_default();
            (name, self.0.bytes.get(field.value.clone()).unwrap_or_default())
        })
    }

    /// The names of its fields in the caller's order.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields().map(|(name, _)| name)
    }
}

impl Recordable for Edit {
    fn guard(&self) -> &str {
        self.schema().name()
    }

    fn resource(&self) -> &Resource {
        self.resource()
    }

    fn schema_id(&self) -> &str {
        self.schema().name()
    }

    fn schema_digest(&self) -> &str {
        self.schema().digest()
    }

    fn document(&self) -> &[u8] {
        self.bytes()
    }

    fn each_field(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.fields().for_each(|(name, value)| see(name, value));
    }
}
