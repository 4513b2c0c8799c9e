//! What flagd's Go core answers for an operator's operands, restated in the plainest way: slow, and
//! apart from the code that is tested.

use std::cmp::Ordering;

use modelgate::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

pub type Outcome = Result<Value, Failed>;

pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Int(value) => *value != 0,
        Value::Float(value) => *value != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::List(list) => !list.is_empty(),
        Value::Map(map) => !map.is_empty(),
        _ => unreachable!("a kind of value that these tests do not know"),
    }
}

/// A value as comparisons see it.
fn comparable(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Null => 0.0,
        Value::Text(text) if text.trim().is_empty() => 0.0,
        Value::Text(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// A value as arithmetic sees it.
pub fn number(value: &Value) -> Result<f64, Failed> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        Value::Text(text) => Ok(text.parse().unwrap_or(0.0)),
        _ => Err(Failed),
    }
}

pub fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_))
}

pub fn from_float(value: f64) -> Value {
    let whole = value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0;
    if whole && !(value == 0.0 && value.is_sign_negative()) {
        Value::Int(value as i64)
    } else {
        Value::Float(value)
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Null, other) | (other, Value::Null) => matches!(other, Value::Null),
        _ => comparable(left) == comparable(right),
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Bool(_), Value::Bool(_)) | (Value::Text(_), Value::Text(_)) => equal(left, right),
        (Value::Null, Value::Null) => true,
        _ => is_number(left) && is_number(right) && equal(left, right),
    }
}

fn in_order(operator: &str, left: &Value, right: &Value) -> bool {
    let order = match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => comparable(left).partial_cmp(&comparable(right)),
    };
    let one_null = matches!(left, Value::Null) != matches!(right, Value::Null);
    match (operator, order) {
        (_, None) => false,
        ("<" | "<=", Some(Ordering::Less)) | (">" | ">=", Some(Ordering::Greater)) => true,
        ("<=" | ">=", Some(Ordering::Equal)) => !one_null,
        _ => false,
    }
}

pub fn comparison(operator: &str, operands: &[Value]) -> Outcome {
    let [left, right, rest @ ..] = operands else {
        return Ok(Value::Bool(matches!(operator, "!=" | "!==")));
    };
    Ok(Value::Bool(match operator {
        "==" => equal(left, right),
        "!=" => !equal(left, right),
        "===" => same(left, right),
        "!==" => !same(left, right),
        _ => {
            let third = match rest {
                [third] => in_order(operator, right, third),
                _ => true,
            };
            in_order(operator, left, right) && third
        }
    }))
}

pub fn arithmetic(operator: &str, operands: &[Value]) -> Outcome {
    if operands.is_empty() {
        return match operator {
            "+" => Ok(Value::Int(0)),
            "*" => Ok(Value::Int(1)),
            "min" | "max" => Ok(Value::Null),
            _ => Err(Failed),
        };
    }
    let numbers = operands.iter().map(number).collect::<Result<Vec<_>, _>>();
    if operator == "%" {
        // Only two of them are looked at.
        let [left, right, ..] = operands else { return Err(Failed) };
        return Ok(from_float(number(left)? % number(right)?));
    }
    let numbers = numbers?;
    let first = numbers[0];
    let rest = numbers[1..].iter().copied();
    Ok(from_float(match operator {
        "+" if numbers.len() == 1 => first,
        // From zero: the sum of zeros below zero is none.
        "+" => numbers.iter().fold(0.0, |a, b| a + b),
        "*" => rest.fold(first, |a, b| a * b),
        "-" if numbers.len() == 1 => -first,
        "-" => rest.fold(first, |a, b| a - b),
        "/" => rest.fold(first, |a, b| a / b),
        "min" => rest.fold(first, |a, b| if b < a { b } else { a }),
        _ => rest.fold(first, |a, b| if b > a { b } else { a }),
    }))
}

/// The text of a value where operators want text.
pub fn text(value: &Value) -> Result<String, Failed> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Text(text) => Ok(text.to_string()),
        Value::Int(value) => Ok((*value as f64).to_string()),
        Value::Float(value) if value.is_infinite() => {
            Ok(if *value > 0.0 { "+Inf" } else { "-Inf" }.to_owned())
        }
        Value::Float(value) => Ok(value.to_string()),
        _ => Err(Failed),
    }
}

pub fn cat(operands: &[Value]) -> Outcome {
    let parts = operands.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let whole = parts.concat();
    Ok(Value::from(if operands.len() == 1 { whole } else { whole.trim().to_owned() }))
}

