//! A page of docs/ with a part between two markers that a test makes: the test compares it with what it makes, and
//! `BROOKLET_BLESS=1` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

/// The page and the test program have the same name.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    /// What the markers call the part.
    pub(crate) part: &'static str,
}

/// What stands before, between and after the markers.
pub(crate) struct Parts {
    pub(crate) before: String,
    pub(crate) marked: String,
    pub(crate) after: String,
}

impl Page {
    /// Fails unless the marked part is what was made; writes it if that is asked for.
    #[track_caller]
    pub(crate) fn check(&self, made: &str) {
        let Parts { before, marked, after } = self.parts();
        if marked == made {
            return;
        }
        if std::env::var_os("BROOKLET_BLESS").is_some_and(|value| value == "1") {
            let page = [&before, &*self.begin(), made, &self.end(), &after].concat();
            // Other tests of the program read the page meanwhile: they find the old one or the new one.
            let aside = self.path().with_extension("new");
            fs::write(&aside, page).expect("the page can be written");
            fs::rename(&aside, self.path()).expect("the page can be replaced");
            return;
        }
        let first = made.lines().find(|line| !marked.lines().any(|other| other == *line));
        let example = first.map_or(String::new(), |line| format!("\nfor example, this line is missing:\n{line}"));
        let Page { name, part } = self;
        panic!(
            "the part '{part}' of docs/{name}.md is not what the code says; write it anew with\n\
             BROOKLET_BLESS=1 cargo test --test {name}{example}"
        );
    }

    pub(crate) fn parts(&self) -> Parts {
        let page = fs::read_to_string(self.path()).expect("the page is there");
        let (before, rest) = page.split_once(&self.begin()).expect("the begin of the part is marked");
        let (marked, after) = rest.split_once(&self.end()).expect("the end of the part is marked");
        Parts { before: before.into(), marked: marked.into(), after: after.into() }
    }

    fn begin(&self) -> String {
        format!("<!-- {}: begin -->\n", self.part)
    }

    fn end(&self) -> String {
        format!("<!-- {}: end -->\n", self.part)
    }

    fn path(&self) -> PathBuf {
        root().join(format!("docs/{}.md", self.name))
    }
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
