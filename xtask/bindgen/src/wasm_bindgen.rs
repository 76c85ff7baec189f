//! `wasm-bindgen`: writes the JavaScript that surrounds a module.
//!
//! *Why not the published program.* It has to have the very version of the library that the module was compiled with.
//! As a dependency, Cargo.lock pins both; and nothing is installed.

use std::process::ExitCode;

fn main() -> ExitCode {
    match wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}
