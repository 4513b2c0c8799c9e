//! Where the operators of a rule stand, kept small: a pointer is only spelled out when asked for.

use std::num::NonZeroU32;

use super::operator::Operator;
use crate::flag::problem::pointer_segment;

/// The place of an operator, as an index into the flag's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// The rule itself.
    pub(super) const ROOT: Place = Place(0);
}

/// The last steps on the way to a place, and the place they begin at.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Root,
    /// A member of any name. What is rare is boxed twice: a flag has a step for each operator.
    Name(u32, Box<Box<str>>),
    /// An operator, which may be an element of a list.
    Operator(u32, Operator, Option<Element>),
    Element(u32, Element),
}

/// An element of a list, counted from one so that none takes no room.
type Element = NonZeroU32;

#[derive(Debug)]
pub(super) struct Places(Vec<Step>);

impl Places {
    pub(super) fn new() -> Places {
        Places(vec![Step::Root])
    }

    pub(super) fn operator(
        &mut self,
        parent: Place,
        index: Option<usize>,
        operator: Operator,
    ) -> Place {
        self.push(Step::Operator(parent.0, operator, index.map(element)))
    }

    pub(super) fn name(&mut self, parent: Place, name: &str) -> Place {
        self.push(Step::Name(parent.0, Box::new(name.into())))
    }

    pub(super) fn index(&mut self, parent: Place, index: usize) -> Place {
        self.push(Step::Element(parent.0, element(index)))
    }

    pub(super) fn pointer(&self, place: Place) -> String {
        pointer(&self.0, place)
    }

    pub(super) fn into_steps(self) -> Box<[Step]> {
        self.0.into()
    }

    fn push(&mut self, step: Step) -> Place {
        self.0.push(step);
        Place((self.0.len() - 1) as u32)
    }
}

fn element(index: usize) -> Element {
    Element::MIN.saturating_add(index as u32)
}

/// The JSON pointer of a place, from the flag's own object on.
pub(super) fn pointer(steps: &[Step], place: Place) -> String {
    let mut members = Vec::new();
    let mut at = place.0;
    let index = |element: &Element| element.get() - 1;
    while let Some(step) = steps.get(at as usize) {
        let (parent, member) = match step {
            Step::Root => (at, "/targeting".to_owned()),
            Step::Name(parent, name) => (*parent, format!("/{}", pointer_segment(name))),
            Step::Operator(parent, operator, None) => (*parent, member(*operator)),
            Step::Operator(parent, operator, Some(element)) => {
                (*parent, format!("/{}{}", index(element), member(*operator)))
            }
            Step::Element(parent, element) => (*parent, format!("/{}", index(element))),
        };
        members.push(member);
        // A parent is always made before its children.
        if parent >= at {
            break;
        }
        at = parent;
    }
    members.reverse();
    members.concat()
}

fn member(operator: Operator) -> String {
    format!("/{}", pointer_segment(operator.name()))
}
