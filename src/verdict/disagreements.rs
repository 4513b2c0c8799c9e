//! Examples of what the two versions disagree on: the worst, and some at random.

use serde::{Deserialize, Serialize};

use super::{plan::VerdictPlan, stats::rounding::splitmix64};
use crate::{compare::Comparison, contain::contained, prediction_id::PredictionId};

/// How many of the worst are kept, and how many drawn at random.
const ROOM: usize = 10;

/// A request on which the two versions disagreed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Disagreement {
    /// The answer that the caller got.
    pub prediction_id: PredictionId,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// How far apart the answers are, if the comparator measures it.
    pub distance: Option<f64>,
    /// What the champion answered.
    pub champion: String,
    /// What the candidate answered.
    pub candidate: String,
    /// The truth, where it has come and is a class.
    pub label: Option<String>,
    /// The features, where the policy records them.
    pub features: Option<serde_json::Value>,
}

/// The disagreements kept by a verdict, those of this process alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Disagreements {
    /// Those furthest apart, the furthest first.
    pub worst: Vec<Disagreement>,
    /// Some that were drawn at random.
    pub random: Vec<Disagreement>,
}

/// Keeps the worst by distance, and those whose ids hash lowest: a uniform sample, and the same one
/// in a replay.
#[derive(Default)]
pub(super) struct Reservoir {
    worst: Vec<(f64, Disagreement)>,
    drawn: Vec<(u64, Disagreement)>,
}

impl Reservoir {
    /// Keeps it if it is one of those; only then are its answers formatted.
    pub(super) fn offer<P, L>(&mut self, plan: &VerdictPlan<P, L>, comparison: &Comparison<P>) {
        let id = comparison.prediction_id;
        let far = comparison.agreement.distance().unwrap_or(0.0);
        let number = id.as_u128();
        // Rotated, so that the sample does not depend on how values are rounded by the same id.
        let draw = splitmix64((number as u64).rotate_left(17) ^ (number >> 64) as u64);
        let is_far = room(&self.worst, |(least, _)| far > *least);
        let is_drawn = room(&self.drawn, |(most, _)| draw < *most);
        if !is_far && !is_drawn {
            return;
        }
        let Some(shown) = contained(|| show(plan, comparison)).flatten() else { return };
        if is_far {
            put(&mut self.worst, (far, shown.clone()), |a, b| b.0.total_cmp(&a.0));
        }
        if is_drawn {
            put(&mut self.drawn, (draw, shown), |a, b| a.0.cmp(&b.0));
        }
    }

    pub(super) fn label(&mut self, id: PredictionId, label: &str) {
        let worst = self.worst.iter_mut().map(|(_, kept)| kept);
        for kept in worst.chain(self.drawn.iter_mut().map(|(_, kept)| kept)) {
            if kept.prediction_id == id {
                kept.label = Some(label.to_owned());
            }
        }
    }

    pub(super) fn all(&self) -> Disagreements {
        Disagreements {
            worst: self.worst.iter().map(|(_, kept)| kept.clone()).collect(),
            random: self.drawn.iter().map(|(_, kept)| kept.clone()).collect(),
        }
    }
}

fn room<T>(kept: &[T], beats: impl Fn(&T) -> bool) -> bool {
    kept.len() < ROOM || kept.last().is_some_and(beats)
}

fn put<T>(kept: &mut Vec<T>, new: T, order: impl Fn(&T, &T) -> std::cmp::Ordering) {
    kept.push(new);
    kept.sort_by(order);
    kept.truncate(ROOM);
}

fn show<P, L>(plan: &VerdictPlan<P, L>, comparison: &Comparison<P>) -> Option<Disagreement> {
    let show = plan.shown.as_ref()?;
    let (Ok(champion), Ok(candidate)) =
        (&comparison.primary.outcome, &comparison.candidate.outcome)
    else {
        return None;
    };
    let mut shown = Disagreement {
        prediction_id: comparison.prediction_id,
        time: super::state::millis(super::state::since_epoch(comparison.time)),
        distance: comparison.agreement.distance().filter(|distance| distance.is_finite()),
        champion: show(champion),
        candidate: show(candidate),
        label: None,
        features: comparison.features.as_ref().and_then(|f| serde_json::to_value(f).ok()),
    };
    if let Some(redact) = &plan.redaction {
        redact(&mut shown);
    }
    Some(shown)
}
