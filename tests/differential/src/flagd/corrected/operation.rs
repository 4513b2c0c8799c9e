//! Operators that only see their operands' values: what the crate says, unless a correction concerns
//! exactly these.

use modelgate::value::Value;

use super::{
    Corrected, Outcome,
    core::{self, Failed, is_number, number},
};

/// Something that flagd's Go core and the crate see differently.
struct Correction {
    name: &'static str,
    why: &'static str,
    /// Whether it concerns this operator on these operands.
    concerns: fn(&str, &[Value], bool) -> bool,
    /// What the core answers.
    core: fn(&str, &[Value], bool) -> Outcome,
}

const CORRECTIONS: &[Correction] = &[
    Correction {
        name: "values of different types side by side",
        why: "flagd's Go core, with Python and Node: no match, or by their numbers; the crate: an error",
        concerns: |operator, operands, _| {
            is_comparison(operator)
                && operands.windows(2).any(|pair| class(&pair[0]) != class(&pair[1]))
        },
        core: |operator, operands, _| core::comparison(operator, operands),
    },
    Correction {
        name: "lists or objects side by side",
        why: "flagd's Go core: they equal nothing and come before nothing; the crate compares them",
        concerns: |operator, operands, _| {
            is_comparison(operator)
                && operands.iter().any(|operand| matches!(operand, Value::List(_) | Value::Map(_)))
        },
        core: |operator, operands, _| core::comparison(operator, operands),
    },
    Correction {
        name: "arithmetic with what is no number",
        why: "flagd's Go core: text by its digits or else 0, an error for anything else",
        concerns: |operator, operands, _| {
            is_arithmetic(operator) && operands.iter().any(|operand| !is_number(operand))
        },
        core: |operator, operands, _| core::arithmetic(operator, operands),
    },
    Correction {
        name: "a division by zero",
        why: "flagd's Go core: as floats divide, and what is no number then has no text; the crate: an error",
        concerns: |operator, operands, _| {
            matches!(operator, "/" | "%")
                && operands.iter().skip(1).any(|operand| number(operand) == Ok(0.0))
        },
        core: |operator, operands, _| core::arithmetic(operator, operands),
    },
    Correction {
        name: "arithmetic with one operand, or none",
        why: "flagd's Go core: `/` of one is that one, `%` of one an error",
        concerns: |operator, operands, _| is_arithmetic(operator) && operands.len() < 2,
        core: |operator, operands, _| core::arithmetic(operator, operands),
    },
    Correction {
        name: "arithmetic with what is too large for a float",
        why: "flagd's Go core has floats only; the crate keeps 64 bits of an integer",
        concerns: |operator, operands, _| {
            let large = |one: &Value| number(one).is_ok_and(|one| one.abs() >= EXACT as f64);
            is_arithmetic(operator)
                && (operands.iter().any(large)
                    || core::arithmetic(operator, operands).is_ok_and(|result| large(&result)))
        },
        core: |operator, operands, _| core::arithmetic(operator, operands),
    },
    Correction {
        name: "the text of a boolean, a list or an object",
        why: "flagd's Go core: there is none: PARSE_ERROR; the crate writes their JSON",
        concerns: |operator, operands, _| {
            matches!(operator, "cat" | "substr")
                && operands.iter().any(|operand| {
                    matches!(operand, Value::Bool(_) | Value::List(_) | Value::Map(_))
                })
        },
        core: |operator, operands, _| match operator {
            "cat" => core::cat(operands),
            _ => core::substr(operands),
        },
    },
    Correction {
        name: "the text of a number",
        why: "flagd's Go core: neither exponents nor zeros after the point, integers as floats; the crate: as JSON",
        concerns: |operator, operands, _| {
            matches!(operator, "cat" | "substr")
                && operands.iter().any(|operand| match operand {
                    Value::Float(_) => true,
                    Value::Int(value) => value.unsigned_abs() > 1 << 53,
                    _ => false,
                })
        },
        core: |operator, operands, _| match operator {
            "cat" => core::cat(operands),
            _ => core::substr(operands),
        },
    },
    Correction {
        name: "a remainder of more than two",
        why: "flagd's Go core looks at the first two; the crate goes on",
        concerns: |operator, operands, _| operator == "%" && operands.len() > 2,
        core: |operator, operands, _| core::arithmetic(operator, operands),
    },
    Correction {
        name: "blanks around joined text",
        why: "flagd's Go core cuts them off; the crate keeps them",
        concerns: |operator, operands, _| {
            operator == "cat"
                && core::cat(operands).is_ok_and(|joined| {
                    let whole: Result<String, Failed> = operands.iter().map(core::text).collect();
                    whole.is_ok_and(|whole| joined.as_str() != Some(&whole))
                })
        },
        core: |_, operands, _| core::cat(operands),
    },
    Correction {
        name: "a part of text from or to beyond it",
        why: "flagd's Go core: a start outside leaves the text whole, an end before the start is an error",
        concerns: |operator, operands, _| operator == "substr" && beyond(operands),
        core: |_, operands, _| core::substr(operands),
    },
    Correction {
        name: "an offset that is text",
        why: "flagd's Go core reads its digits; the crate: an error, or none",
        concerns: |operator, operands, _| {
            operator == "substr" && operands.iter().skip(1).any(|offset| !is_number(offset))
        },
        core: |_, operands, _| core::substr(operands),
    },
    Correction {
        name: "a zero below zero",
        why: "flagd's Go core has it, and its text is `-0`; the crate: zero",
        concerns: |operator, operands, _| {
            is_arithmetic(operator)
                && core::arithmetic(operator, operands).is_ok_and(|result| is_below_zero(&result))
        },
        core: |operator, operands, _| core::arithmetic(operator, operands),
    },
    Correction {
        name: "a list that is searched for what is no text",
        why: "flagd's Go core: numbers among texts, no list or object in a list, an error for what it cannot look for",
        concerns: |operator, operands, _| {
            operator == "in"
                && matches!(operands, [needle, Value::List(_), ..] if !matches!(needle, Value::Text(_)))
        },
        core: |_, operands, _| core::member(operands),
    },
    Correction {
        name: "a list in the list that is searched",
        why: "flagd's Go core: a range of numbers; the crate: one more element",
        concerns: |operator, operands, _| {
            let list = |element: &Value| matches!(element, Value::List(_));
            operator == "in"
                && matches!(operands, [_, Value::List(place), ..] if place.iter().any(list))
        },
        core: |_, operands, _| core::member(operands),
    },
    Correction {
        name: "what is no text searched for in text",
        why: "flagd's Go core: an error; the crate: false, or its text",
        concerns: |operator, operands, _| {
            operator == "in"
                && matches!(operands, [needle, Value::Text(_), ..] if !matches!(needle, Value::Text(_)))
        },
        core: |_, operands, _| core::member(operands),
    },
    Correction {
        name: "the truth of the list that an operator came to",
        why: "flagd's Go core: `!` and `!!` go by its first element",
        concerns: |operator, operands, listed| {
            matches!(operator, "!" | "!!") && !listed && matches!(operands, [Value::List(_)])
        },
        core: core::not,
    },
    Correction {
        name: "the truth of an object without members",
        why: "flagd's Go core: false; the crate: true",
        concerns: |operator, operands, _| {
            matches!(operator, "!" | "!!")
                && matches!(operands, [Value::Map(map), ..] if map.is_empty())
        },
        core: core::not,
    },
    Correction {
        name: "null among what is merged",
        why: "flagd's Go core: an element like any other; the crate leaves it out",
        concerns: |operator, operands, _| {
            let null = |one: &Value| matches!(one, Value::Null);
            operator == "merge"
                && operands.iter().any(|operand| {
                    null(operand) || operand.as_list().is_some_and(|list| list.iter().any(null))
                })
        },
        core: |_, operands, _| core::merge(operands),
    },
    Correction {
        name: "the end of what is no text",
        why: "flagd's suite: null unless both are text and there are two; the crate: false (Q19)",
        concerns: |operator, operands, _| {
            matches!(operator, "starts_with" | "ends_with")
                && !matches!(operands, [Value::Text(_), Value::Text(_)])
        },
        core: |_, _, _| Ok(Value::Null),
    },
];

