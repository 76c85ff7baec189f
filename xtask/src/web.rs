//! What is done in WebAssembly and in browsers.
//!
//! wasm-bindgen and its test runner are crates of the workspace, so they are built here and have the version of the
//! library. Browsers and their drivers are Debian packages; geckodriver, which is none, comes from crates.io.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::imports::imports;
use crate::serve::{Site, serve};
use crate::steps::{Run, run_child, run_tests};
use crate::tools::{cargo, need_cargo_tool, need_debian_program, need_target, root};

pub const WASM: &str = "wasm32-unknown-unknown";

/// The crates whose tests run in browsers.
pub const CRATES: [&str; 4] = ["--package", "brooklet-web", "--package", "brooklet-wasm"];

const GECKODRIVER_VERSION: &str = "0.37.1";

/// What the door's module imports, without the hashes at the end of the names. Whatever is added here has to be there
/// wherever the npm package runs.
const DOOR_IMPORTS: [&str; 24] = [
    "__wbg___wbindgen_is_null",
    "__wbg___wbindgen_is_undefined",
    "__wbg___wbindgen_jsval_eq",
    "__wbg___wbindgen_number_get",
    "__wbg___wbindgen_string_get",
    "__wbg___wbindgen_throw",
    "__wbg_answer",
    "__wbg_apply",
    "__wbg_ask",
    "__wbg_construct",
    "__wbg_encodeURIComponent",
    "__wbg_get",
    "__wbg_getRandomValues",
    "__wbg_instanceof_Bytes",
    "__wbg_new",
    "__wbg_now",
    "__wbg_parse",
    "__wbg_push",
    "__wbg_set",
    "__wbg_soon",
    "__wbg_static_accessor_GLOBAL",
    "__wbg_subarray",
    "__wbindgen_generic",
    "__wbindgen_init_externref_table",
];

/// How long a test program may take in a browser, and a driver to answer, on a busy machine.
const TIMEOUTS: [(&str, &str); 2] = [("WASM_BINDGEN_TEST_TIMEOUT", "120"), ("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60")];

/// How Chromium runs without a screen and without asking the network for anything; webdriver.json says the same.
const CHROMIUM_ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// How long the page of the example may take, on a busy machine.
const EXAMPLE_TIMEOUT: Duration = Duration::from_secs(120);

/// The engine alone, and the door as it is shipped.
pub fn modules(_: &mut Run) -> Result {
    need_target(WASM)?;
    run_child(&mut cargo(&["build", "--package", "brooklet", "--release", "--locked", "--target", WASM]))?;
    let words = ["build", "--package", "brooklet-wasm", "--profile", "wasm", "--locked", "--target", WASM];
    run_child(&mut cargo(&words))?;
    let glue = root().join("target/door");
    write_glue(&module("wasm", "brooklet_wasm"), &glue)?;
    let module = std::fs::read(glue.join("brooklet_wasm_bg.wasm"));
    let module = module.map_err(|error| format!("cannot read the door's module: {error}"))?;
    check_door_imports(&imports(&module)?)
}

/// All suites in Chromium, and the example.
pub fn chromium(run: &mut Run) -> Result {
    need_target(WASM)?;
    need_debian_program("chromium", "chromium", "the tests in a browser")?;
    need_debian_program("chromedriver", "chromium-driver", "the tests in a browser")?;
    run_tests(run, suites()?.env("CHROMEDRIVER", "chromedriver"))?;
    example()
}

/// All suites in Firefox.
pub fn firefox(run: &mut Run) -> Result {
    need_target(WASM)?;
    need_debian_program("firefox-esr", "firefox-esr", "the tests in a second browser")?;
    let driver = need_cargo_tool("geckodriver", GECKODRIVER_VERSION)?;
    // Firefox writes into its home, which must be there.
    let home = root().join("target/firefox");
    create(&home)?;
    run_tests(run, suites()?.env("GECKODRIVER", driver).env("HOME", home))
}

