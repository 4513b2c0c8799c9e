//! One computation on a version's lane: within its deadline, counted once, whoever is still there.

use std::{
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use smallvec::SmallVec;

use super::lane::{AbandonOutcome, Job, Lane, LaneCall, LaneError, MOST_WRITTEN_OFF};
use crate::{
    clock::Clock,
    contain::contained,
    model::{ErrorKind, ModelError},
    router::{breaker::Ticket, call::Called, slot::Slot},
    timer::Timer,
};

/// Who is told how a call ended. The thread that computed tells when it was in time; who notices
/// that it was not tells otherwise: the caller, or, when that one has gone, the timer.
pub(super) struct CallReport {
    /// `None` for a joined candidate, whose calls are the comparison's.
    slot: Option<Slot<()>>,
    /// One for each row.
    tickets: SmallVec<[Ticket; 1]>,
    /// Whether the processor time of the call is wanted.
    pub(super) is_measured: bool,
    clock: Arc<dyn Clock>,
}

impl CallReport {
    pub(super) fn new<M>(
        slot: Option<&Slot<M>>,
        tickets: impl IntoIterator<Item = Ticket>,
        clock: &Arc<dyn Clock>,
    ) -> CallReport {
        let slot = slot.map(Slot::without_model);
        let tickets = tickets.into_iter().collect();
        CallReport { slot, tickets, is_measured: false, clock: Arc::clone(clock) }
    }

    pub(super) fn measured(self, is_measured: bool) -> CallReport {
        CallReport { is_measured, ..self }
    }

    pub(super) fn ended<P>(&self, called: &[Called<P>]) {
        let Some(slot) = &self.slot else { return };
        for (called, ticket) in called.iter().zip(&self.tickets) {
            slot.finished(&called.outcome, called.service_time, *ticket, &*self.clock);
        }
    }

    fn late(&self, after: Duration) {
        let Some(slot) = &self.slot else { return };
        let late = late(after);
        for ticket in &self.tickets {
            slot.counters.took(after);
            slot.failed(&late, *ticket, &*self.clock);
        }
    }

    /// The call was not run.
    pub(super) fn given_up(&self) {
        let Some(slot) = &self.slot else { return };
        for ticket in &self.tickets {
            slot.given_up(*ticket, &*self.clock);
        }
    }

    fn refused(&self) {
        let Some(slot) = &self.slot else { return };
        for ticket in &self.tickets {
            slot.refused(*ticket, &*self.clock);
        }
    }
}

pub(super) fn late(after: Duration) -> ModelError {
    ModelError::of_kind(ErrorKind::Deadline, format!("no answer within {after:?}"))
}

impl LaneError {
    /// What the caller is told where another version can be asked.
    pub(super) fn into_model_error(self) -> ModelError {
        match self {
            LaneError::Full => ModelError::of_kind(
                ErrorKind::Overloaded,
                "too many requests wait for the version's threads",
            ),
            LaneError::Hung => ModelError::of_kind(
                ErrorKind::Overloaded,
                format!("the version hangs: its threads and {MOST_WRITTEN_OFF} more are held up"),
            ),
            LaneError::Stopped => ModelError::of_kind(
                ErrorKind::NotLoaded,
                "the version's threads were let go, or could not be started",
            ),
        }
    }
}

/// What came of a computation.
pub(super) enum Computed<R> {
    Done(R),
    /// The deadline passed.
    Late(ModelError, Duration),
    Refused(LaneError),
}

/// Runs `work` on the lane. Dropping the future before a thread is free means that it never runs;
/// dropping it later leaves the call to its deadline.
pub(super) async fn compute<P: 'static, R: Send + 'static>(
    lane: &Arc<Lane>,
    deadline: Option<&(Duration, Timer)>,
    report: CallReport,
    rows: fn(&R) -> &[Called<P>],
    work: impl FnOnce() -> R + Send + 'static,
) -> Computed<R> {
    let started = Instant::now();
    let (answer, answered) = oneshot::channel();
    let report = Arc::new(report);
    let theirs = Arc::clone(&report);
    let job: Job = Box::new(move |running| {
        let result = work();
        if running.end() {
            theirs.ended(rows(&result));
        }
        // The caller may have given up; then nobody misses the answer.
        let _ = answer.send(result);
    });
    let call = match lane.submit(job) {
        Ok(call) => call,
        Err(refused) => {
            report.refused();
            return Computed::Refused(refused);
        }
    };
    let deadline =
        deadline.and_then(|(limit, timer)| Some((*limit, started.checked_add(*limit)?, timer)));
    let mut asked = PendingCall { lane, call, report, deadline, over: false };
    let answer = match deadline {
        None => answered.await,
        Some((limit, moment, timer)) => {
            match select(answered, timer.sleep_until(moment)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(((), answered)) => match lane.overdue(&asked.call) {
                    // It has ended just now, and the answer is on its way.
                    AbandonOutcome::Ended => answered.await,
                    given_up => {
                        asked.over = true;
                        asked.report.late(limit);
                        let _ = contained(|| drop(given_up));
                        return Computed::Late(late(limit), started.elapsed());
                    }
                },
            }
        }
    };
    asked.over = true;
    match answer {
        Ok(result) => Computed::Done(result),
        Err(oneshot::Canceled) => {
            asked.report.refused();
            Computed::Refused(LaneError::Stopped)
        }
    }
}

/// A call that somebody waits for.
struct PendingCall<'a> {
    lane: &'a Arc<Lane>,
    call: Arc<LaneCall>,
    report: Arc<CallReport>,
    deadline: Option<(Duration, Instant, &'a Timer)>,
    over: bool,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // The caller has gone before the answer.
        match self.lane.give_up(&self.call) {
            AbandonOutcome::NeverRan(job) => {
                self.report.given_up();
                let _ = contained(|| drop(job));
            }
            AbandonOutcome::Running => {
                if let Some((limit, moment, timer)) = self.deadline {
                    let orphan = OrphanedCall {
                        lane: Arc::clone(self.lane),
                        call: Arc::clone(&self.call),
                        report: Arc::clone(&self.report),
                        limit,
                    };
                    timer.wake_at(moment, Waker::from(Arc::new(orphan)));
                }
            }
            AbandonOutcome::Ended => {}
        }
    }
}

/// A running call whose caller has gone: the timer looks after its deadline.
struct OrphanedCall {
    lane: Arc<Lane>,
    call: Arc<LaneCall>,
    report: Arc<CallReport>,
    limit: Duration,
}

impl Wake for OrphanedCall {
    fn wake(self: Arc<Self>) {
        if matches!(self.lane.overdue(&self.call), AbandonOutcome::Running) {
            self.report.late(self.limit);
        }
    }
}