/// The names of what concerns operators on their operands' values.
pub fn names() -> impl Iterator<Item = &'static str> {
    CORRECTIONS.iter().map(|one| one.name)
}

impl Corrected<'_> {
    pub(super) fn operation(&self, operator: &str, operands: &[Value], listed: bool) -> Outcome {
        // A list that the only argument came to stands for the operands; not so for a truth.
        let spread = match operands {
            [Value::List(list)] if !listed && !matches!(operator, "!" | "!!") => &**list,
            operands => operands,
        };
        if matches!(operator, "missing" | "missing_some") {
            return self.missing(operator, operands, listed);
        }
        let theirs = self.theirs(operator, operands, listed);
        if operator == "sem_ver" {
            return self.versions(operands, theirs);
        }
        let finite = operands
            .iter()
            .all(|operand| !matches!(operand, Value::Float(value) if !value.is_finite()));
        if let Some(one) = CORRECTIONS.iter().find(|one| (one.concerns)(operator, spread, listed)) {
            let outcome = (one.core)(operator, spread, listed);
            if !alike(outcome.as_ref().ok(), theirs.as_ref()) {
                self.note(one.name, one.why);
            }
            self.note_float(outcome.as_ref().ok(), theirs.as_ref());
            return outcome;
        }
        if !finite && let Some(outcome) = core::operation(operator, spread, listed) {
            self.note(
                "a number that is not finite",
                "flagd's Go core goes on with it; the crate has none",
            );
            return outcome;
        }
        theirs.ok_or(Failed)
    }

    /// Names what can only be told from a text: a number that is the same, and written otherwise.
    pub(super) fn note_float(&self, ours: Option<&Value>, theirs: Option<&Value>) {
        if alike(ours, theirs) && ours != theirs {
            self.note(
                "a whole number that stays a float",
                "flagd's Go core writes 1.0 as 1; the crate keeps it as it began, and its text is 1.0",
            );
        }
    }

    fn versions(&self, operands: &[Value], theirs: Option<Value>) -> Outcome {
        let [left, comparison, right] = operands else { return theirs.ok_or(Failed) };
        let strict = [strict(left), comparison.clone(), strict(right)];
        let outcome = self.theirs("sem_ver", &strict, true);
        if !alike(outcome.as_ref(), theirs.as_ref()) {
            self.note(
                "a version that is not strictly one",
                "flagd's suite: `v` dropped, parts left out, numbers, build ignored; the crate is strict (Q20)",
            );
        }
        outcome.ok_or(Failed)
    }
}

