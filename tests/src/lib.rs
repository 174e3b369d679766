//! What the end-to-end tests have in common: the real binary, real sockets, and an upstream that counts.
//!
//! Everything here panics where a test should fail. Each test starts its own processes on free ports and waits for events,
//! never for time to pass.

pub mod audited;
pub mod callers;
pub mod client;
pub mod collector;
pub mod emulator;
pub mod gateway;
pub mod journal;
pub mod mount;
pub mod process;
pub mod relay;
pub mod rows;
pub mod tls;
pub mod upstream;