/// The tests of the crates for browsers, still without a driver.
fn suites() -> Result<Command> {
    let runner = bindgen("wasm-bindgen-test-runner")?;
    let mut command = cargo(&["test", "--locked", "--no-fail-fast", "--target", WASM]);
    command.args(CRATES).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner).envs(TIMEOUTS);
    for other in ["CHROMEDRIVER", "GECKODRIVER", "SAFARIDRIVER", "MSEDGEDRIVER"] {
        command.env_remove(other);
    }
    Ok(command)
}

/// The example is compiled, its page loaded and its form sent, and the page that came of it looked at.
fn example() -> Result {
    let source = root().join("examples/rust-app");
    let site = root().join("target/rust-app");
    // The profile of the suites, whose dependencies are compiled already.
    let words = ["build", "--package", "brooklet-rust-app", "--profile", "test", "--locked", "--target", WASM];
    run_child(&mut cargo(&words))?;
    write_glue(&module("debug", "brooklet_rust_app"), &site.join("pkg"))?;
    for name in ["main.js", "style.css", "drive.js"] {
        let copied = std::fs::copy(source.join(name), site.join(name));
        copied.map_err(|error| format!("cannot copy {name} of the example: {error}"))?;
    }
    let page = std::fs::read_to_string(source.join("index.html"));
    let page = page.map_err(|error| format!("cannot read the example's page: {error}"))?;
    let driven = page.replace("</head>", "<script type=\"module\" src=\"drive.js\"></script></head>");
    std::fs::write(site.join("index.html"), driven).map_err(|error| format!("cannot write a page: {error}"))?;
    let site = serve(site)?;
    let profile = root().join("target/chromium");
    remove(&profile)?;
    // The browser is killed as soon as the page has told what it shows; and then the next one has to show it, too.
    for query in ["", "?again"] {
        let page = load(&site, &profile, query)?;
        check_example(&page, query.is_empty())
            .map_err(|reason| format!("the page of examples/rust-app{query} {reason}:\n{page}"))?;
    }
    Ok(())
}

/// Loads a page in Chromium, and returns what it looks like when it says that it is done.
fn load(site: &Site, profile: &Path, query: &str) -> Result<String> {
    let mut command = Command::new("chromium");
    command.args(CHROMIUM_ARGUMENTS).arg(format!("--user-data-dir={}", profile.display()));
    command.arg(format!("http://{}/{query}", site.address));
    // It complains of much that a machine without a screen does not have.
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| format!("cannot start chromium: {error}"))?;
    let page = site.posts.recv_timeout(EXAMPLE_TIMEOUT);
    let killed = child.kill().and_then(|()| child.wait());
    killed.map_err(|error| format!("cannot end chromium: {error}"))?;
    page.map_err(|_| format!("the page of examples/rust-app{query} is not done after {EXAMPLE_TIMEOUT:?}"))
}

/// Six jobs of its own and one of the form, each done once, by all three workers, every second one at its second try. When
/// the browser was killed, one that was done and not acknowledged may be done once more.
fn check_example(page: &str, is_first: bool) -> Result {
    let items: Vec<&str> = page.split("<li>").skip(1).filter_map(|rest| rest.split("</li>").next()).collect();
    let tasks = [
        ("sweep the yard", 1),
        ("fix the gate", 2),
        ("feed the hens", 1),
        ("mend the roof", 2),
        ("dig &lt;b&gt;deep&lt;/b&gt;", 1),
        ("rest", 2),
        ("come &lt;i&gt;home&lt;/i&gt;", 1),
    ];
    if items.len() < tasks.len() || (is_first && items.len() > tasks.len()) {
        return Err(format!("shows {} jobs and not {}", items.len(), tasks.len()));
    }
    for (task, tries) in tasks {
        let is_done = |item: &&str| item.starts_with(&format!("{task}: ")) && item.ends_with(&format!(", try {tries}"));
        if !items.iter().any(is_done) {
            return Err(format!("does not show '{task}' as done at try {tries}"));
        }
    }
    for worker in ["anna", "ben", "cleo"] {
        if !items.iter().any(|item| item.contains(&format!(": {worker}, "))) {
            return Err(format!("shows nothing that {worker} did"));
        }
    }
    if !page.contains("\"entriesAdded\": 7") {
        return Err("does not say that all was done".into());
    }
    Ok(())
}

