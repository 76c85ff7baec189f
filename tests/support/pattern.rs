//! The notation of replies: what a transcript expects, how it is read, matched and written.
//!
//! The notation is neutral between the protocols (README.md beside the transcripts describes it). A pattern is read
//! once, and then matched against a reply as the engine gives it, as RESP2 gives it, or as RESP3 gives it: [`Face`]
//! says which. The difference is only in how nulls and maps look.

use std::fmt;

use brooklet::Value;

/// Whose reply is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Face {
    /// The engine's own: every kind is told apart, and times and automatic IDs are exact.
    Engine,
    /// RESP2 from a server: maps are flat, pairs are arrays of two.
    Resp2,
    /// RESP3 from a server: one null, and one kind of map.
    Resp3,
}

/// What a transcript expects.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Pattern {
    /// `+OK`
    Simple(Vec<u8>),
    /// `-ERR syntax error`
    Error(Vec<u8>),
    /// `:5`
    Integer(i64),
    /// `word` or `"any bytes"`
    Bulk(Vec<u8>),
    /// `null`
    Null,
    /// `null-array`
    NullArray,
    /// `[a b c]`; with `...` at the end, more may follow.
    Array { items: Vec<Pattern>, open: bool },
    /// `%{key value ...}`, flat in RESP2; with `...` at the end, other keys may stand anywhere between these.
    Map { pairs: Vec<(Pattern, Pattern)>, open: bool },
    /// `{key value ...}`, arrays of two in RESP2.
    Pairs(Vec<(Pattern, Pattern)>),
    /// `<any>`
    Any,
    /// `<id>`, or `<id=5-0>` where the engine's clock makes it exact.
    Id(Option<Vec<u8>>),
    /// `<int>` or `<ms>`, or `<ms=50>` where the engine's clock makes it exact.
    Number(Option<i64>),
    /// `<lines 9>`: an array of so many status lines.
    Lines(usize),
}

impl Pattern {
    /// Reads the notation. The error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Pattern, String> {
        // A top-level error line needs no quotes: it is the whole line.
        if let Some(line) = text.strip_prefix('-')
            && !line.starts_with('"')
        {
            return Ok(Pattern::Error(line.as_bytes().to_vec()));
        }
        let mut reader = Reader { rest: text.as_bytes() };
        let pattern = reader.pattern()?;
        reader.skip_blanks();
        if reader.rest.is_empty() { Ok(pattern) } else { Err(format!("text after the reply: {text}")) }
    }

    /// Whether `value` is what was expected.
    pub(crate) fn matches(&self, value: &Value, face: Face) -> bool {
        match (self, value) {
            (Pattern::Any, _) => true,
            (Pattern::Simple(line), Value::Simple(got)) => line == got,
            (Pattern::Error(line), Value::Error(got)) => line == got,
            (Pattern::Integer(number), Value::Integer(got)) => number == got,
            (Pattern::Bulk(bytes), Value::Bulk(got)) => bytes == got,
            (Pattern::Null, Value::Null) => true,
            (Pattern::NullArray, Value::NullArray) => true,
            (Pattern::NullArray, Value::Null) => face == Face::Resp3,
            (Pattern::Id(exact), Value::Bulk(got)) => match exact {
                Some(id) if face == Face::Engine => id == got,
                _ => is_id(got),
            },
            (Pattern::Number(exact), Value::Integer(got)) => match exact {
                Some(number) if face == Face::Engine => number == got,
                _ => true,
            },
            (Pattern::Lines(count), Value::Array(got)) => {
                got.len() == *count && got.iter().all(|line| matches!(line, Value::Simple(_)))
            }
            (Pattern::Array { items, open }, Value::Array(got)) => {
                (items.len() == got.len() || (*open && items.len() <= got.len()))
                    && items.iter().zip(got).all(|(item, got)| item.matches(got, face))
            }
            (Pattern::Map { pairs, open }, Value::Map(got)) => match_pairs(pairs, *open, got, face),
            (Pattern::Map { pairs, open }, Value::Array(got)) if face == Face::Resp2 => {
                flat_pairs(got).is_some_and(|got| match_pairs(pairs, *open, &got, face))
            }
            (Pattern::Pairs(pairs), Value::Pairs(got)) => match_pairs(pairs, false, got, face),
            (Pattern::Pairs(pairs), Value::Map(got)) if face == Face::Resp3 => match_pairs(pairs, false, got, face),
            (Pattern::Pairs(pairs), Value::Array(got)) if face == Face::Resp2 => {
                nested_pairs(got).is_some_and(|got| match_pairs(pairs, false, &got, face))
            }
            _ => false,
        }
    }

    /// Takes away the pairs of maps whose key `is_unknown`: an older server does not have them.
    pub(crate) fn without_keys(&mut self, is_unknown: &dyn Fn(&[u8]) -> bool) {
        match self {
            Pattern::Array { items, .. } => items.iter_mut().for_each(|item| item.without_keys(is_unknown)),
            Pattern::Map { pairs, .. } => {
                pairs.retain(|(key, _)| !matches!(key, Pattern::Bulk(key) if is_unknown(key)));
                pairs.iter_mut().for_each(|(_, value)| value.without_keys(is_unknown));
            }
            Pattern::Pairs(pairs) => pairs.iter_mut().for_each(|(_, value)| value.without_keys(is_unknown)),
            _ => {}
        }
    }

    /// Calls `each` for this pattern and all patterns inside it.
    pub(crate) fn visit(&self, each: &mut dyn FnMut(&Pattern)) {
        each(self);
        match self {
            Pattern::Array { items, .. } => items.iter().for_each(|item| item.visit(each)),
            Pattern::Map { pairs, .. } | Pattern::Pairs(pairs) => {
                for (key, value) in pairs {
                    key.visit(each);
                    value.visit(each);
                }
            }
            _ => {}
        }
    }
}

