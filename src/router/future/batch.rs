//! Many rows at once, for the async router: decided one by one, asked by version.

use std::{borrow::Borrow, future::Future, sync::Arc};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};

use super::{
    AsyncModelRouter, AsyncRouterState,
    compute::{CallReport, Computed, compute},
    hosted::Hosted,
    lane::{Lane, LaneError},
    request::DecidedRequest,
};
use crate::{
    context::EvaluationContext,
    model::{Model, ModelError},
    router::{
        Input, Output, PredictError, Prediction, ServedAnswer,
        batch::{CHUNK, ask_chunk},
        call::Called,
        conclude,
        core::Choice,
        registered::AnyModel,
        shadowing::{Asker, Served},
        slot::Slot,
        table::RoutingTable,
    },
};

/// A row that waits for the version in its choice.
struct AssignedRow {
    row: usize,
    choice: Choice,
    /// What the first version asked said, if one failed.
    first: Option<ModelError>,
}

/// A row and what came of asking for it.
type BatchedCall<P> = (AssignedRow, Result<Called<P>, PredictError>);

impl<F: ?Sized + Input, P: Output> AsyncModelRouter<F, P> {
    /// Answers many rows, each for its own context: one result a row, in order.
    ///
    /// All rows are decided at once, from one snapshot, before the returned future is polled, then
    /// grouped by version. A model that computes gets its rows in
    /// [`Model::predict_batch`](crate::Model::predict_batch), in chunks that spread over the pool;
    /// one that waits is asked for all of its rows at the same time. A row that fails falls back
    /// alone. A deadline holds for each chunk. Joined shadows run detached here.
    ///
    /// ```
    /// use modelgate::{Context, EvaluationContext, ModelRouter, Rollout, model_fn};
    ///
    /// # futures::executor::block_on(async {
    /// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
    ///     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
    ///     .fallback("v1")
    ///     .source(Rollout::everyone("v1").flag("ml-model-version")?)
    ///     .build_async()?;
    ///
    /// let users = [Context::new("user-1"), Context::new("user-2")];
    /// let rows = users.iter().map(|user| (user as &dyn EvaluationContext, vec![1.0, 2.0]));
    /// for answer in router.predict_batch(rows.collect()).await {
    ///     assert_eq!(answer?.into_output(), 3.0);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn predict_batch<I: Into<F::Owned>>(
        &self,
        rows: Vec<(&dyn EvaluationContext, I)>,
    ) -> impl Future<Output = Vec<Result<Prediction<P>, PredictError>>> + Send + use<F, P, I> {
        let inner = Arc::clone(&self.inner);
        let table = inner.core.table.load().to_arc();
        let mut started = Vec::with_capacity(rows.len());
        let mut features = Vec::with_capacity(rows.len());
        for (context, row) in rows {
            started.push(inner.start_from(&table, context));
            features.push(Arc::new(row.into()));
        }
        async move { inner.run_batch(&table, started, &features).await }
    }
}

impl<F: ?Sized + Input, P: Output> AsyncRouterState<F, P> {
    async fn run_batch(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        started: Vec<Result<DecidedRequest<F, P>, PredictError>>,
        features: &[Arc<F::Owned>],
    ) -> Vec<Result<Prediction<P>, PredictError>> {
        let mut answered: Vec<Option<Result<ServedAnswer<P>, PredictError>>> =
            features.iter().map(|_| None).collect();
        let mut put = |row: usize, answer| {
            if let Some(place) = answered.get_mut(row) {
                *place = Some(answer);
            }
        };
        let mut waiting: Vec<AssignedRow> = started
            .iter()
            .enumerate()
            .filter_map(|(row, started)| {
                let choice = started.as_ref().ok()?.choice.clone();
                Some(AssignedRow { row, choice, first: None })
            })
            .collect();
        // Each round takes the rows that failed one fallback further, and there is a last one.
        while !waiting.is_empty() {
            let mut groups: Vec<Vec<AssignedRow>> =
                table.slots.iter().map(|_| Vec::new()).collect();
            for row in waiting.drain(..) {
                if let Some(group) = groups.get_mut(row.choice.slot) {
                    group.push(row);
                }
            }
            let groups = groups.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
            let asked = groups.map(|(place, rows)| self.ask_many(table, place, rows, features));
            for (waited, called) in join_all(asked).await.into_iter().flatten() {
                let AssignedRow { row, choice, first } = waited;
                match called {
                    Err(refused) => put(row, Err(refused)),
                    Ok(Called { outcome: Err(error), .. }) if choice.slot != table.fallback => {
                        let choice = self.core.fall_back(table, choice, Some(&error));
                        waiting.push(AssignedRow { row, choice, first: first.or(Some(error)) });
                    }
                    Ok(called) => put(row, Ok(ServedAnswer { choice, called, first })),
                }
            }
        }

        let mut answers = Vec::with_capacity(features.len());
        for ((started, answered), features) in started.into_iter().zip(answered).zip(features) {
            answers.push(started.and_then(|started| {
                self.finish_row(table, started, answered, (**features).borrow())
            }));
        }
        answers
    }

