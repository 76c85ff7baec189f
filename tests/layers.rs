//! The direction of the source: who may use whom, and what nobody under `src/` may use. Of the crates `web/` and `wasm/`:
//! who of their modules may use whom, and where which other crate is known.
//!
//! It reads the source as text. Comments, strings and test code are blanked out first, line by line as long as before,
//! so that a breach is reported where it stands. Then every path that starts at the root of the crate (`crate::x`, or
//! `super::` often enough) has to be allowed by `LAYERS`, and every word that stands for a clock, randomness, I/O, a
//! thread or unsafe code is refused.
//!
//! To add a module, add its row to `LAYERS`, below everything that it uses.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a panic here is a failed test; positions come from searches in the same text"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// What has no knowledge of streams.
const FLOOR: &[&str] = &[
    "error",
    "hash",
    "id",
    "image",
    "invariant",
    "memory",
    "number",
    "planted",
    "reply",
    "slots",
    "sort",
    "sorted_keys",
];

/// Each module and the modules it may use; `LAYERS[n]` may only use what stands above it. The two that are neighbours,
/// `entries` and `group`, meet in `stream` and nowhere else.
const LAYERS: &[(&str, &[&[&str]])] = &[
    ("memory", &[]),
    ("invariant", &[]),
    ("planted", &[]),
    ("number", &[]),
    ("id", &[]),
    ("hash", &[]),
    ("image", &[&["id", "memory"]]),
    ("sort", &[]),
    ("reply", &[&["id", "memory"]]),
    ("error", &[&["id", "memory", "number", "reply"]]),
    ("slots", &[&["invariant", "memory"]]),
    ("sorted_keys", &[&["id", "invariant", "memory"]]),
    ("entries", &[FLOOR]),
    ("group", &[FLOOR]),
    ("producers", &[FLOOR]),
    ("stream", &[FLOOR, &["entries", "group", "producers"]]),
    ("engine", &[FLOOR, &["entries", "group", "stream"]]),
    ("command", &[FLOOR, &["entries", "group", "stream", "engine"]]),
    ("persist", &[FLOOR, &["engine"]]),
    ("connection", &[FLOOR, &["engine", "command"]]),
];

/// The same for `web/src/`: what the npm door stands on knows nothing of what Rust applications use.
const WEB_LAYERS: &[(&str, &[&[&str]])] = &[
    ("growth", &[]),
    ("storage", &[]),
    ("indexed_db", &[&["storage"]]),
    ("pump", &[&["storage"]]),
    ("host", &[&["growth", "storage", "pump"]]),
    ("client", &[&["host", "indexed_db", "pump", "storage"]]),
];

/// The same for `wasm/src/`.
const WASM_LAYERS: &[(&str, &[&[&str]])] = &[
    ("answer", &[]),
    ("request", &[]),
    ("options", &[]),
    ("report", &[]),
    ("storage", &[]),
    ("door", &[&["answer", "request", "options", "report", "storage"]]),
    ("tests", &[&["door", "options"]]),
];

/// Which crates the files of `web/` and `wasm/` may name; the first row whose path fits counts. Only three places
/// know JavaScript: what the platform's timers need, what goes to JavaScript as plain data, and what IndexedDB is asked with.
const CRATES: &[(&str, &[&str])] = &[
    ("web/src/lib.rs", &["brooklet", "serde"]),
    ("web/src/growth.rs", &[]),
    ("web/src/storage.rs", &["brooklet"]),
    ("web/src/pump/", &["brooklet"]),
    ("web/src/host.rs", &["brooklet", "getrandom"]),
    ("web/src/client/timer.rs", &["js_sys", "wasm_bindgen"]),
    ("web/src/client/tasks.rs", &["js_sys", "wasm_bindgen"]),
    ("web/src/client/js.rs", &["serde", "serde_wasm_bindgen", "wasm_bindgen"]),
    ("web/src/client/", &["brooklet", "serde"]),
    ("web/src/indexed_db/js.rs", &["wasm_bindgen"]),
    ("web/src/indexed_db/raw.rs", &["js_sys", "wasm_bindgen"]),
    ("web/src/indexed_db/", &[]),
    ("wasm/src/tests/", &["js_sys", "std", "wasm_bindgen", "wasm_bindgen_test"]),
    ("wasm/src/door.rs", &["brooklet", "brooklet_web", "wasm_bindgen"]),
    ("wasm/src/storage.rs", &["brooklet_web", "wasm_bindgen"]),
    ("wasm/src/lib.rs", &["rlsf"]),
    ("wasm/src/", &["brooklet", "brooklet_web"]),
];

