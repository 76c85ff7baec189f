//! `cargo xtask demo`: producers, a group, a crash and a claim, in the terminal.

use crate::steps::run_child;
use crate::tools::cargo;
use crate::{Result, refuse_arguments};

pub fn run(arguments: &[String]) -> Result {
    refuse_arguments(arguments)?;
    run_child(&mut cargo(&["run", "--quiet", "--release", "--locked", "--example", "demo"]))
}
