//! Operators on text: `substr starts_with ends_with sem_ver`.

use std::fmt;

use super::{
    coercion::{integral, number, write_flat},
    evaluate::{Failed, Scene},
    expression::{Answer, Held, Scope, evaluate},
    trace::Watcher,
    tree::Expression,
};
use crate::{
    flag::semver::Version,
    value::{ShortText, ValueRef},
};

impl<'a, W: Watcher> Scene<'a, W> {
    /// Characters from `start`, counted from the end when negative; as many as `length`, or all
    /// but as many as a negative `length`.
    pub(super) fn substring<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        let Some(source) = arguments.first() else { return Ok(Held::Borrowed(ValueRef::Text(""))) };
        let source = evaluate(source, self, scope)?;
        let start = self.count(arguments.get(1), scope)?.unwrap_or(0);
        let length = self.count(arguments.get(2), scope)?;
        if let Held::Borrowed(ValueRef::Text(text)) = source {
            return Ok(Held::Borrowed(ValueRef::Text(slice(text, start, length))));
        }
        let mut text = String::new();
        write_flat(source.borrow(), &mut text).map_err(|_| Failed)?;
        Ok(Held::Owned(slice(&text, start, length).into()))
    }

    pub(super) fn texts<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
        test: fn(&str, &str) -> bool,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        let values = self.all(arguments, scope)?;
        Ok(match &*values {
            [text, end] => match (text.borrow(), end.borrow()) {
                (ValueRef::Text(text), ValueRef::Text(end)) => test(text, end).into(),
                _ => Held::NULL,
            },
            _ => Held::NULL,
        })
    }

    pub(super) fn semantic_version<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        let values = self.all(arguments, scope)?;
        let [left, operator, right] = &*values else { return Ok(Held::NULL) };
        let (mut left_text, mut right_text) = (ShortText::default(), ShortText::default());
        let compared = version(left.borrow(), &mut left_text)
            .zip(version(right.borrow(), &mut right_text))
            .and_then(|(left, right)| match operator.borrow() {
                ValueRef::Text(operator) => satisfies(&left, operator, &right),
                _ => None,
            });
        Ok(compared.map_or(Held::NULL, Held::from))
    }

    fn count(
        &mut self,
        argument: Option<&'a Expression>,
        scope: Scope<'_>,
    ) -> Result<Option<i64>, Failed> {
        let Some(argument) = argument else { return Ok(None) };
        Ok(integral(evaluate(argument, self, scope)?.borrow()))
    }
}

fn slice(text: &str, start: i64, length: Option<i64>) -> &str {
    let whole = text.chars().count();
    let back =
        |count: i64| whole.saturating_sub(usize::try_from(count.unsigned_abs()).unwrap_or(whole));
    let from =
        if start < 0 { back(start) } else { usize::try_from(start).unwrap_or(whole).min(whole) };
    let to = match length {
        None => whole,
        Some(length) if length < 0 => back(length),
        Some(length) => from.saturating_add(usize::try_from(length).unwrap_or(whole)).min(whole),
    };
    let byte = |count: usize| text.char_indices().nth(count).map_or(text.len(), |(byte, _)| byte);
    text.get(byte(from)..byte(to)).unwrap_or("")
}

fn version<'t>(value: ValueRef<'t>, buffer: &'t mut ShortText) -> Option<Version<'t>> {
    match value {
        ValueRef::Text(text) => Version::loose(text),
        ValueRef::Int(_) | ValueRef::Float(_) => {
            // `1.0` is the version 1, as a language without integers prints it.
            let value = number(value)?;
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