/// Every crate that those rows are about. None of them has `std` but tests.
const KNOWN_CRATES: &[&str] = &[
    "brooklet",
    "brooklet_wasm",
    "brooklet_web",
    "getrandom",
    "js_sys",
    "rlsf",
    "serde",
    "serde_wasm_bindgen",
    "std",
    "wasm_bindgen",
    "wasm_bindgen_futures",
    "wasm_bindgen_test",
    "web_sys",
    "xxhash_rust",
];

/// Words that no code under `src/` contains, and why.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("the engine is no_std", &["std"]),
    ("time is an argument", &["Instant", "SystemTime"]),
    ("randomness is an argument", &["rand", "getrandom", "RandomState"]),
    ("a library prints nothing", &["print", "println", "eprint", "eprintln", "dbg"]),
    ("no invariant here is worth it", &["unsafe"]),
    ("growth has to be fallible", &["HashMap", "HashSet", "BTreeMap", "BTreeSet"]),
];

#[test]
fn modules_use_only_what_lies_below_them() {
    for directory in ["src", "web/src", "wasm/src"] {
        let breaches: Vec<String> = sources(directory).iter().flat_map(layer_breaches).collect();
        assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
    }
}

#[test]
fn no_clock_randomness_io_threads_or_unsafe_code() {
    let breaches: Vec<String> = sources("src").iter().flat_map(word_breaches).collect();
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn other_crates_are_known_where_they_have_to_be() {
    for directory in ["web/src", "wasm/src"] {
        let breaches: Vec<String> = sources(directory).iter().flat_map(crate_breaches).collect();
        assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
    }
}

#[test]
fn the_crate_is_no_std() {
    let root = sources("src").into_iter().find(|source| source.name == "src/lib.rs").expect("src/lib.rs is there");
    assert!(root.code.contains("#![no_std]"), "src/lib.rs does not say #![no_std]");
}

#[test]
fn rows_use_only_rows_above_them() {
    for layers in [LAYERS, WEB_LAYERS, WASM_LAYERS] {
        for (index, (module, _)) in layers.iter().enumerate() {
            let above: Vec<&str> = layers[..index].iter().map(|(module, _)| *module).collect();
            assert!(!above.contains(module), "{module} has two rows");
            for used in allowed(layers, module).expect("the module has a row") {
                assert!(above.contains(&used), "{module} uses {used}, which does not stand above it");
            }
        }
    }
}

/// A file of a crate, without its comments, strings and test code.
struct Source {
    /// The path from the root of the repository, with slashes.
    name: String,
    code: String,
}

impl Source {
    fn new(name: &str, text: &str) -> Source {
        Source { name: name.into(), code: without_tests(&without_comments_and_strings(text)) }
    }

    /// The modules from the root of the crate down to this file: `src/engine/wait.rs` is `engine`, `wait`.
    fn module_path(&self) -> Vec<&str> {
        let (_, path) = self.name.split_once("src/").expect("sources lie in src/");
        let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').filter(|module| *module != "lib").collect()
    }

    /// The rows of its crate.
    fn layers(&self) -> &'static [(&'static str, &'static [&'static [&'static str]])] {
        match self.name.split('/').next() {
            Some("web") => WEB_LAYERS,
            Some("wasm") => WASM_LAYERS,
            _ => LAYERS,
        }
    }

    fn line_of(&self, position: usize) -> usize {
        self.code[..position].matches('\n').count() + 1
    }
}

/// All files under a directory except those that hold nothing but tests (`tests.rs`).
fn sources(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join(directory), &mut paths);
    paths.retain(|path| !path.ends_with("tests.rs"));
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root).expect("it lies in the root").to_str().expect("names are ASCII");
        Source::new(&name.replace('\\', "/"), &fs::read_to_string(path).expect("a source file is text"))
    };
    let sources: Vec<Source> = paths.iter().map(read).collect();
    assert!(sources.len() > 1, "found no source files");
    sources
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory can be listed") {
        let path = entry.expect("the directory can be listed").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// What `module` may use; `None` if it has no row.
