//! From the counts to the tally that is shown, stored and sent.

use std::collections::BTreeMap;

use super::{NONE, Observer, VerdictPlan, VerdictState};
use crate::verdict::{AgreementCounts, LabelCounts, MetricCounts, Tally};

impl<P, L> VerdictState<P, L> {
    pub(in crate::verdict) fn tally(&self, plan: &VerdictPlan<P, L>) -> Tally {
        let mut tally = Tally::new(plan.config_hash.clone(), plan.attempt);
        let named = |counts: &[MetricCounts]| -> BTreeMap<String, MetricCounts> {
            plan.config
                .metrics
                .iter()
                .zip(&plan.observers)
                .zip(counts)
                .filter(|((_, observer), _)| !matches!(observer, Observer::Live))
                .map(|((metric, _), counts)| (metric.name.clone(), counts.clone()))
                .collect()
        };
        tally.metrics = named(&self.counts);
        tally.slices =
            self.slices.iter().map(|(slice, counts)| (slice.clone(), named(counts))).collect();
        tally.pairs = self.pairs.clone();
        tally.labels = self.label_counts();
        tally.agreement = self.agreement();
        tally.drift = plan
            .watched
            .iter()
            .zip(&self.drift)
            .map(|(watched, counts)| (watched.name.clone(), counts.clone()))
            .collect();
        tally.times = self.times.clone();
        tally
    }

    fn class_name(&self, class: u16) -> String {
        self.classes.as_ref().map_or("none", |classes| classes.name(class)).to_owned()
    }

    fn label_counts(&self) -> LabelCounts {
        let mut labels = self.labels.clone();
        for (version, place) in [("champion", 0), ("candidate", 1)] {
            let classes: BTreeMap<_, _> = self
                .coverage
                .iter()
                .enumerate()
                .filter_map(|(class, counts)| Some((class, *counts.get(place)?)))
                .filter(|(_, counts)| counts.pairs > 0)
                .map(|(class, counts)| {
                    (self.class_name(u16::try_from(class).unwrap_or(NONE)), counts)
                })
                .collect();
            if !classes.is_empty() {
                labels.by_class.insert(version.to_owned(), classes);
            }
        }
        labels
    }

    fn agreement(&self) -> AgreementCounts {
        let [both_right, only_champion_right, only_candidate_right, both_wrong] =
            self.right_and_wrong;
        let mut classes: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for ((champion, candidate), count) in &self.class_pairs {
            *classes
                .entry(self.class_name(*champion))
                .or_default()
                .entry(self.class_name(*candidate))
                .or_default() += count;
        }
        AgreementCounts {
            classes,
            other_classes: self.other_classes,
            both_right,
            only_champion_right,
            only_candidate_right,
            both_wrong,
            scores: self.scores.clone(),
        }
    }
}
