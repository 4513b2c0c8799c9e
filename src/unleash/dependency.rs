//! Toggles that depend on others.

use super::{
    evaluate::{Evaluator, Match},
    trace::Tracer,
    tree::{FeatureToggle, Parent},
};

impl<'a, W: Tracer> Evaluator<'a, W> {
    /// Whether every toggle that this one depends on is as it has to be. A parent that has parents
    /// itself never is.
    #[inline(never)]
    pub(super) fn dependencies(&mut self, toggle: &'a FeatureToggle) -> bool {
        self.child = Some(&toggle.name);
        let satisfied = toggle.dependencies.iter().all(|parent| {
            let satisfied = self.parent(parent);
            self.tracer.operator(
                || format!("/dependencies/{}", parent.place),
                &parent.feature,
                satisfied,
            );
            satisfied
        });
        self.child = None;
        satisfied
    }

    fn parent(&mut self, parent: &'a Parent) -> bool {
        let rules = self.set.get(&parent.feature).and_then(|flag| flag.rules::<FeatureToggle>());
        let Some(rules) = rules.filter(|rules| rules.dependencies.is_empty()) else {
            self.tracer
                .note(|| format!("parent `{}` is not there or has parents itself", parent.feature));
            return false;
        };
        self.tracer.note(|| format!("parent `{}` is asked", parent.feature));
        let matched = self.matched(rules);
        let enabled =
            rules.enabled && matches!(matched, Match::Strategy(..) | Match::Unconditional);
        // The variant of a parent counts even while the parent is off.
        let variant = match matched {
            _ if parent.wanted.iter().all(|wanted| wanted.variants.is_empty()) => None,
            Match::Strategy(index, strategy) if !strategy.variants.list.is_empty() => {
                self.choose(&strategy.variants, Some(index))
            }
            _ if rules.variants.list.is_empty() => None,
            _ => self.choose(&rules.variants, None),
        };
        parent.wanted.iter().all(|wanted| {
            wanted.enabled == enabled
                && match variant {
                    Some((variant, _)) if !wanted.variants.is_empty() => {
                        wanted.variants.contains(&variant.name)
                    }
                    _ => true,
                }
        })
    }
}
