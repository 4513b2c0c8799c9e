//! Where the operators of a rule stand, kept small: a pointer is only spelled out when asked for.

/// The place of an operator, as an index into the flag's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// The rule itself.
    pub(super) const ROOT: Place = Place(0);
}

/// One step on the way to a place.
#[derive(Clone, Debug)]
pub(super) struct Step {
    parent: u32,
    member: Member,
}

#[derive(Clone, Debug)]
enum Member {
    Root(&'static str),
    Name(Box<str>),
    Known(&'static str),
    Index(u32),
}

#[derive(Debug)]
pub(super) struct Places(Vec<Step>);

impl Places {
    pub(super) fn new() -> Places {
        Places(vec![Step { parent: 0, member: Member::Root("/targeting") }])
    }

    pub(super) fn known(&mut self, parent: Place, name: &'static str) -> Place {
        self.push(parent, Member::Known(name))
    }

    pub(super) fn name(&mut self, parent: Place, name: &str) -> Place {
        self.push(parent, Member::Name(name.into()))
    }

    pub(super) fn index(&mut self, parent: Place, index: usize) -> Place {
        self.push(parent, Member::Index(index as u32))
    }

    pub(super) fn pointer(&self, place: Place) -> String {
        pointer(&self.0, place)
    }

    pub(super) fn into_steps(self) -> Box<[Step]> {
        self.0.into()
    }

    fn push(&mut self, parent: Place, member: Member) -> Place {
        self.0.push(Step { parent: parent.0, member });
        Place((self.0.len() - 1) as u32)
    }
}

/// The JSON pointer of a place, from the flag's own object on.
pub(super) fn pointer(steps: &[Step], place: Place) -> String {
    let mut members = Vec::new();
    let mut at = place.0;
    while let Some(step) = steps.get(at as usize) {
        members.push(match &step.member {
            Member::Root(name) => (*name).to_owned(),
            Member::Known(name) => format!("/{name}"),
            Member::Name(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Member::Index(index) => format!("/{index}"),
        });
        // A parent is always made before its children.
        if step.parent >= at {
            break;
        }
        at = step.parent;
    }
    members.reverse();
    members.concat()
}
