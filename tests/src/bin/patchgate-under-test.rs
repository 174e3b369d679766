//! The binary `patchgate`, built with the tests so that it is never stale.

use std::process::ExitCode;

fn main() -> ExitCode {
    patchgate_proxy::main()
}