fn allowed(layers: &[(&str, &[&[&'static str]])], module: &str) -> Option<Vec<&'static str>> {
    let (_, groups) = layers.iter().find(|(name, _)| *name == module)?;
    Some(groups.iter().copied().flatten().copied().collect())
}

fn layer_breaches(source: &Source) -> Vec<String> {
    let path = source.module_path();
    // lib.rs declares the modules and names what is public: it stands above all layers.
    let Some(&module) = path.first() else { return Vec::new() };
    let layers = source.layers();
    let Some(allowed) = allowed(layers, module) else {
        return vec![format!("{}: the module {module} is new; give it a row in LAYERS, tests/layers.rs", source.name)];
    };
    let uses = root_paths(&source.code, path.len());
    let breaches = uses.iter().filter(|(_, used)| *used != module && !allowed.contains(&used.as_str()));
    let describe = |(position, used): &(usize, String)| {
        let line = source.line_of(*position);
        let why = if layers.iter().any(|(name, _)| name == used) {
            "LAYERS, tests/layers.rs, does not allow it"
        } else {
            "name the module that it comes from, not the root of the crate"
        };
        format!("{}:{line}: {module} uses {used}; {why}", source.name)
    };
    breaches.map(describe).collect()
}

/// Names of crates where they are not allowed. A `use` or a path says them at its beginning; a word in the middle of a
/// path, such as the field of a struct, is none.
fn crate_breaches(source: &Source) -> Vec<String> {
    let row = CRATES.iter().find(|(path, _)| source.name.starts_with(path));
    let allowed = row.map_or(&[][..], |(_, crates)| crates);
    let is_path = |(position, word): &(usize, &str)| {
        let before = source.code[..*position].trim_end();
        let after = source.code[position + word.len()..].trim_start();
        !before.ends_with(':') && !before.ends_with('.') && after.starts_with("::")
    };
    let named = words(&source.code).filter(|(_, word)| KNOWN_CRATES.contains(word) && !allowed.contains(word));
    let describe = |(position, word): (usize, &str)| {
        let line = source.line_of(position);
        format!(
            "{}:{line}: the crate {word} has no place here; CRATES, tests/layers.rs, says where it has",
            source.name
        )
    };
    named.filter(is_path).map(describe).collect()
}

fn word_breaches(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for (position, word) in words(&source.code) {
        if let Some((reason, _)) = FORBIDDEN.iter().find(|(_, forbidden)| forbidden.contains(&word)) {
            breaches.push(format!("{}:{}: `{word}`: {reason}", source.name, source.line_of(position)));
        }
    }
    breaches
}

/// The first name of every path that starts at the root of the crate, with its position: the `a` of `crate::a::B`, and
/// `a` and `b` of `use crate::{a::B, b}`. `super` climbs to the root when it is said `depth` times; a module inside a
/// file would need one more, and only test modules, which are gone here, are written so.
fn root_paths(code: &str, depth: usize) -> Vec<(usize, String)> {
    let words: Vec<(usize, &str)> = words(code).collect();
    let mut paths = Vec::new();
    let mut index = 0;
    while let Some((position, word)) = words.get(index) {
        let mut last = index;
        while word == &"super" && words.get(last + 1).is_some_and(|next| next.1 == "super") {
            last += 1;
        }
        let climbs = last - index + 1;
        let starts_at_root = *word == "crate" || (*word == "super" && climbs >= depth);
        let end = words[last].0 + words[last].1.len();
        if starts_at_root && let Some(rest) = code[end..].trim_start().strip_prefix("::") {
            paths.extend(first_names(rest).into_iter().map(|name| (*position, name)));
        }
        index = last + 1;
    }
    paths
}

/// The first name of what follows `crate::`: one, or in braces several.
fn first_names(rest: &str) -> Vec<String> {
    let rest = rest.trim_start();
    let Some(list) = rest.strip_prefix('{') else {
        return leading_word(rest).into_iter().collect();
    };
    let mut names = Vec::new();
    let (mut depth, mut item) = (0, String::new());
    for byte in list.chars() {
        match byte {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.extend(leading_word(&std::mem::take(&mut item))),
            _ => {}
        }
        if byte != ',' || depth > 0 {
            item.push(byte);
        }
    }
    names.extend(leading_word(&item));
    names
}

fn leading_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|&it| is_word(it)).collect();
    if text.trim_start().starts_with('*') { Some("*".into()) } else { Some(word).filter(|word| !word.is_empty()) }
}

/// All identifiers and keywords with their positions.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + code[rest..].find(is_word)?;
        let length = code[start..].find(|it| !is_word(it)).unwrap_or(code.len() - start);
        rest = start + length;
        Some((start, &code[start..rest]))
    })
}