fn match_pairs(expected: &[(Pattern, Pattern)], open: bool, got: &[(Value, Value)], face: Face) -> bool {
    let matches = |(key, value): &(Pattern, Pattern), got: &(Value, Value)| {
        key.matches(&got.0, face) && value.matches(&got.1, face)
    };
    if !open {
        return expected.len() == got.len() && expected.iter().zip(got).all(|(pair, got)| matches(pair, got));
    }
    let mut got = got.iter();
    expected.iter().all(|pair| got.any(|got| matches(pair, got)))
}

fn flat_pairs(items: &[Value]) -> Option<Vec<(Value, Value)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[key, value]| (key.clone(), value.clone())).collect())
}

fn nested_pairs(items: &[Value]) -> Option<Vec<(Value, Value)>> {
    let pair = |item: &Value| match item {
        Value::Array(pair) => match pair.as_slice() {
            [key, value] => Some((key.clone(), value.clone())),
            _ => None,
        },
        _ => None,
    };
    items.iter().map(pair).collect()
}

fn is_id(text: &[u8]) -> bool {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = text.split(|&byte| byte == b'-');
    parts.next().is_some_and(is_number) && parts.next().is_some_and(is_number) && parts.next().is_none()
}

/// Splits a command line into its arguments. Quoting is that of redis-cli, and a quoted text may be repeated:
/// `"ab"*3` is `ababab`.
pub(crate) fn parse_arguments(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut reader = Reader { rest: line.as_bytes() };
    let mut arguments = Vec::new();
    loop {
        reader.skip_blanks();
        match reader.rest.first() {
            None => return Ok(arguments),
            Some(b'"') => arguments.push(reader.quoted()?),
            Some(_) => {
                let end = reader.rest.iter().position(|&byte| byte == b' ').unwrap_or(reader.rest.len());
                let (word, rest) = reader.rest.split_at(end);
                arguments.push(word.to_vec());
                reader.rest = rest;
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn pattern(&mut self) -> Result<Pattern, String> {
        self.skip_blanks();
        if self.take("[") {
            let (items, open) = self.items(b']')?;
            return Ok(Pattern::Array { items, open });
        }
        if self.take("%{") {
            let (items, open) = self.items(b'}')?;
            return Ok(Pattern::Map { pairs: in_pairs(items)?, open });
        }
        if self.take("{") {
            let (items, open) = self.items(b'}')?;
            return if open { Err("pairs cannot be open".into()) } else { Ok(Pattern::Pairs(in_pairs(items)?)) };
        }
        match self.rest {
            [b'-', b'"', ..] => {
                self.take("-");
                Ok(Pattern::Error(self.quoted()?))
            }
            [b'"', ..] => Ok(Pattern::Bulk(self.quoted()?)),
            [b'<', ..] => self.placeholder(),
            _ => self.word(),
        }
    }

    /// Patterns up to `close`, and whether `...` stood before it.
    fn items(&mut self, close: u8) -> Result<(Vec<Pattern>, bool), String> {
        let mut items = Vec::new();
        let mut open = false;
        loop {
            self.skip_blanks();
            match self.rest {
                [] => return Err(format!("`{}` is missing", char::from(close))),
                [byte, rest @ ..] if *byte == close => {
                    self.rest = rest;
                    return Ok((items, open));
                }
                _ if open => return Err("`...` stands at the end".into()),
                [b'.', b'.', b'.', rest @ ..] => {
                    self.rest = rest;
                    open = true;
                }
                _ => items.push(self.pattern()?),
            }
        }
    }

    fn word(&mut self) -> Result<Pattern, String> {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"[]{}<>\"".contains(byte);
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(match word {
            b"" => return Err(format!("no reply at `{}`", String::from_utf8_lossy(rest))),
            b"null" => Pattern::Null,
            b"null-array" => Pattern::NullArray,
            [b':', number @ ..] => Pattern::Integer(parse_number(number)?),
            [b'+', line @ ..] => Pattern::Simple(line.to_vec()),
            [b'-', ..] => return Err("an error inside a reply needs quotes".into()),
            _ => Pattern::Bulk(word.to_vec()),
        })
    }

    fn placeholder(&mut self) -> Result<Pattern, String> {
        let end = self.rest.iter().position(|&byte| byte == b'>').ok_or("`>` is missing")?;
        let (name, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        let name = String::from_utf8_lossy(&name[1..end]).into_owned();
        if let Some(count) = name.strip_prefix("lines ") {
            return Ok(Pattern::Lines(count.parse().map_err(|_| format!("no count: {count}"))?));
        }
        let (name, exact) = match name.split_once('=') {
            Some((name, exact)) => (name, Some(exact)),
            None => (name.as_str(), None),
        };
        match (name, exact) {
            ("any", None) => Ok(Pattern::Any),
            ("id", exact) => Ok(Pattern::Id(exact.map(|id| id.as_bytes().to_vec()))),
            ("int" | "ms", exact) => {
                Ok(Pattern::Number(exact.map(|number| parse_number(number.as_bytes())).transpose()?))
            }
            _ => Err(format!("an unknown placeholder: {name}")),
        }
    }

    /// A text in double quotes, perhaps repeated.
    fn quoted(&mut self) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        self.take("\"");
        loop {
            let (&byte, rest) = self.rest.split_first().ok_or("a quote is not closed")?;
            self.rest = rest;
            match byte {
                b'"' => break,
                b'\\' => text.push(self.escaped()?),
                _ => text.push(byte),
            }
        }
        if !self.take("*") {
            return Ok(text);
        }
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let (times, rest) = self.rest.split_at(end);
        self.rest = rest;
        let times = usize::try_from(parse_number(times)?).map_err(|_| "a negative repetition")?;
        // Zeroes are not written but asked for as such: a GiB of them costs nothing until it is touched.
        Ok(if text == [0] { vec![0; times] } else { text.repeat(times) })
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Result<u8, String> {
        let (&byte, rest) = self.rest.split_first().ok_or("a quote is not closed")?;
        self.rest = rest;
        Ok(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let (digits, rest) = self.rest.split_at_checked(2).ok_or("\\x needs two digits")?;
                self.rest = rest;
                let digits = String::from_utf8_lossy(digits);
                u8::from_str_radix(&digits, 16).map_err(|_| format!("no hexadecimal number: {digits}"))?
            }
            b'"' | b'\\' => byte,
            _ => return Err(format!("an unknown escape: \\{}", char::from(byte))),
        })
    }
}

fn in_pairs(items: Vec<Pattern>) -> Result<Vec<(Pattern, Pattern)>, String> {
    let mut pairs = Vec::new();
    let mut items = items.into_iter();
    while let Some(key) = items.next() {
        pairs.push((key, items.next().ok_or("a key without a value")?));
    }
    Ok(pairs)
}

fn parse_number(digits: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(digits);
    text.parse().map_err(|_| format!("no number: {text}"))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Simple(line) => write!(f, "+{}", escape(line)),
            Pattern::Error(line) => write!(f, "-{}", escape(line)),
            Pattern::Integer(number) => write!(f, ":{number}"),
            Pattern::Bulk(text) => f.write_str(&describe_text(text)),
            Pattern::Null => f.write_str("null"),
            Pattern::NullArray => f.write_str("null-array"),
            Pattern::Array { items, open } => {
                let items = items.iter().map(ToString::to_string);
                write!(f, "[{}]", join(items, *open))
            }
            Pattern::Map { pairs, open } => {
                let pairs = pairs.iter().map(|(key, value)| format!("{key} {value}"));
                write!(f, "%{{{}}}", join(pairs, *open))
            }
            Pattern::Pairs(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| format!("{key} {value}"));
                write!(f, "{{{}}}", join(pairs, false))
            }
            Pattern::Any => f.write_str("<any>"),
            Pattern::Id(None) => f.write_str("<id>"),
            Pattern::Id(Some(id)) => write!(f, "<id={}>", escape(id)),
            Pattern::Number(None) => f.write_str("<int>"),
            Pattern::Number(Some(number)) => write!(f, "<int={number}>"),
            Pattern::Lines(count) => write!(f, "<lines {count}>"),
        }
    }
}

