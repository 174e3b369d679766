//! Bytes to a checked edit, or to all that is wrong with them.

use std::borrow::Cow;
use std::sync::Arc;

use patchgate_model::{Fault, Resource, Violation, Violations};

use crate::document::Document;
use crate::edit::{Edit, Field};
use crate::json;
use crate::schema::Schema;
use crate::schema::shape::Shape;
use crate::violations;

/// The member by which a body may state the type of the entity.
const ODATA_TYPE: &str = "@odata.type";

impl Schema {
    /// Checks a body for `resource`, nested at most `depth` levels.
    ///
    /// The way of a body: strict JSON, the entity's type dropped, the schema, the documented spellings.
    pub fn check(
        self: &Arc<Self>,
        resource: Resource,
        body: &[u8],
        depth: usize,
    ) -> Result<Edit, Violations> {
        let mut document = json::parse(body, depth)?;
        let mistyped = self.take_entity_type(&mut document);
        if mistyped.is_none() && self.accepts(&document) {
            let (bytes, fields) = canonical(&document, self.shape(), body.len());
            return Ok(Edit::new(Arc::clone(self), resource, bytes, fields));
        }
        violations::cut(&mut document, self.shape());
        let mut found = self.violations(&document);
        if let Some((at, violation)) = mistyped {
            // The members behind the dropped one have moved up: one that stands in its place came after it.
            let before = found.partition_point(|(member, _)| member.is_none_or(|member| member < at));
            found.insert(before, (Some(at), violation));
        }
        let found = found.into_iter().map(|(_, violation)| violation).collect();
        // A document that is not accepted has a violation. If ever the two disagreed, the answer is still no.
        let fallback = || Violations::from(violations::unspecific());
        Err(Violations::new(found).unwrap_or_else(fallback))
    }

    /// Takes the entity's own `@odata.type` out of the document; says so, and where it stood, if it names another entity.
    fn take_entity_type(&self, document: &mut Document<'_>) -> Option<(usize, Violation)> {
        let entity = self.guard().entity_type.as_deref()?;
        let Document::Object(members) = document else { return None };
        let at = members.iter().position(|(name, _)| name == ODATA_TYPE)?;
        let (_, stated) = members.remove(at);
        let fits = matches!(&stated, Document::String(s) if s.strip_prefix('#').unwrap_or(s) == entity);
        (!fits).then(|| {
            let target = format!("/{ODATA_TYPE}");
            let accepted = format!("'#{entity}', or leave it out");
            (at, Violation { known_target: target.clone(), target, fault: Fault::InvalidValue { accepted } })
        })
    }
}

/// The document in its documented spelling, and where its fields are; as it was read it had `length` bytes.
fn canonical(document: &Document<'_>, shape: &Shape, length: usize) -> (Vec<u8>, Vec<Field>) {
    let mut out = Vec::with_capacity(length);
    let mut fields = Vec::new();
    if let Document::Object(members) = document {
        fields.reserve_exact(members.len());
        out.push(b'{');
        for (name, value) in members {
            separate(&mut out, b'{');
            read(&mut out, name);
            out.push(b':');
            let start = out.len();
            let at = shape.field(name);
            write(&mut out, value, at.map(|(_, shape)| shape));
            if let Some((index, _)) = at {
                fields.push(Field { index, value: start..out.len() });
            }
        }
        out.push(b'}');
    }
    (out, fields)
}

fn write(out: &mut Vec<u8>, document: &Document<'_>, shape: Option<&Shape>) {
    match document {
        Document::Null => out.extend_from_slice(b"null"),
        Document::Bool(true) => out.extend_from_slice(b"true"),
        Document::Bool(false) => out.extend_from_slice(b"false"),
        Document::Number(number) => {
            // Writing a number to memory does not fail.
            _ = serde_json::to_writer(out, number);
        }
        Document::String(text) => match shape.and_then(|shape| shape.documented(text)) {
            Some(documented) => string(out, documented),
            None => read(out, text),
        },
        Document::Array(items) => {
            out.push(b'[');
            for item in items {
                separate(out, b'[');
                write(out, item, shape.and_then(Shape::items));
            }
            out.push(b']');
        }
        Document::Object(members) => {
            out.push(b'{');
            for (name, value) in members {
                separate(out, b'{');
                read(out, name);
                out.push(b':');
                write(out, value, shape.and_then(|shape| shape.field(name)).map(|(_, shape)| shape));
            }
            out.push(b'}');
        }
    }
}

fn separate(out: &mut Vec<u8>, open: u8) {
    if out.last() != Some(&open) {
        out.push(b',');
    }
}

/// A string as it was read.
#[expect(clippy::ptr_arg, reason = "whether it is borrowed is what counts")]
fn read(out: &mut Vec<u8>, text: &Cow<'_, str>) {
    match text {
        // It stood in the body as it is, without an escape.
        Cow::Borrowed(text) => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        Cow::Owned(text) => string(out, text),
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to memory does not fail.
    _ = serde_json::to_writer(out, text);
}
