//! One call of a model that waits: within its deadline, contained, counted however it ends.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{Either, select},
};

use super::{
    compute::{CallReport, late},
    model::{AsyncModel, Guarded},
};
use crate::{
    model::ModelError,
    router::call::{Called, FiniteCheck, checked},
    timer::Timer,
};

/// Asks the model. Dropping the future gives the call up.
pub(super) async fn wait<F: ?Sized + Sync, P>(
    model: &dyn AsyncModel<F, P>,
    features: &F,
    finite: FiniteCheck<P>,
    deadline: Option<&(Duration, Timer)>,
    report: CallReport,
) -> Called<P> {
    let started = Instant::now();
    let mut asked = AwaitedCall(Some(report));
    // Made inside the block, so that a panic before the first await is caught as well.
    let answer = AssertUnwindSafe(async { Guarded::new(model.predict(features)).await });
    let answer = std::pin::pin!(answer.catch_unwind());
    let moment = deadline
        .and_then(|(limit, timer)| Some((limit, timer.sleep_until(started.checked_add(*limit)?))));
    let outcome = match moment {
        None => answer.await,
        Some((limit, moment)) => match select(answer, moment).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), _)) => {
                let called = Called::failed(late(*limit), started.elapsed());
                asked.ended(&called);
                return called;
            }
        },
    };
    let service_time = started.elapsed();
    let outcome = outcome.unwrap_or_else(|payload| Err(ModelError::panicked(payload)));
    let outcome = outcome.and_then(|output| checked(output, finite));
    let called = Called { outcome, service_time, cpu_time: None };
    asked.ended(&called);
    called
}

/// A call that somebody waits for.
struct AwaitedCall(Option<CallReport>);

impl AwaitedCall {
    fn ended<P>(&mut self, called: &Called<P>) {
        if let Some(report) = self.0.take() {
            report.ended(std::slice::from_ref(called));
        }
    }
}

impl Drop for AwaitedCall {
    fn drop(&mut self) {
        // The caller has gone before the answer.
        if let Some(report) = &self.0 {
            report.given_up();
        }
    }
}
