//! The vocabulary of patchgate, in the order in which a request meets it.
//!
//! Everything here is a value: no IO, no clock, no randomness. The other rooms know this one; it knows none of them.

pub mod cloud;
pub mod key;
pub mod route;

mod near_miss;

pub mod caller;
pub mod ids;
pub mod record;

pub mod envelope;
pub mod quote;
pub mod refusal;
pub mod suggest;
pub mod violation;

pub use caller::{Caller, Credential};
pub use cloud::{Cloud, GraphVersion};
pub use ids::{ClientRequestId, Generation, RequestId};
pub use key::KeyPattern;
pub use record::Recordable;
pub use refusal::Refusal;
pub use route::{PathTemplate, Resource, Route};
pub use violation::{Fault, Violation, ViolationCode, Violations};
