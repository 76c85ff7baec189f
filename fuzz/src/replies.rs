//! What holds for every reply, whatever was asked.

use brooklet::{Reply, Token, Value};

/// The reply as a tree, after its form was checked.
pub(super) fn read(reply: &Reply) -> Value {
    check_form(reply);
    reply.to_value().expect("a reply holds a value")
}

/// One whole value and nothing behind it: the counts of the containers add up, and so do the lengths of the texts. No
/// line contains the end of a line, which would forge a second reply.
fn check_form(reply: &Reply) {
    let mut missing = 1_usize;
    let mut text_bytes = 0;
    for token in reply.tokens() {
        assert!(missing > 0, "a value follows a complete reply");
        missing -= 1;
        match token {
            Token::Simple(line) | Token::Error(line) => {
                assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n')), "a line within a line");
                text_bytes += line.len();
            }
            Token::Bulk(text) => text_bytes += text.len(),
            Token::Array(len) => missing += len,
            Token::Map(len) | Token::Pairs(len) => missing += 2 * len,
            Token::Integer(_) | Token::Id(_) | Token::Null | Token::NullArray => {}
        }
    }
    assert_eq!(missing, 0, "a reply ends before its containers are full");
    assert_eq!(text_bytes, reply.text().len(), "text that belongs to no value");
}

pub(super) fn is_error(value: &Value) -> bool {
    matches!(value, Value::Error(_))
}
