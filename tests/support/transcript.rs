//! Transcripts: how a file of cases is read. The format is described in `tests/conformance/README.md`.
//!
//! A transcript is data. Nothing here knows who answers the commands: the runner in `conformance.rs` does.

use std::path::Path;

use super::pattern::{Pattern, parse_arguments};

/// A case: commands on an empty database, with what they must answer.
pub(crate) struct Case {
    /// The file's name, such as `xadd.txt`.
    pub(crate) file: String,
    /// Where it starts.
    pub(crate) line: usize,
    /// What it shows.
    pub(crate) name: String,
    /// The first version of Redis that has what it uses.
    pub(crate) since: Version,
    /// Whether it needs the engine: its hand-driven clock, or a command of our own.
    pub(crate) engine_only: bool,
    /// Settings other than the default, by name.
    pub(crate) settings: Vec<(String, u64)>,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// One thing that happens.
pub(crate) struct Step {
    /// Where it stands.
    pub(crate) line: usize,
    /// The line itself, for messages.
    pub(crate) text: String,
    /// The first version of Redis that has this command; older servers skip the step.
    pub(crate) since: Version,
    /// The name of the difference because of which an older server answers otherwise.
    pub(crate) relaxation: Option<String>,
    /// What it is.
    pub(crate) action: Action,
}

/// What a step does.
pub(crate) enum Action {
    /// A command of a client, and what it must answer: `None` means that it blocks.
    Call { client: u32, argv: Argv, expected: Option<Pattern> },
    /// A command for each number of a range, none of which may fail.
    Fill { first: u64, last: u64, argv: Argv },
    /// Commands as one MULTI/EXEC.
    Exec { batch: Vec<Argv>, expected: Pattern },
    /// The reply that wakes a blocked client.
    Woken { client: u32, expected: Pattern },
    /// A blocked client goes away.
    Cancel { client: u32 },
    /// The clock is set.
    SetClock { now_ms: u64 },
    /// Time passes.
    PassTime { duration_ms: u64 },
    /// Client 1 chooses a database.
    Select { database: u8 },
}

/// A command's words.
pub(crate) type Argv = Vec<Vec<u8>>;

/// A version of Redis, such as 8.10: major and minor.
pub(crate) type Version = (u32, u32);

/// The version that has everything not marked otherwise.
const FIRST_VERSION: Version = (7, 0);

/// Reads `8.2` (or `8.2.1`).
pub(crate) fn parse_version(text: &str) -> Result<Version, String> {
    let mut parts = text.trim().split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(format!("no version: {text}")),
    }
}

/// Reads all transcripts of a directory, in the order of their names.
pub(crate) fn read_directory(directory: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        read_cases(&name, &text).unwrap_or_else(|fault| panic!("{fault}"))
    };
    paths.iter().flat_map(read).collect()
}

/// Reads one file. The error names the line.
fn read_cases(file: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut builder =
        Builder { file: file.into(), cases: Vec::new(), open: None, since: FIRST_VERSION, relaxation: None };
    for (number, line) in joined_lines(text) {
        builder.line(number, &line).map_err(|fault| format!("{file}:{number}: {fault}"))?;
    }
    match builder.open {
        None => Ok(builder.cases),
        Some(open) => Err(format!("{file}:{}: no reply is given for this command", open.line)),
    }
}

/// The lines that say something, with their numbers. Lines that start with a blank continue the one before.
fn joined_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with(' ') && !lines.is_empty() {
            let (_, last) = lines.last_mut().unwrap();
            last.push(' ');
            last.push_str(line.trim());
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            lines.push((index + 1, line.trim_end().to_string()));
        }
    }
    lines
}

/// A command, or commands, whose reply comes on a later line.
struct Open {
    line: usize,
    text: String,
    kind: OpenKind,
}

enum OpenKind {
    Call {
        client: u32,
        argv: Argv,
    },
    /// Between the braces.
    Batch(Vec<Argv>),
    /// After the closing brace.
    Exec(Vec<Argv>),
}

struct Builder {
    file: String,
    cases: Vec<Case>,
    open: Option<Open>,
    /// For the next command.
    since: Version,
    /// For the next command.
    relaxation: Option<String>,
}