    /// Offers the row to its shadows, and makes the caller's answer of it.
    fn finish_row(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        started: DecidedRequest<F, P>,
        answered: Option<Result<ServedAnswer<P>, PredictError>>,
        features: &F,
    ) -> Result<Prediction<P>, PredictError> {
        let DecidedRequest { choice, mut shadows, slices, .. } = started;
        let named = self.core.named(&choice);
        // Every decided row belongs to one group, and every group answers each row.
        let nothing = || Ok(ServedAnswer { choice, called: Called::not_loaded(), first: None });
        let answered = answered.unwrap_or_else(nothing)?;
        shadows.end();
        let (key, id) = shadows.asker();
        let asker = Asker::Gone(key, &slices);
        if !shadows.candidates.is_empty()
            && let Some(served) = Served::new(table, &answered.choice, &answered.called, asker, id)
        {
            self.shadowing.offer(table, &shadows.candidates, &served, features);
        }
        self.core.observe(table, named, &answered, (key, id));
        conclude(table, answered, id)
    }

    /// Asks one version for many rows. Boxed, so that the future of a batch stays small.
    fn ask_many<'a>(
        &'a self,
        table: &'a RoutingTable<Hosted<F, P>>,
        place: usize,
        rows: Vec<AssignedRow>,
        features: &'a [Arc<F::Owned>],
    ) -> BoxFuture<'a, Vec<BatchedCall<P>>> {
        async move {
            let Some((slot, Ok(hosted))) = table.slots.get(place).map(|slot| (slot, &slot.model))
            else {
                return rows.into_iter().map(|row| (row, Ok(Called::not_loaded()))).collect();
            };
            let called: Vec<Result<Called<P>, LaneError>> = match (&hosted.model, &hosted.lane) {
                (AnyModel::Compute(model), Some(lane)) => {
                    let chunk = |rows| self.chunk(slot, (model, lane), rows, features);
                    join_all(rows.chunks(CHUNK).map(chunk)).await.into_iter().flatten().collect()
                }
                _ => {
                    let one = |waiting: &AssignedRow| {
                        let (features, ticket) = (features.get(waiting.row), waiting.choice.ticket);
                        async move {
                            let clock = &self.core.settings.clock;
                            let report = CallReport::new(Some(slot), [ticket], clock);
                            match features {
                                Some(features) => self.call(hosted, report, features).await,
                                None => Ok(Called::not_loaded()),
                            }
                        }
                    };
                    join_all(rows.iter().map(one)).await
                }
            };
            let is_last = place == table.fallback;
            rows.into_iter()
                .zip(called)
                .map(|(row, called)| (row, called.or_else(|refused| refused.otherwise(is_last))))
                .collect()
        }
        .boxed()
    }

    /// A chunk of rows for a model that computes, within the deadline.
    async fn chunk(
        &self,
        slot: &Slot<Hosted<F, P>>,
        (model, lane): (&Arc<dyn Model<F, P>>, &Arc<Lane>),
        rows: &[AssignedRow],
        features: &[Arc<F::Owned>],
    ) -> Vec<Result<Called<P>, LaneError>> {
        let mine: Vec<Arc<F::Owned>> =
            rows.iter().filter_map(|waiting| features.get(waiting.row)).map(Arc::clone).collect();
        let (model, finite) = (Arc::clone(model), self.finite);
        let work = move || {
            let rows: Vec<&F> = mine.iter().map(|features| (**features).borrow()).collect();
            ask_chunk(&*model, &rows, finite)
        };
        let tickets = rows.iter().map(|waiting| waiting.choice.ticket);
        let report = CallReport::new(Some(slot), tickets, &self.core.settings.clock);
        match compute(lane, self.deadline.as_ref(), report, Vec::as_slice, work).await {
            Computed::Done(called) => called.into_iter().map(Ok).collect(),
            Computed::Late(error, waited) => {
                rows.iter().map(|_| Ok(Called::failed(error.clone(), waited))).collect()
            }
            Computed::Refused(refused) => rows.iter().map(|_| Err(refused)).collect(),
        }
    }
}
