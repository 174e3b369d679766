//! How the journal sees an edit, without knowing who checked or allowed it.

use crate::route::Resource;

/// An edit that can be put on record.
///
/// What these functions return is what the record says of the edit, so each of them must speak of the one document that goes
/// upstream, and give the same answer each time.
pub trait Recordable {
    /// The name of the guard.
    fn guard(&self) -> &str;

    /// What the edit changes.
    fn resource(&self) -> &Resource;

    /// The id of the schema that it passed.
    fn schema_id(&self) -> &str;

    /// SHA-256 of that schema's text, in hexadecimal.
    fn schema_digest(&self) -> &str;

    /// The canonical document: JSON in UTF-8, without white space.
    fn document(&self) -> &[u8];

    /// Shows the fields of the document in its order: the name, and the value as canonical JSON.
    fn each_field(&self, see: &mut dyn FnMut(&str, &[u8]));
}
