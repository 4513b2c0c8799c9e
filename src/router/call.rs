//! One call of one model: contained, measured, counted.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{breaker::Ticket, slot::Slot};
use crate::{
    clock::Clock,
    cpu_time,
    model::{ErrorKind, Model, ModelError},
};

/// Whether an answer is free of NaN and infinities, where the router refuses them.
pub(crate) type FiniteCheck<P> = Option<fn(&P) -> bool>;

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Called<P> {
    pub(crate) outcome: Result<P, ModelError>,
    pub(crate) service_time: Duration,
    /// Only where it was asked for and is known.
    pub(crate) cpu_time: Option<Duration>,
}

impl<P> Called<P> {
    /// There is no answer.
    #[cfg(feature = "async")]
    #[cold]
    pub(crate) fn failed(error: ModelError, service_time: Duration) -> Called<P> {
        Called { outcome: Err(error), service_time, cpu_time: None }
    }

    /// There was nothing to call.
    #[cold]
    pub(crate) fn not_loaded() -> Called<P> {
        Called {
            outcome: Err(ModelError::not_loaded()),
            service_time: Duration::ZERO,
            cpu_time: None,
        }
    }
}

/// Asks a model, and measures its processor time as well if that is wanted: two system calls, so
/// only where the answer is going to be compared.
#[inline]
pub(crate) fn measured_call<F: ?Sized, P>(
    model: &dyn Model<F, P>,
    features: &F,
    finite: FiniteCheck<P>,
    wanted: bool,
) -> Called<P> {
    let (called, cpu_time) = cpu_time::measure(wanted, || call(model, features, finite));
    Called { cpu_time, ..called }
}

/// Asks a model. A panic in it ends here, as an error.
#[inline]
pub(crate) fn call<F: ?Sized, P>(
    model: &dyn Model<F, P>,
    features: &F,
    finite: FiniteCheck<P>,
) -> Called<P> {
    let started = Instant::now();
    // Unwind safe: the features are only read, and a model that leaves its own state broken by
    // panicking is what breakers are for.
    let outcome = catch_unwind(AssertUnwindSafe(|| model.predict(features)));
    let service_time = started.elapsed();
    let outcome = outcome.unwrap_or_else(|payload| Err(ModelError::panicked(payload)));
    let outcome = outcome.and_then(|output| checked(output, finite));
    Called { outcome, service_time, cpu_time: None }
}

/// Refuses an answer that is not finite.
#[inline]
pub(crate) fn checked<P>(output: P, finite: FiniteCheck<P>) -> Result<P, ModelError> {
    match finite {
        Some(is_finite) => finite_or(output, is_finite),
        None => Ok(output),
    }
}

/// The check and the answer's `Drop` may be the user's: a panic of theirs ends here, too.
#[inline]
fn finite_or<P>(output: P, is_finite: fn(&P) -> bool) -> Result<P, ModelError> {
    let checked = catch_unwind(AssertUnwindSafe(move || is_finite(&output).then_some(output)));
    match checked {
        Ok(Some(output)) => Ok(output),
        Ok(None) => Err(ModelError::of_kind(
            ErrorKind::NonFinite,
            "the model answered with NaN or an infinity",
        )),
        Err(payload) => Err(ModelError::panicked(payload)),
    }
}

impl<M> Slot<M> {
    /// Counts a finished call and tells the breaker.
    #[inline]
    pub(crate) fn finished<P>(
        &self,
        outcome: &Result<P, ModelError>,
        service_time: Duration,
        ticket: Ticket,
        clock: &dyn Clock,
    ) {
        // One that was refused for want of room took no time of the model's.
        let refused = matches!(outcome, Err(error) if error.kind() == ErrorKind::Overloaded);
        if !refused {
            self.counters.took(service_time);
        }
        match outcome {
            Ok(_) => self.breaker.succeeded(ticket),
            Err(error) => self.failed(error, ticket, clock),
        }
    }

    /// The caller has gone before there was an answer: that says nothing about the version.
    #[cfg(feature = "async")]
    #[cold]
    pub(crate) fn given_up(&self, ticket: Ticket, clock: &dyn Clock) {
        self.counters.given_up();
        self.breaker.learned_nothing(ticket, clock);
    }

    /// The version has no room for the call. It was not asked.
    #[cfg(feature = "async")]
    #[cold]
    pub(crate) fn refused(&self, ticket: Ticket, clock: &dyn Clock) {
        self.counters.failed(ErrorKind::Overloaded);
        self.breaker.learned_nothing(ticket, clock);
    }

    #[cold]
    pub(crate) fn failed(&self, error: &ModelError, ticket: Ticket, clock: &dyn Clock) {
        self.counters.failed(error.kind());
        if !error.kind().is_models_fault() {
            self.breaker.learned_nothing(ticket, clock);
            return;
        }
        tracing::debug!(
            target: "modelgate::router",
            version = self.version.as_str(),
            cause = error.kind().as_str(),
            error = %error.redacted(),
            "a model version failed"
        );
        if self.breaker.failed(ticket, clock) {
            self.counters.breaker_opened();
            tracing::warn!(
                target: "modelgate::router",
                version = self.version.as_str(),
                cause = error.kind().as_str(),
                "a model version failed too often and is left alone for a while"
            );
        }
    }
}
