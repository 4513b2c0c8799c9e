//! Compiling constraints.

use std::sync::Arc;

use super::{
    compile::{CompileError, quotable},
    field::Field,
    lowercase::Needle,
    model,
    network::Network,
    shape::{ShapeError, TypedValue},
    tree::{Constraint, Order, Test},
};
use crate::flag::pattern::Pattern;

/// What is wrong with a value that ends in a backslash: the vendor's engine takes it for the
/// escape of the quote that it puts behind the value.
const BACKSLASH: &str = "a backslash at the end";

/// Compiles a constraint. `last` is the field of the one before, which this one shares if it is the
/// same: evaluation then need not look for it again.
pub(super) fn constraint(
    constraint: &model::Constraint<'_>,
    last: &mut Option<Arc<Field>>,
) -> Result<Constraint, CompileError> {
    let inverted = constraint.inverted.unwrap_or(false);
    let lower = constraint.case_insensitive.unwrap_or(false);
    let operator = &*constraint.operator;
    let (operator, test, inverted) = match operator {
        "IN" => ("IN", Test::OneOf(texts(constraint)?.collect()), inverted),
        "NOT_IN" => ("NOT_IN", Test::OneOf(texts(constraint)?.collect()), !inverted),
        "STR_STARTS_WITH" if lower => {
            ("STR_STARTS_WITH", Test::StartsLower(needles(constraint)?), inverted)
        }
        "STR_STARTS_WITH" => ("STR_STARTS_WITH", Test::Starts(some_texts(constraint)?), inverted),
        "STR_ENDS_WITH" if lower => {
            ("STR_ENDS_WITH", Test::EndsLower(needles(constraint)?), inverted)
        }
        "STR_ENDS_WITH" => ("STR_ENDS_WITH", Test::Ends(some_texts(constraint)?), inverted),
        "STR_CONTAINS" if lower => {
            ("STR_CONTAINS", Test::ContainsLower(needles(constraint)?), inverted)
        }
        "STR_CONTAINS" => ("STR_CONTAINS", Test::Contains(some_texts(constraint)?), inverted),
        "REGEX" => ("REGEX", pattern(constraint, lower)?, inverted),
        "IN_CIDR" => {
            let networks = some_texts(constraint)?;
            let networks = networks.iter().filter_map(|text| Network::read(text));
            ("IN_CIDR", Test::Networks(networks.collect()), inverted)
        }
        "NUM_EQ" => ("NUM_EQ", compared(constraint, Order::Equal)?, inverted),
        "NUM_GT" => ("NUM_GT", compared(constraint, Order::Greater)?, inverted),
        "NUM_GTE" => ("NUM_GTE", compared(constraint, Order::GreaterOrEqual)?, inverted),
        "NUM_LT" => ("NUM_LT", compared(constraint, Order::Less)?, inverted),
        "NUM_LTE" => ("NUM_LTE", compared(constraint, Order::LessOrEqual)?, inverted),
        "DATE_AFTER" => ("DATE_AFTER", compared(constraint, Order::Greater)?, inverted),
        "DATE_BEFORE" => ("DATE_BEFORE", compared(constraint, Order::Less)?, inverted),
        "SEMVER_EQ" => return version(constraint, last, "SEMVER_EQ", Order::Equal),
        "SEMVER_LT" => return version(constraint, last, "SEMVER_LT", Order::Less),
        "SEMVER_GT" => return version(constraint, last, "SEMVER_GT", Order::Greater),
        "SEMVER_LTE" => return version(constraint, last, "SEMVER_LTE", Order::LessOrEqual),
        "SEMVER_GTE" => return version(constraint, last, "SEMVER_GTE", Order::GreaterOrEqual),
        unknown => {
            let found = format!("`{}`", shortened(unknown));
            return Err(CompileError::new("/operator", found, "an operator of Unleash"));
        }
    };
    Ok(Constraint { field: field(constraint, last)?, operator, test, inverted })
}

fn field(
    constraint: &model::Constraint<'_>,
    last: &mut Option<Arc<Field>>,
) -> Result<Arc<Field>, CompileError> {
    let name = &*constraint.context_name;
    if let Some(last) = last.as_ref().filter(|last| last.name() == name) {
        return Ok(Arc::clone(last));
    }
    let field = Field::named(name);
    if let Field::Property(name) = &field {
        quotable("/contextName", name)?;
    }
    let field = Arc::new(field);
    *last = Some(Arc::clone(&field));
    Ok(field)
}

fn texts<'m>(
    constraint: &'m model::Constraint<'_>,
) -> Result<impl Iterator<Item = &'m str>, CompileError> {
    match constraint.values.iter().position(|value| value.ends_with('\\')) {
        Some(index) => {
            Err(CompileError::new(format!("/values/{index}"), BACKSLASH, "text without it"))
        }
        None => Ok(constraint.values.iter().map(|value| &**value)),
    }
}

fn some_texts(constraint: &model::Constraint<'_>) -> Result<Box<[Box<str>]>, CompileError> {
    if constraint.values.is_empty() {
        return Err(CompileError::new("/values", "nothing", "at least one value"));
    }
    Ok(texts(constraint)?.map(Into::into).collect())
}

fn needles(constraint: &model::Constraint<'_>) -> Result<Box<[Needle]>, CompileError> {
    Ok(some_texts(constraint)?.iter().map(|text| Needle::new(text)).collect())
}

fn pattern(constraint: &model::Constraint<'_>, lower: bool) -> Result<Test, CompileError> {
    let text = constraint.value.as_deref().unwrap_or_default();
    if text.ends_with('\\') {
        return Err(CompileError::new("/value", BACKSLASH, "a pattern without it"));
    }
    Ok(match Pattern::new(text, lower) {
        Some(pattern) => Test::Pattern(Box::new(pattern)),
        None => Test::Never,
    })
}

/// A comparison by the kind of value that is written there, whatever the operator's name says.
fn compared(constraint: &model::Constraint<'_>, order: Order) -> Result<Test, CompileError> {
    let expected = "a number, a semantic version or a date";
    let Some(value) = constraint.value.as_deref() else {
        return Err(CompileError::new("/value", "nothing", expected));
    };
    match TypedValue::read(value) {
        Ok(TypedValue::Number(number)) => Ok(Test::Number(number, order)),
        Ok(TypedValue::Date(date)) => Ok(Test::Date(date, order)),
        Ok(TypedValue::Version(version)) => Ok(Test::Version(version, order)),
        Err(misshapen) => {
            let found = format!("`{}`", shortened(value));
            let expected = match misshapen {
                ShapeError::Date => "a date that there is",
                ShapeError::Version => "a strict semantic version",
                ShapeError::Other => expected,
            };
            Err(CompileError::new("/value", found, expected))
        }
    }
}

fn version(
    constraint: &model::Constraint<'_>,
    last: &mut Option<Arc<Field>>,
    operator: &'static str,
    order: Order,
) -> Result<Constraint, CompileError> {
    if constraint.value.as_deref().is_some_and(|value| value.starts_with('v')) {
        // Never met, not even when it is inverted, and its field never read.
        let field = Arc::new(Field::named(&constraint.context_name));
        return Ok(Constraint { field, operator, test: Test::Never, inverted: false });
    }
    let test = compared(constraint, order)?;
    let inverted = constraint.inverted.unwrap_or(false);
    Ok(Constraint { field: field(constraint, last)?, operator, test, inverted })
}

/// At most forty characters of a text.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