fn join(items: impl Iterator<Item = String>, open: bool) -> String {
    items.chain(open.then(|| "...".to_string())).collect::<Vec<_>>().join(" ")
}

/// Writes a reply in the notation, for messages.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Error(line) => format!("-{}", escape(line)),
        _ => describe_nested(value),
    }
}

fn describe_nested(value: &Value) -> String {
    let pairs = |pairs: &[(Value, Value)]| {
        let pair = |(key, value): &(Value, Value)| format!("{} {}", describe_nested(key), describe_nested(value));
        pairs.iter().map(pair).collect::<Vec<_>>().join(" ")
    };
    match value {
        Value::Simple(line) => format!("+{}", escape(line)),
        Value::Error(line) => format!("-\"{}\"", escape(line)),
        Value::Integer(number) => format!(":{number}"),
        Value::Bulk(text) => describe_text(text),
        Value::Null => "null".into(),
        Value::NullArray => "null-array".into(),
        Value::Array(items) => format!("[{}]", items.iter().map(describe_nested).collect::<Vec<_>>().join(" ")),
        Value::Map(items) => format!("%{{{}}}", pairs(items)),
        Value::Pairs(items) => format!("{{{}}}", pairs(items)),
    }
}

/// A text as it stands between double quotes.
fn escape(text: &[u8]) -> String {
    let escape = |&byte: &u8| match byte {
        b'\'' => "'".to_string(),
        _ => byte.escape_ascii().to_string(),
    };
    text.iter().map(escape).collect()
}

/// A text as a word where that is unambiguous.
fn describe_text(text: &[u8]) -> String {
    let is_plain = |&byte: &u8| byte.is_ascii_graphic() && !b"[]{}<>\"\\%*".contains(&byte);
    let is_word = text.iter().all(is_plain) && !matches!(text, [] | [b'+' | b'-' | b':' | b'.', ..]);
    if is_word && !text.starts_with(b"null") {
        String::from_utf8_lossy(text).into_owned()
    } else {
        format!("\"{}\"", escape(text))
    }
}