impl Builder {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        match self.open.take() {
            Some(open) => self.line_within(open, line),
            None => self.line_between(number, line),
        }
    }

    /// A line that belongs to an open command.
    fn line_within(&mut self, mut open: Open, line: &str) -> Result<(), String> {
        match open.kind {
            OpenKind::Call { client, argv } => {
                let expected = if line == "blocked" { None } else { Some(Pattern::parse(line)?) };
                self.push(open.line, open.text, Action::Call { client, argv, expected })
            }
            OpenKind::Exec(batch) => {
                let expected = Pattern::parse(line)?;
                self.push(open.line, open.text, Action::Exec { batch, expected })
            }
            OpenKind::Batch(batch) if line == "}" => {
                open.kind = OpenKind::Exec(batch);
                self.open = Some(open);
                Ok(())
            }
            OpenKind::Batch(mut batch) => {
                let command = line.strip_prefix("> ").ok_or("a command or `}` is expected")?;
                batch.push(parse_arguments(command)?);
                open.kind = OpenKind::Batch(batch);
                self.open = Some(open);
                Ok(())
            }
        }
    }

    /// A line that opens something or stands alone.
    fn line_between(&mut self, number: usize, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let text = line.to_string();
        match word {
            "=" => self.open_case(number, rest),
            ">" => {
                let (client, command) = split_client(rest);
                let kind = OpenKind::Call { client, argv: parse_arguments(command)? };
                self.open = Some(Open { line: number, text, kind });
                Ok(())
            }
            "exec" if rest == "{" => {
                self.open = Some(Open { line: number, text, kind: OpenKind::Batch(Vec::new()) });
                Ok(())
            }
            "<" => match split_client(rest) {
                (client, reply) if client > 1 => {
                    let expected = Pattern::parse(reply)?;
                    self.push(number, text, Action::Woken { client, expected })
                }
                _ => Err("`< N: reply` names the client that was woken".into()),
            },
            "for" => {
                let (range, command) = rest.split_once(": ").ok_or("`for FIRST..LAST: COMMAND`")?;
                let (first, last) = range.split_once("..").ok_or("`FIRST..LAST` is expected")?;
                let action =
                    Action::Fill { first: parse_u64(first)?, last: parse_u64(last)?, argv: parse_arguments(command)? };
                self.push(number, text, action)
            }
            "cancel" => {
                let client = rest.parse().map_err(|_| "a client's number is expected")?;
                self.push(number, text, Action::Cancel { client })
            }
            "clock" => match rest.strip_prefix('+') {
                Some(duration) => {
                    let duration_ms = parse_u64(duration)?;
                    self.push(number, text, Action::PassTime { duration_ms })
                }
                None => {
                    let now_ms = parse_u64(rest)?;
                    self.push(number, text, Action::SetClock { now_ms })
                }
            },
            "db" => {
                let database = rest.parse().map_err(|_| "a database's number is expected")?;
                self.push(number, text, Action::Select { database })
            }
            "since" => {
                let version = parse_version(rest)?;
                match self.case()? {
                    case if case.steps.is_empty() => case.since = version,
                    _ => self.since = version,
                }
                Ok(())
            }
            "relax" => {
                self.relaxation = Some(rest.to_string());
                self.case().map(|_| ())
            }
            "engine" => {
                self.opening_case()?.engine_only = true;
                Ok(())
            }
            "config" => {
                let (name, value) = rest.split_once(' ').ok_or("`config NAME VALUE`")?;
                let setting = (name.to_string(), parse_u64(value)?);
                self.opening_case()?.settings.push(setting);
                Ok(())
            }
            _ => Err(format!("no such line: {line}")),
        }
    }

    fn open_case(&mut self, line: usize, name: &str) -> Result<(), String> {
        if name.is_empty() {
            return Err("a case needs a name".into());
        }
        if self.cases.iter().any(|case| case.name == name) {
            return Err("two cases of this file have this name".into());
        }
        let (file, name) = (self.file.clone(), name.to_string());
        let (settings, steps) = (Vec::new(), Vec::new());
        self.cases.push(Case { file, line, name, since: FIRST_VERSION, engine_only: false, settings, steps });
        Ok(())
    }

    fn case(&mut self) -> Result<&mut Case, String> {
        self.cases.last_mut().ok_or_else(|| "`= name` opens the first case".into())
    }

    fn opening_case(&mut self) -> Result<&mut Case, String> {
        match self.case()? {
            case if case.steps.is_empty() => Ok(case),
            _ => Err("this line stands before the first command of a case".into()),
        }
    }

    fn push(&mut self, line: usize, text: String, action: Action) -> Result<(), String> {
        let since = std::mem::replace(&mut self.since, FIRST_VERSION);
        let relaxation = self.relaxation.take();
        self.case()?.steps.push(Step { line, text, since, relaxation, action });
        Ok(())
    }
}

/// `2: XREAD ...` is of client 2; without a number it is client 1.
fn split_client(text: &str) -> (u32, &str) {
    let split = text.split_once(": ").and_then(|(client, rest)| Some((client.parse().ok()?, rest)));
    split.unwrap_or((1, text))
}

fn parse_u64(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}