fn is_word(it: char) -> bool {
    it == '_' || it.is_ascii_alphanumeric()
}

/// The text with blanks for comments and for what stands between quotes. Line breaks stay.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest, code.chars().next_back());
        let taken = length.unwrap_or(first.len_utf8());
        let (token, after) = rest.split_at(taken);
        match length {
            Some(_) => code.extend(token.chars().map(|it| if it == '\n' { '\n' } else { ' ' })),
            None => code.push(first),
        }
        rest = after;
    }
    code
}

/// How many bytes at the start of `rest` are a comment, a string or a character; `None` if it is code.
fn blank_length(rest: &str, before: Option<char>) -> Option<usize> {
    let to_end = |found: Option<usize>| found.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return Some(to_end(rest.find('\n')));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    if rest.starts_with('"') {
        return Some(to_end(quoted_length(rest, '"')));
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        // A character ends with its quote after one (escaped) character; a lifetime has none there.
        let one = inside.chars().next()?;
        let is_character = one == '\\' || inside[one.len_utf8()..].starts_with('\'');
        return if is_character { quoted_length(rest, '\'') } else { None };
    }
    if before.is_some_and(is_word) {
        return None;
    }
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    if !raw[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let opening = rest.len() - raw.len() + hashes + 1;
    Some(to_end(rest[opening..].find(&end).map(|at| opening + at + end.len())))
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = &rest.as_bytes()[at..];
        if step.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if step.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted_length(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = true;
    for (at, it) in rest.char_indices() {
        if escaped {
            escaped = false;
        } else if it == '\\' {
            escaped = true;
        } else if it == quote {
            return Some(at + 1);
        }
    }
    None
}

/// The code with blanks for every item under `#[cfg(test)]`. Comments and strings must be gone.
fn without_tests(code: &str) -> String {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(ATTRIBUTE) {
        let (before, item) = rest.split_at(at);
        let (item, after) = item.split_at(ATTRIBUTE.len() + item_length(&item[ATTRIBUTE.len()..]));
        kept.push_str(before);
        kept.extend(item.chars().map(|it| if it == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    kept + rest
}

/// An item ends with a semicolon, or with the brace that closes its body.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, it) in code.char_indices() {
        match it {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth <= 0 && (it == '}' || it == ';') {
            return at + 1;
        }
    }
    code.len()
}

/// The checker, checked: breaches planted in small sources are found, and look-alikes are not.
mod planted {
    use super::*;

    fn layers(name: &str, text: &str) -> Vec<String> {
        layer_breaches(&Source::new(name, text))
    }

    fn forbidden(text: &str) -> Vec<String> {
        word_breaches(&Source::new("src/id.rs", text))
    }

    #[test]
    fn a_path_upwards_is_a_breach_where_it_stands() {
        let breaches = layers("src/entries/block.rs", "use crate::id::EntryId;\n\nuse crate::stream::Stream;\n");
        assert_eq!(breaches.len(), 1);
        assert!(breaches[0].starts_with("src/entries/block.rs:3: entries uses stream;"), "{breaches:?}");
    }

    #[test]
    fn every_way_to_write_a_path_is_seen() {
        for text in [
            "use crate::group::Group;",
            "use crate::group;",
            "use crate::{group::Group, id::EntryId};",
            "use crate::{\n    id::{EntryId, IdText},\n    group::{self},\n};",
            "pub(crate) use crate :: group as other;",
            "fn f() { crate::group::f() }",
            "fn f(it: &crate::group::Group) {}",
            "type G = Vec<crate::group::Group>;",
            "pub(in crate::group) fn f() {}",
            "use super::super::group::Group;",
        ] {
            let breaches = layers("src/entries/block.rs", text);
            assert!(breaches.len() == 1 && breaches[0].contains("entries uses group"), "{text}: {breaches:?}");
        }
        assert_eq!(layers("src/entries/mod.rs", "use super::group::Group;").len(), 1);
        assert_eq!(layers("src/id.rs", "use super::group::Group;").len(), 1);
    }

    #[test]
    fn neighbours_meet_in_stream_only() {
        assert_eq!(layers("src/group/mod.rs", "use crate::entries::Block;").len(), 1);
        assert_eq!(layers("src/stream.rs", "use crate::entries::Block; use crate::group::Group;"), [""; 0]);
    }

    #[test]
    fn what_lies_below_or_within_may_be_used() {
        for (name, text) in [
            ("src/entries/block.rs", "use super::node::Node;"),
            ("src/entries/block.rs", "use crate::entries::node::Node;"),
            ("src/entries/mod.rs", "use self::block::Block; mod block;"),
            ("src/command/xadd.rs", "use crate::{engine::Engine, error::Error, stream::Stream};"),
            ("src/lib.rs", "mod engine; pub use engine::Engine; pub use crate::id::EntryId;"),
        ] {
            assert_eq!(layers(name, text), [""; 0], "{name}: {text}");
        }
    }

    #[test]
    fn a_way_around_the_layers_is_a_breach() {
        assert!(layers("src/entries/mod.rs", "use crate::EntryId;")[0].contains("name the module"));
        assert!(layers("src/entries/mod.rs", "use crate::*;")[0].contains("name the module"));
        assert!(layers("src/entries/mod.rs", "use crate::{*, id};")[0].contains("name the module"));
    }

    #[test]
    fn a_new_module_is_told_where_to_go() {
        assert!(layers("src/novelty.rs", "")[0].contains("give it a row in LAYERS, tests/layers.rs"));
        assert!(layers("src/novelty/part.rs", "")[0].contains("the module novelty is new"));
    }

    #[test]
    fn each_crate_has_its_own_layers() {
        assert!(layers("web/src/host.rs", "use crate::client::Brooklet;")[0].contains("host uses client"));
        assert!(layers("wasm/src/request.rs", "use crate::door::Door;")[0].contains("request uses door"));
        assert!(layers("wasm/src/novelty.rs", "")[0].contains("the module novelty is new"));
        assert_eq!(layers("web/src/client/stream.rs", "use crate::host::Host; use super::entry::Entry;"), [""; 0]);
        assert_eq!(layers("web/src/lib.rs", "pub use client::Brooklet;"), [""; 0]);
    }

    #[test]
    fn crates_are_found_where_they_have_no_place() {
        let crates = |name: &str, text: &str| crate_breaches(&Source::new(name, text));
        for (name, text) in [
            ("web/src/client/stream.rs", "use js_sys::Array;"),
            ("web/src/client/stream.rs", "fn f() { wasm_bindgen::throw_str(g) }"),
            ("web/src/host.rs", "use std::time::Instant;"),
            ("web/src/growth.rs", "use brooklet::Engine;"),
            ("wasm/src/request.rs", "type V = wasm_bindgen :: JsValue;"),
        ] {
            assert_eq!(crates(name, text).len(), 1, "{name}: {text}");
        }
        for (name, text) in [
            ("web/src/client/stream.rs", "use brooklet::EntryId; fn f(it: &S) { it.js_sys }"),
            ("web/src/client/js.rs", "use wasm_bindgen::JsValue; use serde::Serialize;"),
            ("web/src/client/timer.rs", "// std::time\nuse js_sys::Function;"),
            ("wasm/src/tests/calls.rs", "use std::iter;"),
        ] {
            assert_eq!(crates(name, text), [""; 0], "{name}: {text}");
        }
    }

    #[test]
    fn forbidden_words_are_found() {
        for text in [
            "use std::time::Duration;",
            "let start = Instant::now();",
            "fn f() { ::std::thread::spawn(g); }",
            "let it = rand::random();",
            "println!(\"{it}\");",
            "unsafe { f() }",
            "use alloc::collections::BTreeMap;",
        ] {
            assert_eq!(forbidden(text).len(), 1, "{text}");
        }
        assert_eq!(
            forbidden("fn f() {}\nfn g() { unsafe {} }"),
            ["src/id.rs:2: `unsafe`: no invariant here is worth it"]
        );
    }

    #[test]
    fn comments_strings_and_tests_may_say_anything() {
        for text in [
            "// use crate::stream; unsafe",
            "/* unsafe /* std::time */ crate::stream */ fn f() {}",
            "//! [`crate::stream`] and println",
            "const A: &str = \"unsafe \\\" crate::stream\";",
            "const A: &[u8] = b\"unsafe\"; const B: &str = r#\"std \" crate::stream\"#;",
            "const A: char = '\"'; // unsafe \" crate::stream",
            "#[cfg(test)]\nmod tests {\n    use crate::stream;\n    fn f() { println!(\"}\"); unsafe {} }\n}\n",
            "#[cfg(test)]\nextern crate std;\n",
            "#[cfg(test)]\n#[allow(dead_code)]\nfn f() -> [u8; 3] { std::f() }",
            "fn unsafe_looking(standard: Instantly) {}",
        ] {
            assert_eq!(forbidden(text), [""; 0], "{text}");
            assert_eq!(layers("src/id.rs", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_follows_a_comment_a_string_or_a_test_is_seen() {
        for text in [
            "// a comment\nunsafe {}",
            "/* a /* nested */ comment */ unsafe {}",
            "const A: &str = \"\\\\\"; unsafe {}",
            "const A: &str = r\"\\\"; unsafe {}",
            "const A: char = '\\''; unsafe {}",
            "fn f<'a>(it: &'a str) { unsafe {} } const A: char = 'a';",
            "#[cfg(test)]\nmod tests { fn f() { g(\"{\") } }\nfn f() { unsafe {} }",
            "#[cfg(test)]\nextern crate alloc;\nfn f() { unsafe {} }",
            "#[cfg(not(test))]\nfn f() { unsafe {} }",
        ] {
            assert_eq!(forbidden(text).len(), 1, "{text}");
        }
    }
}