/// A version as the crate reads it: three numbers, no `v` before and no build behind them.
fn strict(version: &Value) -> Value {
    let text = match version {
        Value::Text(text) => text.to_string(),
        value if is_number(value) => core::text(value).unwrap_or_default(),
        value => return value.clone(),
    };
    let text = text.strip_prefix(['v', 'V']).unwrap_or(&text);
    let (text, build) = text.split_once('+').unwrap_or((text, "b"));
    let (numbers, release) = match text.split_once('-') {
        Some((numbers, release)) => (numbers, format!("-{release}")),
        None => (text, String::new()),
    };
    let count = numbers.split('.').count();
    let missing = ".0".repeat(3_usize.saturating_sub(count));
    let build = if semver_build(build) { "" } else { "+" };
    Value::from(format!("{numbers}{missing}{release}{build}"))
}

fn semver_build(build: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    build.split('.').all(|part| !part.is_empty() && part.bytes().all(allowed))
}

/// Whether two outcomes are the same, numbers by their values.
pub(super) fn alike(ours: Option<&Value>, theirs: Option<&Value>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => same(ours, theirs),
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    }
}

fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Int(whole), Value::Float(float)) | (Value::Float(float), Value::Int(whole)) => {
            *float == *whole as f64
                && whole.unsigned_abs() <= EXACT
                && !is_below_zero(&Value::Float(*float))
        }
        (Value::Float(a), Value::Float(b)) => {
            a == b && a.is_sign_negative() == b.is_sign_negative()
        }
        (a, b) => a == b,
    }
}

fn is_below_zero(value: &Value) -> bool {
    matches!(value, Value::Float(zero) if *zero == 0.0 && zero.is_sign_negative())
}

/// Up to here every whole number is a float.
const EXACT: u64 = 1 << 53;

fn class(value: &Value) -> &'static str {
    if is_number(value) { "number" } else { value.type_name() }
}

/// Whether the crate may leave out operands after the second.
pub(super) fn is_lazy(operator: &str) -> bool {
    is_arithmetic(operator) || is_comparison(operator)
}

fn is_comparison(operator: &str) -> bool {
    matches!(operator, "==" | "!=" | "===" | "!==" | "<" | "<=" | ">" | ">=")
}

fn is_arithmetic(operator: &str) -> bool {
    matches!(operator, "+" | "-" | "*" | "/" | "%" | "min" | "max")
}

/// Whether a `substr` starts outside of its text or ends before it starts.
fn beyond(operands: &[Value]) -> bool {
    let [source, start, rest @ ..] = operands else { return true };
    let (Ok(source), Ok(start)) = (core::text(source), number(start)) else { return true };
    let count = source.chars().count() as f64;
    let from = if start < 0.0 { count + start } else { start };
    let to = match rest.first().map(number) {
        Some(Ok(length)) if length < 0.0 => count + length,
        Some(Ok(length)) => from + length,
        _ => count,
    };
    !(0.0..=count).contains(&from) || to < from
}
