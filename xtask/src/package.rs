//! The npm package: built, checked and tested, then packed, and the tarball run in everything that it is for.
//!
//! What it needs from npm is pinned by lock files: `pkg-config/package-lock.json` builds it,
//! `pkg-config/test/packed/tools/package-lock.json` has the bundlers, runtimes and judges that the tarball is tried in,
//! and `pkg-config/bench/package-lock.json` what it is measured against.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::Result;
use crate::steps::{Run, run_child, run_tests};
use crate::tools::{need_debian_program, need_target, root};

/// The oldest Node that the bundlers run on.
const NODE_OLDEST: (u32, u32) = (20, 19);

/// How many browsers, and as many processes, are killed.
pub const KILLS: &str = "BROOKLET_KILLS";
const KILLS_DEFAULT: &str = "20";

/// The step `package`.
pub fn check(run: &mut Run) -> Result {
    need_debian_program("chromium", "chromium", "running the npm package in a browser")?;
    build_once()?;
    run_child(&mut command("npm", &["run", "--silent", "check"]))?;
    run_tests(run, &mut command("npm", &["test", "--silent"]))?;
    run_tests(run, &mut command("node", &["test/packed/run.mjs"]))
}

/// The step `hazards`.
pub fn hazards(run: &mut Run) -> Result {
    need_debian_program("chromium", "chromium", "what happens to pages")?;
    build_once()?;
    run_tests(run, &mut command("node", &["test/browsers/run.mjs"]))
}

/// The step `hazards-firefox`.
pub fn hazards_in_firefox(run: &mut Run) -> Result {
    need_debian_program("firefox-esr", "firefox-esr", "what happens to pages in a second browser")?;
    build_once()?;
    run_tests(run, &mut command("node", &["test/browsers/run.mjs", "--firefox"]))
}

/// The step `kills`.
pub fn kills(run: &mut Run) -> Result {
    need_debian_program("chromium", "chromium", "being killed")?;
    build_once()?;
    let wanted = run.variables.iter().find(|(name, _)| *name == KILLS).map(|(_, kills)| kills.clone());
    let stores: &[&str] = if wanted.is_some() { &["leveldb", "sqlite"] } else { &["leveldb"] };
    for store in stores {
        let kills = wanted.as_deref().unwrap_or(KILLS_DEFAULT);
        run_child(&mut command("node", &["test/kills/run.mjs", "--kills", kills, "--store", store]))?;
    }
    Ok(())
}

/// Builds the package, unless this process has done so already.
fn build_once() -> Result {
    static BUILT: OnceLock<()> = OnceLock::new();
    if BUILT.get().is_none() {
        build()?;
        BUILT.get_or_init(|| ());
    }
    Ok(())
}

/// Builds the package into `pkg-config/dist`.
pub fn build() -> Result {
    need_debian_program("node", "nodejs", "building the npm package")?;
    need_debian_program("npm", "npm", "building the npm package")?;
    need_node()?;
    need_target("wasm32-unknown-unknown")?;
    run_child(&mut command("npm", &["ci", "--loglevel=error"]))?;
    run_child(&mut command("node", &["build.mjs"]))
}

/// A program that runs in the folder of the package.
pub fn command(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder());
    command
}

fn folder() -> PathBuf {
    root().join("pkg-config")
}

fn need_node() -> Result {
    let asked =
        Command::new("node").arg("--version").output().map_err(|error| format!("cannot start node: {error}"))?;
    let told = String::from_utf8_lossy(&asked.stdout).trim().to_string();
    if node_version(&told).is_some_and(|version| version >= NODE_OLDEST) {
        return Ok(());
    }
    let (major, minor) = NODE_OLDEST;
    Err(format!("node is {told}, but the bundlers that the package is tried in need {major}.{minor} or newer"))
}

/// Reads a line such as `v20.19.2`.
fn node_version(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_compared_as_numbers() {
        assert_eq!(node_version("v20.19.2"), Some((20, 19)));
        assert_eq!(node_version("20.19.2"), None);
        assert_eq!(node_version("v20"), None);
        assert_eq!(node_version(""), None);
        assert!(node_version("v9.20.0") < Some(NODE_OLDEST));
        assert!(node_version("v20.9.0") < Some(NODE_OLDEST));
        assert!(node_version("v100.1.0") > Some(NODE_OLDEST));
    }

    #[test]
    fn nothing_is_locked_to_one_registry() {
        for name in ["package-lock.json", "test/packed/tools/package-lock.json", "bench/package-lock.json"] {
            let lock = std::fs::read_to_string(folder().join(name)).unwrap();
            assert!(lock.contains("\"integrity\""), "{name}");
            assert!(!lock.contains("\"resolved\""), "{name} says where packages come from");
        }
    }
}
