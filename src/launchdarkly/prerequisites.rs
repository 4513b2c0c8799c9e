//! Prerequisites: flags that must serve a variation before another flag is asked.

use smallvec::SmallVec;

use super::{
    evaluate::{Cause, Evaluated, MALFORMED, PrerequisiteVisit},
    evaluator::Evaluator,
    trace::Tracer,
    tree::{LaunchDarklyFlag, Prerequisite},
    visited::VisitStage,
};

impl<'a, T: Tracer<'a>> Evaluator<'a, T> {
    /// What a flag serves because of its prerequisites; `None` when they hold. They are gone through
    /// depth first, with a stack of our own: data may chain them as deep as it likes.
    #[inline(never)]
    pub(super) fn prerequisites(&mut self, root: &'a LaunchDarklyFlag) -> Option<Evaluated<'a>> {
        let mut frames: SmallVec<[(&'a LaunchDarklyFlag, usize); 4]> = SmallVec::new();
        frames.push((root, 0));
        self.flags.open(root);
        // Whether the flag on top is asked again, as one of its prerequisites has just been evaluated.
        let mut returned = false;
        while let Some((flag, next)) = frames.last_mut() {
            let flag = *flag;
            let evaluated = match flag.prerequisites.get(*next) {
                Some(prerequisite) => {
                    match self.prerequisite(flag, prerequisite, std::mem::take(&mut returned)) {
                        PrerequisiteState::Holds => {
                            *next += 1;
                            continue;
                        }
                        PrerequisiteState::Fails => flag.failed(prerequisite),
                        PrerequisiteState::Enter(inner) => {
                            self.flags.open(inner);
                            self.tracer.enters("flags", &inner.key);
                            frames.push((inner, 0));
                            continue;
                        }
                        PrerequisiteState::Malformed => return Some(MALFORMED),
                    }
                }
                None if frames.len() == 1 => return None,
                None => self.decide(flag),
            };
            if frames.len() == 1 || matches!(evaluated.why, Cause::Error(_)) {
                return Some(evaluated);
            }
            // The flag that requires it is asked again, and finds the answer among the visited.
            self.flags.close(flag, evaluated.variation);
            self.tracer.leaves();
            frames.pop();
            returned = true;
            if let Some((of, next)) = frames.last()
                && let Some(prerequisite) = of.prerequisites.get(*next)
            {
                let (key, variation) = (&*prerequisite.key, evaluated.variation);
                let evaluated = Some(evaluated);
                let visit = PrerequisiteVisit { flag, of, key, variation, evaluated };
                self.tracer.prerequisite(visit);
            }
        }
        None
    }

    fn prerequisite(
        &mut self,
        of: &'a LaunchDarklyFlag,
        prerequisite: &'a Prerequisite,
        returned: bool,
    ) -> PrerequisiteState<'a> {
        let key = &*prerequisite.key;
        let flag = self.set.get(key).and_then(LaunchDarklyFlag::of);
        let Some(flag) = flag else {
            self.tracer.note(|| format!("prerequisite `{key}`: there is no such flag"));
            return PrerequisiteState::Fails;
        };
        match self.flags.stage(flag) {
            VisitStage::Open => {
                self.tracer.note(|| format!("prerequisite `{key}` refers to itself"));
                PrerequisiteState::Malformed
            }
            VisitStage::Done(variation) => {
                if !returned {
                    let visit = PrerequisiteVisit { flag, of, key, variation, evaluated: None };
                    self.tracer.prerequisite(visit);
                }
                let holds = variation.map(i64::from) == Some(prerequisite.variation);
                self.tracer.note(|| match (holds, variation) {
                    (true, _) => format!("prerequisite `{key}` holds"),
                    (false, Some(index)) => {
                        let wanted = prerequisite.variation;
                        format!("prerequisite `{key}` serves variation {index}, not {wanted}")
                    }
                    (false, None) => format!("prerequisite `{key}` serves no variation"),
                });
                if holds { PrerequisiteState::Holds } else { PrerequisiteState::Fails }
            }
            VisitStage::New if flag.on => PrerequisiteState::Enter(flag),
            VisitStage::New if flag.off == Some(None) => PrerequisiteState::Malformed,
            VisitStage::New => {
                let evaluated = flag.off(Cause::Off);
                let (variation, evaluated) = (evaluated.variation, Some(evaluated));
                let visit = PrerequisiteVisit { flag, of, key, variation, evaluated };
                self.tracer.prerequisite(visit);
                self.tracer.note(|| format!("prerequisite `{key}` is off"));
                PrerequisiteState::Fails
            }
        }
    }
}

/// How a prerequisite stands.
enum PrerequisiteState<'a> {
    Holds,
    Fails,
    Malformed,
    /// Not known before this flag is evaluated.
    Enter(&'a LaunchDarklyFlag),
}
