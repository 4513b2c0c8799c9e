//! The text by which a rule's answer names a variant: its JSON without the quotes, as flagd's Go
//! core looks it up.

use std::fmt::{self, Write};

use super::coercion::write_integer;
use crate::value::{Value, ValueRef};

/// Whether flagd's core would escape this text, and so look up a name that differs from it.
pub(super) fn is_escaped(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&'))
        || text.contains(['\u{2028}', '\u{2029}'])
}

/// Writes a rule's answer as the variant's name; an error for a number that is not finite.
pub(super) fn write(value: ValueRef<'_>, out: &mut impl Write) -> fmt::Result {
    match value {
        ValueRef::Null => out.write_str("null"),
        ValueRef::Bool(value) => out.write_str(if value { "true" } else { "false" }),
        ValueRef::Int(value) => match value.unsigned_abs() {
            ..1_000_000_000_000_000_000 => write_integer(value, out),
            _ => write_float(value as f64, out),
        },
        ValueRef::Float(value) => write_float(value, out),
        ValueRef::Text(text) => write_escaped(text, out),
        ValueRef::List(_) | ValueRef::Map(_) => write_owned(&value.to_value(), out),
    }
}

fn write_owned(value: &Value, out: &mut impl Write) -> fmt::Result {
    match value {
        Value::List(values) => {
            out.write_char('[')?;
            for (index, value) in values.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { "," })?;
                write_owned(value, out)?;
            }
            out.write_char(']')
        }
        Value::Map(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.write_char('{')?;
            for (index, (name, value)) in members.into_iter().enumerate() {
                out.write_str(if index == 0 { "" } else { "," })?;
                write_escaped(name, out)?;
                out.write_char(':')?;
                write_owned(value, out)?;
            }
            out.write_char('}')
        }
        value => write(value.borrow(), out),
    }
}

/// Escapes text as Go's `encoding/json` does by default, which makes it safe inside HTML, without the quotes.
fn write_escaped(text: &str, out: &mut impl Write) -> fmt::Result {
    if !is_escaped(text) {
        return out.write_str(text);
    }
    for character in text.chars() {
        match character {
            '"' => out.write_char('\\')?,
            '\\' => out.write_str("\\\\")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(character))?;
            }
            character => out.write_char(character)?,
        }
    }
    Ok(())
}

/// A float as Go's `encoding/json` writes it: with an exponent from 1e21 up and below 1e-6.
fn write_float(value: f64, out: &mut impl Write) -> fmt::Result {
    let size = value.abs();
    if !value.is_finite() {
        Err(fmt::Error)
    } else if size >= 1e21 {
        let text = format!("{value:e}");
        out.write_str(&text.replace('e', "e+"))
    } else if size != 0.0 && size < 1e-6 {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    }
}
