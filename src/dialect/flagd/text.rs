//! `substr`.

use super::{
    coercion::{integral, write_flat},
    evaluate::{Failed, Scene},
    expression::{Answer, Held, Scope, evaluate},
    trace::Watcher,
    tree::Expression,
};
use crate::value::ValueRef;

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
