//! Tools: what must be on the machine, and how it gets there.
//!
//! Each `need_*` looks first and installs only what is missing; what it cannot install it names in one line: what is
//! missing, what it is for, and the command that installs it. Nothing is installed globally but Debian packages (as
//! root) and parts of the Rust toolchain (by rustup): cargo tools go to `target/tools`, in one pinned version.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::steps::run_child;

/// The root of the repository.
pub fn root() -> &'static Path {
    // The manifest of this crate lies in `xtask/`, so it always has a parent.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// `cargo WORDS` in the root of the repository.
pub fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root());
    command
}

/// A part of the toolchain that runs as `cargo SUBCOMMAND`.
pub fn need_component(component: &str, subcommand: &str) -> Result {
    if succeeds(&mut cargo(&[subcommand, "--version"])) {
        return Ok(());
    }
    run_rustup(&["component", "add", component], &format!("`cargo {subcommand}`"))
}

/// A part of the toolchain that is a file in its directory for this machine, such as `bin/llvm-cov`.
pub fn need_component_file(component: &str, file: &str, purpose: &str) -> Result {
    let asked = Command::new("rustc").args(["--print", "target-libdir"]).current_dir(root()).output();
    let libraries = asked.map_err(|error| format!("cannot start rustc: {error}"))?.stdout;
    let libraries = PathBuf::from(String::from_utf8_lossy(&libraries).trim());
    if libraries.parent().is_some_and(|directory| directory.join(file).is_file()) {
        return Ok(());
    }
    run_rustup(&["component", "add", component], purpose)
}

/// The standard library for another target.
pub fn need_target(target: &str) -> Result {
    let asked =
        Command::new("rustc").args(["--print", "target-libdir", "--target", target]).current_dir(root()).output();
    let libraries = asked.map_err(|error| format!("cannot start rustc: {error}"))?.stdout;
    if Path::new(String::from_utf8_lossy(&libraries).trim()).is_dir() {
        return Ok(());
    }
    run_rustup(&["target", "add", target], "the build for wasm")
}

fn run_rustup(words: &[&str], purpose: &str) -> Result {
    let by_hand = format!("{} is missing, needed for {purpose}; install it with: rustup {}", words[2], words.join(" "));
    if !is_on_path("rustup") {
        return Err(by_hand);
    }
    run_child(Command::new("rustup").args(words).current_dir(root())).map_err(|_| by_hand)
}

/// A program from crates.io, in `target/tools`.
pub fn need_cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let tools = root().join("target/tools");
    let program = tools.join("bin").join(name);
    // Some answer only if they are called as Cargo calls them: with their own name in front.
    let subcommand = name.trim_start_matches("cargo-");
    if says_version(&program, &["--version"], version) || says_version(&program, &[subcommand, "--version"], version) {
        return Ok(program);
    }
    println!("building {name} {version} into target/tools, once; this takes minutes");
    let wanted = format!("{name}@{version}");
    run_child(cargo(&["install", "--locked", "--force", &wanted, "--root"]).arg(&tools)).map_err(|_| {
        format!("{name} is missing; install it with: cargo install --locked --root target/tools {wanted}")
    })?;
    Ok(program)
}

/// A program from a Debian package. The path of the program is what PATH finds.
///
/// Returns whether it had to be installed, for callers that want to undo what a package does beyond its files.
pub fn need_debian_program(program: &str, package: &str, purpose: &str) -> Result<bool> {
    if is_on_path(program) {
        return Ok(false);
    }
    let by_hand =
        format!("{program} is missing, needed for {purpose}; install it with: sudo apt-get install {package}");
    if !is_on_path("apt-get") || !is_root() {
        return Err(by_hand);
    }
    println!("installing the Debian package {package}");
    if !succeeds(Command::new("apt-get").args(["install", "--simulate", package])) {
        run_child(Command::new("apt-get").arg("update")).map_err(|_| by_hand.clone())?;
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", package]).env("DEBIAN_FRONTEND", "noninteractive");
    run_child(&mut install).map_err(|_| by_hand.clone())?;
    if is_on_path(program) { Ok(true) } else { Err(by_hand) }
}

/// Whether a command runs and succeeds, in silence.
pub fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// Whether the PATH finds the program.
pub fn is_on_path(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|directory| directory.join(program).is_file())
}

fn is_root() -> bool {
    let asked = Command::new("id").arg("-u").output();
    asked.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn says_version(program: &Path, arguments: &[&str], version: &str) -> bool {
    let asked = Command::new(program).args(arguments).output();
    asked.is_ok_and(|output| has_version(&String::from_utf8_lossy(&output.stdout), version))
}

/// Whether a line such as `cargo-deny 0.20.2` names exactly this version.
fn has_version(line: &str, version: &str) -> bool {
    line.split_whitespace().any(|word| word == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_matches_as_a_whole_word() {
        assert!(has_version("cargo-deny 0.20.2\n", "0.20.2"));
        assert!(!has_version("cargo-deny 0.20.21\n", "0.20.2"));
        assert!(!has_version("", "0.20.2"));
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn programs_are_looked_up() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
        assert!(succeeds(Command::new("sh").args(["-c", "exit 0"])));
        assert!(!succeeds(Command::new("sh").args(["-c", "exit 1"])));
        assert!(!succeeds(&mut Command::new("no-such-program-anywhere")));
    }
}
