//! Commands on keys of any type, and on byte strings.

use brooklet::Value;

use super::words::{Answer, NO_SUCH_KEY, SYNTAX, WRONG_TYPE, bulk, count, integer, is, ok, refuse, refuse_with};
use super::{Context, Held, Key, wrong_arity};

pub(crate) fn ping(_: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    match argv {
        [_] => Ok(Value::Simple(b"PONG".to_vec())),
        [_, message] => Ok(bulk(message)),
        _ => wrong_arity("ping"),
    }
}

pub(crate) fn echo(_: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    Ok(bulk(&argv[1]))
}

pub(crate) fn del(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    Ok(count(argv[1..].iter().filter(|key| context.keys.remove(*key).is_some()).count() as u64))
}

pub(crate) fn exists(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    Ok(count(argv[1..].iter().filter(|key| context.keys.contains_key(*key)).count() as u64))
}

pub(crate) fn kind(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let kind: &[u8] = match context.keys.get(&argv[1]).map(|key| &key.held) {
        None => b"none",
        Some(Held::Text(_)) => b"string",
        Some(Held::Stream(_)) => b"stream",
    };
    Ok(Value::Simple(kind.to_vec()))
}

pub(crate) fn get(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    text_at(context, &argv[1])
}

fn text_at(context: &Context<'_>, key: &[u8]) -> Answer {
    match context.keys.get(key).map(|key| &key.held) {
        None => Ok(Value::Null),
        Some(Held::Text(text)) => Ok(bulk(text)),
        Some(Held::Stream(_)) => refuse(WRONG_TYPE),
    }
}

/// When a key that SET writes expires.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Unlimited,
    Kept,
    Limited { unit_ms: i64, absolute: bool },
}

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(crate) fn set(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let (key, value) = (&argv[1], &argv[2]);
    let (mut only_new, mut only_old, mut want_old) = (false, false, false);
    let (mut life, mut life_word) = (Life::Unlimited, &argv[2]);
    let mut rest = &argv[3..];
    while let [word, tail @ ..] = rest {
        rest = tail;
        if is(word, "NX") && !only_old {
            only_new = true;
        } else if is(word, "XX") && !only_new {
            only_old = true;
        } else if is(word, "GET") {
            want_old = true;
        } else if is(word, "KEEPTTL") && matches!(life, Life::Unlimited | Life::Kept) {
            life = Life::Kept;
        } else if let (Some(limited), [amount, tail @ ..], Life::Unlimited) = (limited_life(word), rest, life) {
            (life, life_word, rest) = (limited, amount, tail);
        } else {
            return refuse(SYNTAX);
        }
    }
    let mut expires_at_ms = None;
    if let Life::Limited { unit_ms, absolute } = life {
        let amount = integer(life_word)?;
        if amount <= 0 {
            return refuse("ERR invalid expire time in 'set' command");
        }
        expires_at_ms = Some(time_after(context, amount, unit_ms, absolute, "set")?);
    }
    let old = if want_old { Some(text_at(context, key)?) } else { None };
    let exists = context.keys.contains_key(key);
    if (only_new && exists) || (only_old && !exists) {
        return Ok(old.unwrap_or(Value::Null));
    }
    if life == Life::Kept {
        expires_at_ms = context.keys.get(key).and_then(|key| key.expires_at_ms);
    }
    context.keys.insert(key.clone(), Key { held: Held::Text(value.clone()), expires_at_ms });
    if expires_at_ms.is_some_and(|at_ms| at_ms <= context.now_ms) {
        context.keys.remove(key);
    }
    Ok(old.unwrap_or_else(ok))
}

fn limited_life(word: &[u8]) -> Option<Life> {
    let units = [("EX", 1000, false), ("PX", 1, false), ("EXAT", 1000, true), ("PXAT", 1, true)];
    let (_, unit_ms, absolute) = units.into_iter().find(|(name, _, _)| is(word, name))?;
    Some(Life::Limited { unit_ms, absolute })
}

