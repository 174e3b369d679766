//! Two ways in: a documentation page becomes a schema ([`mod@derive`]), and bytes become a checked [`Edit`]
//! ([`Schema::check`]) or [violations](patchgate_model::Violations).
//!
//! INVARIANT: only this crate makes an [`Edit`], and only from a document that passed its schema.

pub mod derive;
pub mod schema;

mod check;
mod digest;
mod document;
mod edit;
mod forms;
mod json;
mod violations;

pub use digest::sha256;
pub use edit::Edit;
pub use schema::{Schema, SchemaError};
