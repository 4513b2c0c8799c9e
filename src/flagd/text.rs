//! Operators on text: `cat substr starts_with ends_with sem_ver`.

use std::fmt;

use super::{
    coercion::{number, whole, write_text},
    evaluate::{EvaluationFailed, Evaluator},
    expression::Evaluated,
    operand::{Operand, Operands, Scope},
    trace::Tracer,
    tree::Call,
};
use crate::{
    flag::semver::Version,
    value::{ShortText, ValueRef},
};

/// `cat`.
pub(super) fn joined(operands: &Operands<'_>) -> Result<String, EvaluationFailed> {
    let mut text = String::new();
    write_joined(operands, &mut text)?;
    Ok(text)
}

/// Writes what `cat` puts together: of several parts, without the blanks around the whole.
pub(super) fn write_joined(
    operands: &Operands<'_>,
    out: &mut impl fmt::Write,
) -> Result<(), EvaluationFailed> {
    match operands.single() {
        Some(single @ ValueRef::Text(_)) => return write_text(single, out),
        Some(_) => return Err(EvaluationFailed),
        None => {}
    }
    if operands.len() == 1 {
        return write_text(operands.at(0), out);
    }
    let mut trimmed = Trimmed::new(out);
    (0..operands.len()).try_for_each(|index| write_text(operands.at(index), &mut trimmed))
}

/// Leaves out the blanks at both ends of what is written to it, part by part.
struct Trimmed<'o, O> {
    out: &'o mut O,
    begun: bool,
    /// Blanks that belong to the text if anything else follows.
    pending: ShortText,
}

impl<O: fmt::Write> Trimmed<'_, O> {
    fn new(out: &mut O) -> Trimmed<'_, O> {
        Trimmed { out, begun: false, pending: ShortText::default() }
    }
}

impl<O: fmt::Write> fmt::Write for Trimmed<'_, O> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let text = if self.begun { text } else { text.trim_start() };
        let body = text.trim_end();
        if !body.is_empty() {
            self.begun = true;
            if !self.pending.as_str().is_empty() {
                self.out.write_str(self.pending.as_str())?;
                self.pending = ShortText::default();
            }
            self.out.write_str(body)?;
        }
        match text.get(body.len()..) {
            Some(blanks) if !blanks.is_empty() => self.pending.write_str(blanks),
            _ => Ok(()),
        }
    }
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    /// Characters from `start`, counted from the end when negative; as many as `length`, or all
    /// but as many as a negative `length`.
    pub(super) fn substring<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let operands = self.operands(call, scope)?;
        if operands.single().is_some() || operands.len() < 2 {
            return Err(EvaluationFailed);
        }
        let count = |index| number(operands.at(index)).map(whole);
        let start = count(1)?;
        let length = || if operands.len() == 3 { count(2).map(Some) } else { Ok(None) };
        let mut buffer = ShortText::default();
        let source = match operands.at(0) {
            ValueRef::Text(text) => text,
            other => {
                write_text(other, &mut buffer)?;
                buffer.as_str()
            }
        };
        let cut = slice(source, start, length)?;
        if let Operands::Listed(values) = &operands
            && let Some(Operand::Borrowed(ValueRef::Text(text))) = values.first()
        {
            return Ok(Operand::Borrowed(ValueRef::Text(slice(text, start, length)?)));
        }
        Ok(Operand::Owned(cut.into()))
    }

    pub(super) fn texts<'s>(
        &mut self,
        call: &'a Call,
        scope: Scope<'s>,
        test: fn(&str, &str) -> bool,
    ) -> Evaluated<'s>
    where
        'a: 's,
    {
        let values = self.operands(call, scope)?;
        if values.single().is_some() || values.len() != 2 {
            return Ok(Operand::NULL);
        }
        Ok(match (values.at(0), values.at(1)) {
            (ValueRef::Text(text), ValueRef::Text(end)) => test(text, end).into(),
            _ => Operand::NULL,
        })
    }

    pub(super) fn semantic_version<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let values = self.operands(call, scope)?;
        if values.single().is_some() || values.len() != 3 {
            return Ok(Operand::NULL);
        }
        let (mut left_text, mut right_text) = (ShortText::default(), ShortText::default());
        let compared = version(values.at(0), &mut left_text)
            .zip(version(values.at(2), &mut right_text))
            .and_then(|(left, right)| match values.at(1) {
                ValueRef::Text(operator) => satisfies(&left, operator, &right),
                _ => None,
            });
        Ok(compared.map_or(Operand::NULL, Operand::from))
    }
}

/// The length only matters to a start that is within the text: any other leaves it whole.
fn slice(
    text: &str,
    start: i64,
    length: impl Fn() -> Result<Option<i64>, EvaluationFailed>,
) -> Result<&str, EvaluationFailed> {
    let whole = text.chars().count() as i64;
    let from = if start < 0 { whole.wrapping_add(start) } else { start };
    if !(0..=whole).contains(&from) {
        return Ok(text);
    }
    let to = match length()? {
        None => whole,
        Some(length) if length < 0 => whole.wrapping_add(length),
        Some(length) => from.wrapping_add(length).min(whole),
    };
    if to < from {
        return Err(EvaluationFailed);
    }
    let byte = |count: i64| {
        let at = usize::try_from(count).ok().and_then(|count| text.char_indices().nth(count));
        at.map_or(text.len(), |(byte, _)| byte)
    };
    text.get(byte(from)..byte(to)).ok_or(EvaluationFailed)
}

fn version<'t>(value: ValueRef<'t>, buffer: &'t mut ShortText) -> Option<Version<'t>> {
    match value {
        ValueRef::Text(text) => Version::loose(text),
        ValueRef::Int(_) | ValueRef::Float(_) => {
            // `1.0` is the version 1, as a language without integers prints it.
            let value = number(value).ok()?;
            fmt::Write::write_fmt(buffer, format_args!("{value}")).ok()?;
            Version::loose(buffer.as_str())
        }
        _ => None,
    }
}

fn satisfies(left: &Version<'_>, operator: &str, right: &Version<'_>) -> Option<bool> {
    let order = left.precedence(right);
    Some(match operator {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "^" => left.major == right.major,
        "~" => left.major == right.major && left.minor == right.minor,
        _ => return None,
    })
}
