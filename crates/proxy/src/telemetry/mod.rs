//! What can be seen of the gateway: traces, metrics, and the process's own log.
//!
//! INVARIANT: only names that a schema or the configuration knows, and ids, are ever said here; never a value of a body, a
//! token or an address of a person.

pub mod events;
mod gauges;
pub mod logs;
pub mod metrics;
pub mod otlp;
pub mod prometheus;
pub mod providers;
mod telling;
mod tls;
pub mod traces;
mod variables;