/// The time that so many units mean. Times before 0 are 0: they lie in the past in any case.
fn time_after(context: &Context<'_>, amount: i64, unit_ms: i64, absolute: bool, name: &str) -> Result<u64, Vec<u8>> {
    let start_ms = if absolute { 0 } else { context.now_ms as i64 };
    match amount.checked_mul(unit_ms).and_then(|amount_ms| amount_ms.checked_add(start_ms)) {
        Some(at_ms) => Ok(at_ms.max(0) as u64),
        None => refuse_with("ERR invalid expire time in '{}' command", &[name.as_bytes()]),
    }
}

pub(crate) fn expire(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    set_expiry(context, argv, 1000, "expire")
}

pub(crate) fn pexpire(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    set_expiry(context, argv, 1, "pexpire")
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
fn set_expiry(context: &mut Context<'_>, argv: &[Vec<u8>], unit_ms: i64, name: &str) -> Answer {
    let has = |option: &str| argv[3..].iter().any(|word| is(word, option));
    if let Some(word) = argv[3..].iter().find(|word| !["NX", "XX", "GT", "LT"].iter().any(|name| is(word, name))) {
        return refuse_with("ERR Unsupported option {}", &[word]);
    }
    if has("NX") && (has("XX") || has("GT") || has("LT")) {
        return refuse("ERR NX and XX, GT or LT options at the same time are not compatible");
    }
    if has("GT") && has("LT") {
        return refuse("ERR GT and LT options at the same time are not compatible");
    }
    let at_ms = time_after(context, integer(&argv[2])?, unit_ms, false, name)?;
    let now_ms = context.now_ms;
    let Some(key) = context.keys.get_mut(&argv[1]) else { return Ok(Value::Integer(0)) };
    let refused = match key.expires_at_ms {
        None => has("XX") || has("GT"),
        Some(old_ms) => has("NX") || (has("GT") && at_ms <= old_ms) || (has("LT") && at_ms >= old_ms),
    };
    if refused {
        return Ok(Value::Integer(0));
    }
    key.expires_at_ms = Some(at_ms);
    if at_ms <= now_ms {
        context.keys.remove(&argv[1]);
    }
    Ok(Value::Integer(1))
}

pub(crate) fn persist(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let had_expiry = context.keys.get_mut(&argv[1]).is_some_and(|key| key.expires_at_ms.take().is_some());
    Ok(Value::Integer(i64::from(had_expiry)))
}

pub(crate) fn pttl(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    Ok(Value::Integer(match context.keys.get(&argv[1]) {
        None => -2,
        Some(Key { expires_at_ms: None, .. }) => -1,
        Some(Key { expires_at_ms: Some(at_ms), .. }) => (at_ms - context.now_ms) as i64,
    }))
}

/// Seconds, rounded to the nearest.
pub(crate) fn ttl(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    match pttl(context, argv)? {
        Value::Integer(ms) if ms >= 0 => Ok(Value::Integer(ms / 1000 + i64::from(ms % 1000 >= 500))),
        other => Ok(other),
    }
}

/// The key keeps its expiry under the new name; what was there before is gone.
pub(crate) fn rename(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let Some(key) = context.keys.remove(&argv[1]) else { return refuse(NO_SUCH_KEY) };
    context.keys.insert(argv[2].clone(), key);
    Ok(ok())
}

pub(crate) fn flushdb(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let answer = check_flush_words(argv)?;
    context.keys.clear();
    Ok(answer)
}

/// FLUSHDB and FLUSHALL take `SYNC` or `ASYNC`, which mean the same here.
pub(crate) fn check_flush_words(argv: &[Vec<u8>]) -> Answer {
    match argv {
        [_] => Ok(ok()),
        [_, word] if is(word, "SYNC") || is(word, "ASYNC") => Ok(ok()),
        _ => refuse(SYNTAX),
    }
}
