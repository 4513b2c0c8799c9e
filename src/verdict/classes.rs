//! Predicted classes, interned as small numbers.

use std::{borrow::Borrow, collections::HashMap, fmt::Display, hash::Hash};

use crate::compare::HasLabel;

/// The number of a class in this process.
pub(super) type Class = u16;
/// No class: the version failed or named none, or there are too many.
pub(super) const NONE: Class = Class::MAX;
/// Classes beyond this many have no number. Below [`NONE`], so that no class is taken for it.
const MOST: usize = 60_000;

/// Numbers the classes that versions name.
pub(super) trait Classes<P, L>: Send {
    /// The class of this answer, numbered when it is first met; only then does it allocate.
    fn predicted(&mut self, output: &P) -> Class;
    /// The class of this label; `None` when it names none.
    fn truth(&self, label: &L) -> Option<Class>;
    /// What a class is called.
    fn name(&self, class: Class) -> &str;
}

pub(super) struct ClassTable<K: ToOwned + ?Sized> {
    numbers: HashMap<K::Owned, Class>,
    names: Vec<String>,
}

impl<K: ToOwned + ?Sized> Default for ClassTable<K> {
    fn default() -> ClassTable<K> {
        ClassTable { numbers: HashMap::new(), names: Vec::new() }
    }
}

impl<K> ClassTable<K>
where
    K: ToOwned<Owned: Eq + Hash> + Eq + Hash + Display + ?Sized,
{
    pub(super) fn number(&mut self, class: &K) -> Class {
        if let Some(known) = self.numbers.get(class) {
            return *known;
        }
        if self.names.len() >= MOST {
            return NONE;
        }
        let number = Class::try_from(self.names.len()).unwrap_or(NONE);
        self.names.push(class.to_string());
        self.numbers.insert(class.to_owned(), number);
        number
    }

    /// [`NONE`] for a label that no version has predicted: by it every prediction is wrong.
    pub(super) fn known(&self, class: &K) -> Class {
        self.numbers.get(class).copied().unwrap_or(NONE)
    }

    pub(super) fn called(&self, class: Class) -> &str {
        self.names.get(usize::from(class)).map_or("none", String::as_str)
    }
}

impl<P, L> Classes<P, L> for ClassTable<P::Label>
where
    P: HasLabel,
    P::Label: ToOwned<Owned: Eq + Hash + Send + Sync> + Eq + Hash + Display,
    L: Borrow<P::Label>,
{
    fn predicted(&mut self, output: &P) -> Class {
        self.number(output.label())
    }
    fn truth(&self, label: &L) -> Option<Class> {
        Some(self.known(label.borrow()))
    }
    fn name(&self, class: Class) -> &str {
        self.called(class)
    }
}