pub fn substr(operands: &[Value]) -> Outcome {
    let [source, start, rest @ ..] = operands else { return Err(Failed) };
    let whole = |value: &Value| number(value).map(|value| value as i64);
    let start = whole(start)?;
    let source = text(source)?;
    let characters: Vec<char> = source.chars().collect();
    let count = characters.len() as i64;
    let from = if start < 0 { count + start } else { start };
    if !(0..=count).contains(&from) {
        return Ok(Value::from(source));
    }
    let to = match rest {
        [length] => match whole(length)? {
            length if length < 0 => count + length,
            length => from.saturating_add(length).min(count),
        },
        _ => count,
    };
    if to < from {
        return Err(Failed);
    }
    Ok(Value::from(characters[from as usize..to as usize].iter().collect::<String>()))
}

pub fn member(operands: &[Value]) -> Outcome {
    let [needle, place, ..] = operands else { return Err(Failed) };
    match (place, needle) {
        (Value::Text(place), Value::Text(needle)) => Ok(Value::Bool(place.contains(&**needle))),
        (Value::Text(_), _) => Err(Failed),
        (Value::List(list), needle) => {
            for element in list {
                if found(needle, element)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        _ => Ok(Value::Bool(false)),
    }
}

fn found(needle: &Value, element: &Value) -> Result<bool, Failed> {
    match (needle, element) {
        (needle, Value::List(range)) => {
            let [from, to, ..] = &range[..] else { return Err(Failed) };
            let value = number(needle)?;
            Ok(value >= number(from)? && value <= number(to)?)
        }
        (Value::Int(_) | Value::Float(_), element) => Ok(number(element)? == number(needle)?),
        (Value::Map(_), Value::Map(_)) => Err(Failed),
        (needle, element) => Ok(same(needle, element)),
    }
}

pub fn not(operator: &str, operands: &[Value], listed: bool) -> Outcome {
    let truth = match operands.first() {
        Some(Value::List(list)) if !listed => list.first().is_some_and(truthy),
        first => first.is_some_and(truthy),
    };
    Ok(Value::Bool(truth == (operator == "!!")))
}

pub fn merge(operands: &[Value]) -> Outcome {
    let merged = operands.iter().flat_map(|operand| match operand {
        Value::List(list) => list.clone(),
        other => vec![other.clone()],
    });
    Ok(Value::List(merged.collect()))
}

/// An answer as the core writes it before it looks for the variant.
pub fn answer_text(value: &Value) -> Result<String, Failed> {
    Ok(match value {
        Value::Text(text) => escaped(text),
        Value::Int(_) | Value::Float(_) => json_number(number(value)?)?,
        Value::List(list) => {
            let elements = list.iter().map(answer_text).collect::<Result<Vec<_>, _>>()?;
            format!("[{}]", elements.join(","))
        }
        Value::Map(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members
                .into_iter()
                .map(|(name, value)| Ok(format!("{}:{}", escaped(name), answer_text(value)?)))
                .collect::<Result<Vec<_>, _>>()?;
            format!("{{{}}}", members.join(","))
        }
        Value::Bool(value) => value.to_string(),
        _ => "null".to_owned(),
    })
}

/// JSON as it is safe inside of HTML, less the quotes.
fn escaped(text: &str) -> String {
    let json = serde_json::to_string(text).expect("text is JSON");
    let mut safe = String::new();
    for character in json.chars().filter(|character| *character != '"') {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                safe.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => safe.push(other),
        }
    }
    safe
}

fn json_number(value: f64) -> Result<String, Failed> {
    let size = value.abs();
    if !value.is_finite() {
        return Err(Failed);
    }
    let exponent = size != 0.0 && !(1e-6..1e21).contains(&size);
    let text = if exponent { format!("{value:e}") } else { value.to_string() };
    Ok(if size >= 1e21 { text.replace('e', "e+") } else { text })
}

/// Any of these operators; nothing for those whose operands are no numbers anyway.
pub fn operation(operator: &str, operands: &[Value], listed: bool) -> Option<Outcome> {
    Some(match operator {
        "cat" => cat(operands),
        "substr" => substr(operands),
        "in" => member(operands),
        "!" | "!!" => not(operator, operands, listed),
        "merge" => merge(operands),
        "+" | "-" | "*" | "/" | "%" | "min" | "max" => arithmetic(operator, operands),
        "==" | "!=" | "===" | "!==" | "<" | "<=" | ">" | ">=" => comparison(operator, operands),
        _ => return None,
    })
}
