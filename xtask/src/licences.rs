//! Licences and origins of all crates that Cargo.lock names, checked in a second.
//!
//! deny.toml says what is allowed. cargo-deny reads it, too, and knows more (advisories, bans), but takes minutes to
//! build, so it runs in `torture`. Here `cargo tree` names each crate's licence, and the list `allow` of deny.toml
//! decides. The crates of `fuzz/` are not looked at: nothing of them is ever shipped.

use std::collections::BTreeSet;

use crate::Result;
use crate::tools::{cargo, root};

/// Where crates may come from: the default registry, as Cargo.lock writes it.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Fails on the first crate whose licence is not allowed, or that comes from somewhere else.
pub fn check() -> Result {
    let allowed = allowed_licences(&read("deny.toml")?)?;
    if let Some(source) = other_source(&read("Cargo.lock")?) {
        return Err(format!("Cargo.lock takes a crate from {source}, and deny.toml allows the default registry only"));
    }
    let crates = crates_and_licences()?;
    for line in &crates {
        check_crate(line, &allowed)?;
    }
    println!("{} crates, licences among {}", crates.len(), allowed.join(", "));
    Ok(())
}

fn read(name: &str) -> Result<String> {
    std::fs::read_to_string(root().join(name)).map_err(|error| format!("cannot read {name}: {error}"))
}

