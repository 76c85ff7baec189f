//! `wasm-bindgen-test-runner`: runs a test program for wasm in a browser or in Node, as Cargo's runner.
//!
//! wasm_bindgen.rs says why it is compiled here.

use std::process::ExitCode;

fn main() -> ExitCode {
    match wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}
