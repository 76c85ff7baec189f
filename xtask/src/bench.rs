//! `cargo xtask bench`: the benchmarks, beside a real redis-server in the same run.

use crate::Result;
use crate::redis::RedisServer;
use crate::steps::run_child;
use crate::test::REDIS_VARIABLE;
use crate::tools::cargo;

pub fn run(arguments: &[String]) -> Result {
    let server = RedisServer::start()?;
    run_child(cargo(&["bench", "--locked"]).args(arguments).env(REDIS_VARIABLE, server.address()))
}
