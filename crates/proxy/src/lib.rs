//! The gateway and its command line.
//!
//! [`cli`] reads arguments; [`gateway`] starts what lives as long as the process; [`pipeline`] is the way of a request;
//! [`ruleset`] decides; [`upstream`] is the way out. `ARCHITECTURE.md` has the map.

pub mod admin;
pub mod ascii;
pub mod audit;
pub mod authority;
pub mod body;
pub mod caller;
pub mod cli;
pub mod config;
pub mod deadline;
pub mod gateway;
pub mod head;
pub mod listen;
pub mod outlive;
pub mod pipeline;
pub mod plan;
mod reason;
pub mod reload;
pub mod reply;
pub mod respond;
pub mod ruleset;
mod service;
pub mod shared_stream;
pub mod snippet;
mod spare;
pub mod telemetry;
pub mod upstream;
mod via;

use std::process::ExitCode;

/// The whole program: what the binary `patchgate` does.
pub fn main() -> ExitCode {
    cli::main(std::env::args_os().collect())
}

/// For the benchmark of the whole alone: the same program with other arguments, the first of them its name, and its journal on
/// a storage instead of the disk, if one is given.
#[cfg(feature = "bench")]
pub fn main_on(
    storage: Option<Box<dyn patchgate_journal::storage::Storage>>,
    arguments: Vec<std::ffi::OsString>,
) -> ExitCode {
    audit::lie_on(storage);
    cli::main(arguments)
}
