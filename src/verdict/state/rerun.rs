//! Joining the candidate's shadow with that of the champion under its second name.

use std::collections::VecDeque;

use super::{Class, Comparison, NONE, Observer, PredictionId, VerdictPlan, VerdictState, micros};
use crate::verdict::id_map::IdMap;

/// Requests of which one shadow has been recorded and the other may still come.
const ROOM: usize = 10_000;

/// What one shadow of a request showed.
#[derive(Clone, Copy)]
struct ShadowResult {
    disagrees: Option<bool>,
    failed: bool,
    micros: u64,
    cpu_micros: Option<u64>,
}

#[derive(Default)]
struct ShadowResults {
    candidate: Option<ShadowResult>,
    champion: Option<ShadowResult>,
}

/// Joins the two shadows of a request; bounded, the oldest makes room.
pub(super) struct RerunJoin {
    wanted: bool,
    halves: IdMap<ShadowResults>,
    order: VecDeque<PredictionId>,
}

impl RerunJoin {
    pub(super) fn new(wanted: bool) -> RerunJoin {
        RerunJoin { wanted, halves: IdMap::default(), order: VecDeque::new() }
    }

    fn put(
        &mut self,
        id: PredictionId,
        place: impl FnOnce(&mut ShadowResults) -> &mut Option<ShadowResult>,
        half: ShadowResult,
    ) -> Option<(ShadowResult, ShadowResult)> {
        if !self.halves.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > ROOM
                && let Some(oldest) = self.order.pop_front()
            {
                self.halves.remove(&oldest);
            }
        }
        let halves = self.halves.entry(id).or_default();
        // The first of each counts.
        let place = place(halves);
        if place.is_some() {
            return None;
        }
        *place = Some(half);
        Some((halves.candidate?, halves.champion?))
    }
}

impl<P, L> VerdictState<P, L> {
    /// Takes the champion's own shadow.
    pub(super) fn record_rerun(&mut self, plan: &VerdictPlan<P, L>, comparison: &Comparison<P>) {
        let classes: (Class, Class) =
            (self.class(&comparison.primary), self.class(&comparison.candidate));
        let disagrees = match comparison.agreement.agrees() {
            Some(agrees) => Some(!agrees),
            None => (classes.0 != NONE && classes.1 != NONE).then_some(classes.0 != classes.1),
        };
        let half = half(comparison, disagrees);
        let joined =
            self.rerun_join.put(comparison.prediction_id, |halves| &mut halves.champion, half);
        self.joined(plan, joined);
    }

    /// Takes the shadow of a candidate whose pair is scored.
    pub(super) fn join_candidate(
        &mut self,
        plan: &VerdictPlan<P, L>,
        comparison: &Comparison<P>,
        disagrees: Option<bool>,
    ) {
        if !self.rerun_join.wanted {
            return;
        }
        let half = half(comparison, disagrees);
        let joined =
            self.rerun_join.put(comparison.prediction_id, |halves| &mut halves.candidate, half);
        self.joined(plan, joined);
    }

    fn joined(&mut self, plan: &VerdictPlan<P, L>, joined: Option<(ShadowResult, ShadowResult)>) {
        let Some((candidate, champion)) = joined else { return };
        for (place, observer) in plan.observers.iter().enumerate() {
            match observer {
                Observer::Noise => {
                    if let (Some(c), Some(p)) = (candidate.disagrees, champion.disagrees) {
                        self.count(place, |counts| counts.pair(c, p));
                    }
                }
                Observer::Late(limit) if !candidate.failed && !champion.failed => {
                    let (c, p) = match (candidate.cpu_micros, champion.cpu_micros) {
                        (Some(c), Some(p)) => (c, p),
                        _ => (candidate.micros, champion.micros),
                    };
                    let late = (c > *limit, p > *limit);
                    self.count(place, |counts| counts.pair(late.0, late.1));
                }
                _ => {}
            }
        }
    }
}

fn half<P>(comparison: &Comparison<P>, disagrees: Option<bool>) -> ShadowResult {
    let run = &comparison.candidate;
    ShadowResult {
        disagrees,
        failed: run.outcome.is_err(),
        micros: micros(run.service_time),
        cpu_micros: run.cpu_time.map(micros),
    }
}