/// Where cargo puts the module of a crate that was built with a profile.
fn module(profile: &str, name: &str) -> PathBuf {
    root().join("target").join(WASM).join(profile).join(name).with_extension("wasm")
}

/// Lets wasm-bindgen write a module and its glue into a directory.
fn write_glue(module: &Path, directory: &Path) -> Result {
    let mut command = Command::new(bindgen("wasm-bindgen")?);
    run_child(command.arg(module).args(["--target", "web", "--no-typescript", "--out-dir"]).arg(directory))
}

/// A program of the crate `brooklet-bindgen`, built if it is not there.
fn bindgen(program: &str) -> Result<PathBuf> {
    let built = root().join("target/bindgen").join(program);
    if !built.is_file() {
        println!("building wasm-bindgen and its test runner, once; this takes minutes");
    }
    run_child(&mut cargo(&["build", "--quiet", "--package", "brooklet-bindgen", "--profile", "bindgen", "--locked"]))?;
    Ok(built)
}

fn remove(directory: &Path) -> Result {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}

fn create(directory: &Path) -> Result {
    std::fs::create_dir_all(directory).map_err(|error| format!("cannot create {}: {error}", directory.display()))
}

/// Fails unless these are just the imports that the door may have.
fn check_door_imports(imports: &[String]) -> Result {
    let mut found = BTreeSet::new();
    for import in imports {
        let (module, name) = import.split_once(' ').unwrap_or(("", import));
        if module != "./brooklet_wasm_bg.js" {
            return Err(format!("the door imports {name} from '{module}', which the glue does not provide"));
        }
        found.insert(without_hash(name));
    }
    let expected = BTreeSet::from(DOOR_IMPORTS);
    if found != expected {
        return Err(format!(
            "the door imports {found:?} and not {expected:?}; DOOR_IMPORTS in xtask/src/web.rs lists them"
        ));
    }
    Ok(())
}

/// The name of an import without the hash that wasm-bindgen adds.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((before, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imports_of_the_door_are_these_and_no_others() {
        let import = |name: &&str| format!("./brooklet_wasm_bg.js {name}_8b6f1f663e6f188d");
        let all: Vec<String> = DOOR_IMPORTS.iter().map(import).collect();
        assert_eq!(check_door_imports(&all), Ok(()));
        assert!(check_door_imports(&all[1..]).is_err());
        let with = |more: &str| check_door_imports(&[&all[..], &[more.to_string()]].concat()).unwrap_err();
        assert!(with("env time").contains("'env'"));
        assert!(with("./brooklet_wasm_bg.js __wbg_fetch_0123456789abcdef").contains("__wbg_fetch"));
    }

    #[test]
    fn webdriver_json_says_what_is_said_here() {
        for directory in ["web", "wasm"] {
            let text = std::fs::read_to_string(root().join(directory).join("webdriver.json")).unwrap();
            let arguments: Vec<&str> = text.split('"').filter(|word| word.starts_with("--")).collect();
            assert_eq!(arguments, CHROMIUM_ARGUMENTS, "{directory}");
        }
    }

    #[test]
    fn a_page_that_lacks_a_job_is_noticed() {
        let item = |task: &str, worker: &str, tries: u8| format!("<li>{task}: {worker}, try {tries}</li>");
        let mut items = vec![
            item("sweep the yard", "anna", 1),
            item("feed the hens", "cleo", 1),
            item("fix the gate", "ben", 2),
            item("mend the roof", "ben", 2),
            item("dig &lt;b&gt;deep&lt;/b&gt;", "anna", 1),
            item("rest", "ben", 2),
            item("come &lt;i&gt;home&lt;/i&gt;", "anna", 1),
        ];
        let page = |items: &[String]| format!("<body>{} \"entriesAdded\": 7", items.concat());
        assert_eq!(check_example(&page(&items), true), Ok(()));
        assert!(check_example(&page(&items[1..]), true).is_err());
        assert!(check_example(&page(&items).replace("cleo", "anna"), true).is_err());
        items.push(items[0].clone());
        assert!(check_example(&page(&items), true).is_err());
        assert_eq!(check_example(&page(&items), false), Ok(()));
        items[5] = item("rest", "ben", 1);
        assert!(check_example(&page(&items), false).is_err());
    }
}
