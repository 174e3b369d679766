//! The binary `patchgate`, built with the tests so that it is never stale.

use std::process::ExitCode;

use patchgate_proxy::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    patchgate_proxy::main()
}
