//! Many rows at once: decided one by one, asked by version.

use std::time::Instant;

use super::{
    Input, ModelRouter, Output, PredictError, Prediction, Served, ServedAnswer, SharedModel,
    call::{Called, FiniteCheck, call, checked},
    conclude,
    core::Choice,
    shadowing::{self, Asker},
    table::{Candidates, RoutingTable},
};
use crate::{
    contain::contained,
    context::EvaluationContext,
    model::{Model, ModelError},
    parallel::map_chunks,
    prediction_id::PredictionId,
};

/// Rows that one call of a model gets at most, so that a batch spreads over the pool.
pub(super) const CHUNK: usize = 64;

/// A row that has been decided and waits for its version.
struct DecidedRow<'a, F: ?Sized> {
    context: &'a dyn EvaluationContext,
    features: &'a F,
    id: PredictionId,
    choice: Choice,
    candidates: Candidates,
}

/// A row that waits for the version in its choice.
struct AssignedRow<'a, F: ?Sized> {
    row: usize,
    features: &'a F,
    choice: Choice,
    /// What the first version asked said, if one failed.
    first: Option<ModelError>,
}

impl<F: Input + ?Sized, P: Output> ModelRouter<F, P> {
    /// Answers many rows, each for its own context: one result a row, in order.
    ///
    /// All rows are decided from one snapshot, then grouped by version and handed to
    /// [`Model::predict_batch`] in chunks, in parallel on the current rayon pool (feature `rayon`;
    /// without it one after the other). A row that fails falls back alone. A row's service time is
    /// its share of its chunk's. Joined shadows run detached here.
    pub fn predict_batch(
        &self,
        rows: &[(&dyn EvaluationContext, &F)],
    ) -> Vec<Result<Prediction<P>, PredictError>> {
        let core = &*self.inner.core;
        let table = core.table.load();
        let table: &RoutingTable<SharedModel<F, P>> = &table;
        let mut pending: Vec<Option<DecidedRow<'_, F>>> = Vec::with_capacity(rows.len());
        for (context, features) in rows {
            let id = PredictionId::generate();
            pending.push(core.choose(table, *context, true).ok().map(|choice| {
                core.count(table, &choice);
                let candidates = core.candidates(table, *context, choice.slot, id);
                DecidedRow { context: *context, features: *features, id, choice, candidates }
            }));
        }

        let mut answered: Vec<Option<ServedAnswer<P>>> = Vec::with_capacity(rows.len());
        answered.resize_with(rows.len(), || None);
        let mut waiting: Vec<AssignedRow<'_, F>> = pending
            .iter()
            .enumerate()
            .filter_map(|(row, pending)| {
                let DecidedRow { features, choice, .. } = pending.as_ref()?;
                Some(AssignedRow { row, features: *features, choice: choice.clone(), first: None })
            })
            .collect();
        // Each round takes the rows that failed one fallback further, and there is a last one.
        while !waiting.is_empty() {
            let mut failed = Vec::new();
            for place in 0..table.slots.len() {
                let (group, others) = waiting
                    .into_iter()
                    .partition(|row: &AssignedRow<'_, F>| row.choice.slot == place);
                waiting = others;
                let called = self.ask_many(table, place, &group);
                for (AssignedRow { row, features, choice, first }, called) in
                    group.into_iter().zip(called)
                {
                    match called.outcome {
                        Err(error) if place != table.fallback => {
                            let choice = core.fall_back(table, choice, Some(&error));
                            let first = first.or(Some(error));
                            failed.push(AssignedRow { row, features, choice, first });
                        }
                        outcome => {
                            let called = Called { outcome, ..called };
                            put(&mut answered, row, ServedAnswer { choice, called, first });
                        }
                    }
                }
            }
            waiting = failed;
        }

        pending
            .into_iter()
            .zip(answered)
            .map(|(pending, answered)| match (pending, answered) {
                (Some(pending), Some(answered)) => self.finish_row(table, &pending, answered),
                (None, _) => Err(PredictError::missing_key()),
                // Every decided row belongs to one group, and every group answers each row.
                (Some(pending), None) => Err(PredictError::model(
                    table.decision(pending.choice).version,
                    ModelError::not_loaded(),
                )),
            })
            .collect()
    }

    fn finish_row(
        &self,
        table: &RoutingTable<SharedModel<F, P>>,
        pending: &DecidedRow<'_, F>,
        answered: ServedAnswer<P>,
    ) -> Result<Prediction<P>, PredictError> {
        if !pending.candidates.is_empty() {
            let (choice, called) = (&answered.choice, &answered.called);
            let asker = Asker::Here(pending.context);
            if let Some(served) = Served::new(table, choice, called, asker, pending.id) {
                let shadowing = &self.inner.shadowing;
                shadowing.offer(table, &pending.candidates, &served, pending.features);
            }
        }
        let core = &*self.inner.core;
        let named = core.named(&pending.choice);
        core.observe(table, named, &answered, (shadowing::key(pending.context), pending.id));
        conclude(table, answered, pending.id)
    }

    /// Asks one version for many rows: one result a row, in order.
    fn ask_many(
        &self,
        table: &RoutingTable<SharedModel<F, P>>,
        place: usize,
        rows: &[AssignedRow<'_, F>],
    ) -> Vec<Called<P>> {
        let Some(slot) = table.slots.get(place) else { return Vec::new() };
        let Ok(model) = &slot.model else {
            return rows.iter().map(|_| Called::not_loaded()).collect();
        };
        let features: Vec<&F> = rows.iter().map(|row| row.features).collect();
        let finite = self.inner.finite;
        let called = map_chunks(&features, CHUNK, |chunk| ask_chunk(&**model, chunk, finite));
        let clock = &*self.inner.core.settings.clock;
        for (row, called) in rows.iter().zip(&called) {
            slot.finished(&called.outcome, called.service_time, row.choice.ticket, clock);
        }
        called
    }
}

pub(super) fn ask_chunk<F: ?Sized, P>(
    model: &dyn Model<F, P>,
    rows: &[&F],
    finite: FiniteCheck<P>,
) -> Vec<Called<P>> {
    let started = Instant::now();
    let outcomes = contained(|| model.predict_batch(rows));
    let service_time = started.elapsed() / u32::try_from(rows.len().max(1)).unwrap_or(u32::MAX);
    match outcomes {
        Some(outcomes) if outcomes.len() == rows.len() => outcomes
            .into_iter()
            .map(|outcome| outcome.and_then(|output| checked(output, finite)))
            // A row's share of a batch says nothing of a row alone.
            .map(|outcome| Called { outcome, service_time, cpu_time: None })
            .collect(),
        // A panic, or a model that loses count: one by one, so that one row fails alone.
        outcomes => {
            // The `Drop` of an answer may panic.
            let _ = contained(|| drop(outcomes));
            rows.iter().map(|row| call(model, row, finite)).collect()
        }
    }
}

fn put<T>(list: &mut [Option<T>], place: usize, value: T) {
    if let Some(entry) = list.get_mut(place) {
        *entry = Some(value);
    }
}
