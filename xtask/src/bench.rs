//! `cargo xtask bench`: the benchmarks, beside a real redis-server in the same run.
//!
//! Without arguments all of them; `npm` names those of the npm package; everything else goes to `cargo bench`, which has
//! those of the engine.

use crate::Result;
use crate::package;
use crate::redis::RedisServer;
use crate::steps::run_child;
use crate::test::REDIS_VARIABLE;
use crate::tools::{cargo, need_debian_program};

/// The word that names the benchmarks of the npm package.
const NPM: &str = "npm";

pub fn run(arguments: &[String]) -> Result {
    match arguments {
        [] => {
            engine(&[])?;
            npm()
        }
        [word] if word == NPM => npm(),
        [word, other, ..] if word == NPM => Err(format!("what is '{other}'? `bench {NPM}` takes no more arguments")),
        others => engine(others),
    }
}

fn engine(arguments: &[String]) -> Result {
    let server = RedisServer::start()?;
    run_child(cargo(&["bench", "--locked"]).args(arguments).env(REDIS_VARIABLE, server.address()))
}

fn npm() -> Result {
    package::build()?;
    need_debian_program("redis-benchmark", "redis-tools", "the comparison with a real Redis")?;
    let server = RedisServer::start()?;
    run_child(&mut package::command("npm", &["ci", "--prefix", "bench", "--loglevel=error"]))?;
    run_child(package::command("node", &["bench/run.mjs"]).env(REDIS_VARIABLE, server.address()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_after_npm_is_refused() {
        let words = ["npm", "--bench"].map(String::from);
        assert!(run(&words).unwrap_err().contains("'--bench'"));
    }
}
