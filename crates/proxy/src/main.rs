//! The binary `patchgate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    patchgate_proxy::main()
}
