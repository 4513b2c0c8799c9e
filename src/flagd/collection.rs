//! Operators on lists: `map filter reduce all some none merge missing missing_some`.

use super::{
    coercion::{integral, owned_map, truthy},
    evaluate::{Failed, Scene},
    expression::{Answer, Held, Scope, evaluate},
    trace::Watcher,
    tree::Expression,
};
use crate::value::{Map, Value, ValueRef};

/// How many elements one evaluation may go through: lists in lists multiply.
const VISITS: u32 = 1_000_000;

/// How many bytes and elements `reduce` may pile up.
const PILE: usize = 1 << 20;

impl<W> Scene<'_, W> {
    fn visit(&mut self) -> Result<(), Failed> {
        self.visited += 1;
        if self.visited > VISITS { Err(Failed) } else { Ok(()) }
    }
}

/// Roughly how much memory a value takes.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => 1 + text.len(),
        Value::List(values) => values.iter().map(size).fold(1, usize::saturating_add),
        Value::Map(map) => map
            .iter()
            .map(|(name, value)| size(value).saturating_add(name.len()))
            .fold(1, usize::saturating_add),
        _ => 1,
    }
}

pub(super) enum Quantifier {
    Every,
    Some,
    None,
}

/// What an operator goes through.
enum Items<'s> {
    None,
    List(Held<'s>),
    Members(Map),
    Single(Held<'s>),
}

impl<'s> Items<'s> {
    fn of(value: Held<'s>) -> Items<'s> {
        match value.borrow() {
            ValueRef::Null => Items::None,
            ValueRef::List(_) => Items::List(value),
            ValueRef::Map(_) => Items::Members(owned_map(value.borrow())),
            _ => Items::Single(value),
        }
    }

    /// Visits each element, with its name if it has one, until `visit` says to stop.
    fn each(
        &self,
        mut visit: impl FnMut(Option<&str>, ValueRef<'_>) -> Result<bool, Failed>,
    ) -> Result<(), Failed> {
        match self {
            Items::None => {}
            Items::Single(value) => {
                visit(None, value.borrow())?;
            }
            Items::Members(map) => {
                for (name, value) in map.iter() {
                    if !visit(Some(name), value.borrow())? {
                        break;
                    }
                }
            }
            Items::List(list) => {
                if let ValueRef::List(list) = list.borrow() {
                    for index in 0..list.len() {
                        if !visit(None, list.element(index).unwrap_or_default())? {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

pub(super) fn map<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Answer<'s> {
    let [list, body] = arguments else { return Err(Failed) };
    let items = Items::of(evaluate(list, scene, scope)?);
    let mut mapped = Vec::new();
    items.each(|_, item| {
        scene.visit()?;
        mapped.push(evaluate(body, scene, Scope::Element(item))?.into_value());
        Ok(true)
    })?;
    Ok(Held::Owned(Value::List(mapped)))
}

pub(super) fn filter<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Answer<'s> {
    let [list, body] = arguments else { return Err(Failed) };
    let items = Items::of(evaluate(list, scene, scope)?);
    if matches!(items, Items::Single(_)) {
        return Err(Failed);
    }
    let (mut kept, mut members) = (Vec::new(), Map::new());
    items.each(|name, item| {
        scene.visit()?;
        if truthy(evaluate(body, scene, Scope::Element(item))?.borrow()) {
            match name {
                Some(name) => drop(members.insert(name, item.to_value())),
                None => kept.push(item.to_value()),
            }
        }
        Ok(true)
    })?;
    Ok(Held::Owned(match items {
        Items::Members(_) => Value::Map(members),
        _ => Value::List(kept),
    }))
}

pub(super) fn reduce<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Answer<'s> {
    let (list, body, start) = match arguments {
        [list, body] => (list, body, None),
        [list, body, start] => (list, body, Some(start)),
        _ => return Err(Failed),
    };
    let items = Items::of(evaluate(list, scene, scope)?);
    let start = match start {
        Some(start) => evaluate(start, scene, scope)?,
        None => Held::NULL,
    };
    if matches!(items, Items::Single(_) | Items::None) {
        return Ok(start);
    }
    let mut result = start.into_value();
    items.each(|_, item| {
        scene.visit()?;
        let step = Scope::Step { current: item, accumulator: result.borrow() };
        result = evaluate(body, scene, step)?.into_value();
        if size(&result) > PILE {
            return Err(Failed);
        }
        Ok(true)
    })?;
    Ok(Held::Owned(result))
}

pub(super) fn quantify<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
    quantifier: Quantifier,
) -> Answer<'s> {
    let [list, body] = arguments else { return Err(Failed) };
    let items = Items::of(evaluate(list, scene, scope)?);
    let (mut seen, mut stopped) = (false, false);
    let stop_at = !matches!(quantifier, Quantifier::Every);
    if !matches!(items, Items::Single(_)) {
        items.each(|_, item| {
            scene.visit()?;
            seen = true;
            let truth = truthy(evaluate(body, scene, Scope::Element(item))?.borrow());
            stopped = truth == stop_at;
            Ok(!stopped)
        })?;
    }
    Ok(match quantifier {
        Quantifier::Every => seen && !stopped,
        Quantifier::Some => stopped,
        Quantifier::None => !stopped,
    }
    .into())
}

pub(super) fn merge<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Answer<'s> {
    let mut merged = Vec::new();
    for argument in arguments {
        match evaluate(argument, scene, scope)?.into_value() {
            Value::List(values) => {
                merged.extend(values.into_iter().filter(|value| *value != Value::Null));
            }
            Value::Null => {}
            value => merged.push(value),
        }
    }
    Ok(Held::Owned(Value::List(merged)))
}

pub(super) fn missing<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Answer<'s> {
    let mut missing = Vec::new();
    for argument in arguments {
        let names = evaluate(argument, scene, scope)?;
        match names.borrow() {
            ValueRef::List(list) => {
                for name in (0..list.len()).filter_map(|index| list.element(index)) {
                    note_missing(scene, name, scope, &mut missing);
                }
            }
            name => note_missing(scene, name, scope, &mut missing),
        }
    }
    Ok(Held::Owned(Value::List(missing)))
}

pub(super) fn missing_some<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Answer<'s> {
    let [wanted, names, ..] = arguments else { return Ok(Held::Owned(Value::List(Vec::new()))) };
    let wanted = evaluate(wanted, scene, scope)?;
    let wanted = integral(wanted.borrow()).unwrap_or(1);
    let names = evaluate(names, scene, scope)?;
    let mut missing = Vec::new();
    if let ValueRef::List(list) = names.borrow() {
        let mut present = 0_i64;
        for name in (0..list.len()).filter_map(|index| list.element(index)) {
            let before = missing.len();
            note_missing(scene, name, scope, &mut missing);
            present += i64::from(matches!(name, ValueRef::Text(_)) && missing.len() == before);
        }
        if present >= wanted {
            missing.clear();
        }
    }
    Ok(Held::Owned(Value::List(missing)))
}

/// Notes a name that leads nowhere. What is no text is no name.
fn note_missing<'a: 's, 's, W: Watcher>(
    scene: &mut Scene<'a, W>,
    name: ValueRef<'_>,
    scope: Scope<'s>,
    missing: &mut Vec<Value>,
) {
    if matches!(name, ValueRef::Text(_)) && scene.computed(name, scope).is_none() {
        missing.push(name.to_value());
    }
}
