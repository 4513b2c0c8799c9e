//! Joining the candidate's shadow with that of the champion under its second name.

use std::collections::VecDeque;

use super::{Class, Comparison, NONE, Observer, Plan, PredictionId, State, micros};
use crate::verdict::id_map::IdMap;

/// Requests that wait for their other half.
const ROOM: usize = 10_000;

/// What one shadow of a request showed.
#[derive(Clone, Copy)]
struct Half {
    disagrees: Option<bool>,
    failed: bool,
    micros: u64,
    cpu_micros: Option<u64>,
}

#[derive(Default)]
struct Halves {
    candidate: Option<Half>,
    champion: Option<Half>,
}

/// Bounded: the oldest makes room.
pub(super) struct Again {
    wanted: bool,
    halves: IdMap<Halves>,
    order: VecDeque<PredictionId>,
}

impl Again {
    pub(super) fn new(wanted: bool) -> Again {
        Again { wanted, halves: IdMap::default(), order: VecDeque::new() }
    }

    fn put(
        &mut self,
        id: PredictionId,
        place: impl FnOnce(&mut Halves) -> &mut Option<Half>,
        half: Half,
    ) -> Option<(Half, Half)> {
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

impl<P, L> State<P, L> {
    /// The champion's own shadow.
    pub(super) fn again(&mut self, plan: &Plan<P, L>, comparison: &Comparison<P>) {
        let classes: (Class, Class) =
            (self.class(&comparison.primary), self.class(&comparison.candidate));
        let disagrees = match comparison.agreement.agrees() {
            Some(agrees) => Some(!agrees),
            None => (classes.0 != NONE && classes.1 != NONE).then_some(classes.0 != classes.1),
        };
        let half = half(comparison, disagrees);
        let joined = self.again.put(comparison.prediction_id, |halves| &mut halves.champion, half);
        self.joined(plan, joined);
    }

    /// The shadow of a scored candidate.
    pub(super) fn join_candidate(
        &mut self,
        plan: &Plan<P, L>,
        comparison: &Comparison<P>,
        disagrees: Option<bool>,
    ) {
        if !self.again.wanted {
            return;
        }
        let half = half(comparison, disagrees);
        let joined = self.again.put(comparison.prediction_id, |halves| &mut halves.candidate, half);
        self.joined(plan, joined);
    }

    fn joined(&mut self, plan: &Plan<P, L>, joined: Option<(Half, Half)>) {
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

fn half<P>(comparison: &Comparison<P>, disagrees: Option<bool>) -> Half {
    let run = &comparison.candidate;
    Half {
        disagrees,
        failed: run.outcome.is_err(),
        micros: micros(run.service_time),
        cpu_micros: run.cpu_time.map(micros),
    }
}
