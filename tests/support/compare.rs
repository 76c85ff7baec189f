//! Replies made comparable: what depends on the wall clock or on an internal layout is masked, what an older server
//! does not know is left out, maps become the flat arrays of RESP2.

use brooklet::Value;

/// What Redis 7.0 does not report.
const LATER_FIELDS: &[&str] = &[
    "idmp-duration",
    "idmp-maxsize",
    "pids-tracked",
    "iids-tracked",
    "iids-added",
    "iids-duplicates",
    "nacked-count",
    "active-time",
    "inactive",
];
/// What a clock or an internal layout decides.
const UNSTABLE_FIELDS: &[&str] = &["radix-tree-nodes", "seen-time", "idle"];
/// How far a group has read.
const READ_COUNTS: &[&str] = &["entries-read", "lag"];

/// What an engine keeps in memory only: when a consumer was last seen, and how often a producer repeated itself.
pub(crate) const UNRECORDED: &[&str] = &["seen-time", "idle", "iids-duplicates"];

/// Masks the value of each map field that has one of these names, at any depth.
pub(crate) fn mask(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, names)),
        Value::Map(pairs) | Value::Pairs(pairs) => {
            for (name, value) in pairs {
                if has_name(name, names) { *value = masked() } else { mask(value, names) }
            }
        }
        _ => {}
    }
}

/// A reply of ours as Redis 7.0 would give it, comparable with what [`of_redis_70`] makes of a real one.
pub(crate) fn as_redis_70(command: &[Vec<u8>], value: &Value, removes: bool) -> Value {
    of_redis_70(command, flat(value), removes)
}

/// A real server's reply, without what depends on the clock and, once entries are removed, without the counts that 7.0
/// has other rules for.
pub(crate) fn of_redis_70(command: &[Vec<u8>], mut value: Value, removes: bool) -> Value {
    let is = |name: &str| command.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    if is("xinfo") {
        let names = [UNSTABLE_FIELDS, if removes { READ_COUNTS } else { &[] }].concat();
        mask_flat(&mut value, &names);
    }
    if is("xpending") {
        mask_pending(&mut value, 4);
    }
    if let Value::Error(line) = &mut value {
        if line.starts_with(b"ERR Unbalanced") {
            // 7.0 has one sentence for XREAD and XREADGROUP; later versions say it for each of them.
            *line = b"ERR Unbalanced".to_vec();
        }
        if let Some(rest) = line.strip_suffix(b", with args beginning with: ") {
            // 7.0 announces arguments even when there are none.
            *line = rest.to_vec();
        }
        if line == b"ERR Elements are too large to be stored" {
            // 7.0 says so when the sequences of a millisecond are used up. No generated entry is large.
            *line = b"ERR The ID specified in XADD is equal or smaller than the target stream top item".to_vec();
        }
    }
    value
}

fn flat(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(flat).collect()),
        Value::Map(pairs) => {
            let known = pairs.iter().filter(|(name, _)| !has_name(name, LATER_FIELDS));
            Value::Array(known.flat_map(|(name, value)| [flat(name), flat(value)]).collect())
        }
        Value::Pairs(pairs) => {
            Value::Array(pairs.iter().map(|(key, value)| Value::Array(vec![flat(key), flat(value)])).collect())
        }
        other => other.clone(),
    }
}

/// Masks fields of flat maps, and the delivery times in their lists of pending entries.
fn mask_flat(value: &mut Value, names: &[&str]) {
    let Value::Array(items) = value else { return };
    items.iter_mut().for_each(|item| mask_flat(item, names));
    for position in 1..items.len() {
        let (before, rest) = items.split_at_mut(position);
        if has_name(&before[position - 1], names) {
            rest[0] = masked();
        }
        if has_name(&before[position - 1], &["pending"]) {
            mask_pending(&mut rest[0], 3);
        }
    }
}

/// Masks the last but one element of each element that has at least `len_min`: a time.
fn mask_pending(value: &mut Value, len_min: usize) {
    let Value::Array(lines) = value else { return };
    for line in lines {
        if let Value::Array(parts) = line
            && parts.len() >= len_min
        {
            let time = parts.len() - 2;
            parts[time] = masked();
        }
    }
}

fn has_name(value: &Value, names: &[&str]) -> bool {
    matches!(value, Value::Bulk(text) if names.iter().any(|name| name.as_bytes() == text))
}

fn masked() -> Value {
    Value::Simple(b"(masked)".to_vec())
}

/// A reply as a person reads it, one line for each value.
pub(crate) fn show(value: &Value) -> String {
    let mut text = String::new();
    write(value, 1, &mut text);
    text
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Simple(line) => out.push_str(&format!("{indent}+{}\n", String::from_utf8_lossy(line))),
        Value::Error(line) => out.push_str(&format!("{indent}-{}\n", String::from_utf8_lossy(line))),
        Value::Integer(value) => out.push_str(&format!("{indent}:{value}\n")),
        Value::Bulk(text) => out.push_str(&format!("{indent}{:?}\n", String::from_utf8_lossy(text))),
        Value::Null => out.push_str(&format!("{indent}(null)\n")),
        Value::NullArray => out.push_str(&format!("{indent}(null array)\n")),
        Value::Array(items) => {
            out.push_str(&format!("{indent}*{}\n", items.len()));
            items.iter().for_each(|item| write(item, depth + 1, out));
        }
        Value::Map(pairs) | Value::Pairs(pairs) => {
            out.push_str(&format!("{indent}%{}\n", pairs.len()));
            for (key, value) in pairs {
                write(key, depth + 1, out);
                write(value, depth + 2, out);
            }
        }
    }
}