/// One line `NAME VERSION (ORIGIN)|LICENCE` for each crate, for all platforms and all features.
fn crates_and_licences() -> Result<BTreeSet<String>> {
    let words = ["tree", "--workspace", "--locked", "--all-features", "--target", "all", "--prefix", "none"];
    let output = cargo(&words)
        .args(["--no-dedupe", "--format", "{p}|{l}"])
        .output()
        .map_err(|error| format!("cannot start cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter(|line| !line.is_empty()).map(String::from).collect())
}

fn check_crate(line: &str, allowed: &[String]) -> Result {
    let (name, licence) = line.rsplit_once('|').ok_or(format!("cargo tree printed '{line}'"))?;
    if licence.is_empty() {
        return Err(format!("{name} names no licence"));
    }
    match satisfies(licence, allowed) {
        Some(true) => Ok(()),
        Some(false) => Err(format!("{name} is licensed '{licence}', which deny.toml does not allow")),
        None => Err(format!("{name} is licensed '{licence}', which cannot be read")),
    }
}

/// The first source in a Cargo.lock that is not the default registry.
fn other_source(lock: &str) -> Option<&str> {
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    sources.map(|source| source.trim_matches('"')).find(|source| *source != SOURCE)
}

/// The strings of `allow = [...]` in the section `[licenses]` of deny.toml.
fn allowed_licences(deny: &str) -> Result<Vec<String>> {
    let without_comments: String = deny.lines().map(|line| line.split('#').next().unwrap_or("")).collect();
    let list = || {
        let (_, section) = without_comments.split_once("[licenses]")?;
        let (_, list) = section.split_once("allow = [")?;
        list.split_once(']').map(|(list, _)| list)
    };
    let list = list().ok_or("deny.toml has no list `allow` under [licenses]")?;
    // Between the first and the second quote, between the third and the fourth, and so on.
    Ok(list.split('"').skip(1).step_by(2).map(String::from).collect())
}

/// Whether an SPDX expression can be met with the allowed licences alone; `None` if it is no such expression.
fn satisfies(expression: &str, allowed: &[String]) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let satisfied = parser.any()?;
    parser.words.is_empty().then_some(satisfied)
}

/// Reads `any := all (OR all)*`, `all := one (AND one)*`, `one := ( any ) | NAME [WITH EXCEPTION]`.
struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut satisfied = self.all()?;
        while self.eat("OR") {
            satisfied |= self.all()?;
        }
        Some(satisfied)
    }

    fn all(&mut self) -> Option<bool> {
        let mut satisfied = self.one()?;
        while self.eat("AND") {
            satisfied &= self.one()?;
        }
        Some(satisfied)
    }

    fn one(&mut self) -> Option<bool> {
        if self.eat("(") {
            let satisfied = self.any()?;
            return self.eat(")").then_some(satisfied);
        }
        let mut licence = self.name()?.to_string();
        if self.eat("WITH") {
            // An exception changes what one agrees to, so the pair has to be allowed as a pair.
            licence = format!("{licence} WITH {}", self.name()?);
        }
        Some(self.allowed.contains(&licence))
    }

    fn name(&mut self) -> Option<&'a str> {
        let (&word, rest) = self.words.split_first()?;
        let is_name = !["AND", "OR", "WITH", "(", ")"].contains(&word);
        self.words = rest;
        is_name.then_some(word)
    }

    fn eat(&mut self, wanted: &str) -> bool {
        match self.words.split_first() {
            Some((&word, rest)) if word == wanted => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expression: &str) -> Option<bool> {
        satisfies(expression, &["MIT".into(), "Zlib".into(), "Apache-2.0 WITH LLVM-exception".into()])
    }

    #[test]
    fn one_allowed_alternative_is_enough() {
        assert_eq!(met("MIT"), Some(true));
        assert_eq!(met("MIT OR Apache-2.0"), Some(true));
        assert_eq!(met("Apache-2.0 OR MIT"), Some(true));
        assert_eq!(met("MIT/Apache-2.0"), Some(true));
        assert_eq!(met("GPL-3.0 OR BSL-1.0"), Some(false));
    }

    #[test]
    fn all_of_a_conjunction_must_be_allowed() {
        assert_eq!(met("MIT AND Zlib"), Some(true));
        assert_eq!(met("MIT AND GPL-3.0"), Some(false));
        assert_eq!(met("(MIT OR GPL-3.0) AND Zlib"), Some(true));
        assert_eq!(met("(MIT OR Zlib) AND GPL-3.0"), Some(false));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert_eq!(met("MIT OR Zlib AND GPL-3.0"), Some(true));
        assert_eq!(met("GPL-3.0 AND Zlib OR MIT"), Some(true));
        assert_eq!(met("GPL-3.0 AND (Zlib OR MIT)"), Some(false));
    }

    #[test]
    fn an_exception_is_allowed_as_a_pair_only() {
        assert_eq!(met("Apache-2.0 WITH LLVM-exception"), Some(true));
        assert_eq!(met("Apache-2.0"), Some(false));
        assert_eq!(met("MIT WITH LLVM-exception"), Some(false));
    }

    #[test]
    fn what_is_no_expression_is_not_met() {
        for text in ["", "OR", "MIT OR", "MIT Zlib", "(MIT", "MIT)", "MIT WITH", "AND MIT"] {
            assert_eq!(met(text), None, "{text}");
        }
    }

    #[test]
    fn crates_are_judged_with_their_name() {
        let allowed = ["MIT".to_string()];
        assert_eq!(check_crate("good v1.0.0|MIT", &allowed), Ok(()));
        assert!(check_crate("bad v1.0.0|GPL-3.0", &allowed).unwrap_err().starts_with("bad v1.0.0 is licensed"));
        assert!(check_crate("silent v1.0.0|", &allowed).unwrap_err().contains("no licence"));
    }

    #[test]
    fn the_list_is_read_from_deny_toml() {
        let deny = "[bans]\nallow = [\"no\"]\n[licenses]\n# allow = [\"never\"]\nallow = [\n  \"MIT\", # a comment\n  \"Zlib\",\n]\n";
        assert_eq!(allowed_licences(deny), Ok(vec!["MIT".to_string(), "Zlib".to_string()]));
        assert!(allowed_licences("[licenses]\n").is_err());
    }

    #[test]
    fn the_repository_allows_its_own_licence() {
        let allowed = allowed_licences(&read("deny.toml").unwrap()).unwrap();
        assert_eq!(satisfies("MIT OR Apache-2.0", &allowed), Some(true));
        assert_eq!(satisfies("GPL-3.0-only", &allowed), Some(false));
    }

    #[test]
    fn crates_from_elsewhere_are_found() {
        let good = format!("[[package]]\nname = \"a\"\nsource = \"{SOURCE}\"\n");
        assert_eq!(other_source(&good), None);
        let bad = format!("{good}source = \"git+https://example.org/b#1234\"\n");
        assert_eq!(other_source(&bad), Some("git+https://example.org/b#1234"));
    }
}
