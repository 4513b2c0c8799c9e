//! The thread of a writer.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{
    RunnerShared,
    writer_record::{Turn, WriterMemory, WriterTurn},
};
use crate::autopilot::{
    Transition,
    state::RolloutState,
    writer::{Intent, ShareWriter, WriteError},
};

/// When a failed write is tried again, and when a replica writes in place of the one that should.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How far this process is with writing a transition.
#[derive(Clone, Copy)]
struct WriteAttempt {
    rev: u64,
    due: Duration,
    done: bool,
}

impl RunnerShared {
    pub(super) fn run_writer(&self, writer: &Arc<dyn ShareWriter>) {
        let (mut tried, mut memory) = (None, WriterMemory::default());
        let pause = self.timing.period.min(Duration::from_secs(1));
        let heard = Cell::new(0);
        loop {
            let attempt =
                AssertUnwindSafe(|| self.write_if_due(&**writer, &mut tried, &mut memory));
            if catch_unwind(attempt).is_err() {
                tracing::error!(target: "modelgate::autopilot", autopilot = %self.plan.autopilot, "a writer panicked");
            }
            if self.wait(pause, |flags| heard.replace(flags.writers) != flags.writers) {
                return;
            }
        }
    }

    fn write_if_due(
        &self,
        writer: &dyn ShareWriter,
        tried: &mut Option<WriteAttempt>,
        memory: &mut WriterMemory,
    ) {
        let (state, own, replica) = {
            let view = self.view.lock();
            let Some(state) = view.shared_state() else { return };
            let own = state.transitions.last().is_some_and(|last| last.by == view.id());
            (state, own, view.id().to_owned())
        };
        let Some(transition) = state.transitions.last() else { return };
        let now = self.time().monotonic;
        let later = now.saturating_add(RETRY_AFTER);
        // The replica that committed it writes at once, the others if that one has not.
        let first = if own { now } else { later };
        let known = tried.filter(|tried| tried.rev == transition.rev);
        let known = known.unwrap_or(WriteAttempt { rev: transition.rev, due: first, done: false });
        *tried = Some(known);
        if known.done || now < known.due {
            return;
        }
        let name = writer.name();
        let (due, done) = match self.write(writer, &name, &replica, transition, &state, memory) {
            Ok(Turn::Done) => (later, true),
            Ok(Turn::NotYet) => (now, false),
            Ok(Turn::LookAgain) => (later, false),
            Err(error) => {
                tracing::warn!(
                    target: "modelgate::autopilot",
                    autopilot = %self.plan.autopilot,
                    writer = &*name,
                    error = %crate::error_chain(&error),
                    "the share could not be written where people look"
                );
                // Only a person can resolve a conflict.
                (later, error.is_conflict())
            }
        };
        *tried = Some(WriteAttempt { rev: transition.rev, due, done });
    }

    fn write(
        &self,
        writer: &dyn ShareWriter,
        name: &str,
        replica: &str,
        transition: &Transition,
        state: &RolloutState,
        memory: &mut WriterMemory,
    ) -> Result<Turn, WriteError> {
        let agreed = {
            let mut conflicts = self.conflicts.lock();
            // After a conflict no writer writes until somebody has resumed.
            if conflicts.values().any(|(since, _)| !state.resumed_after(*since)) {
                return Ok(Turn::Done);
            }
            conflicts.remove(name).is_some()
        };
        let turn = WriterTurn {
            store: &*self.store,
            place: format!("{}/writer/{name}.json", self.prefix),
            writer,
            replica,
            now: self.time().monotonic,
        };
        // The conflict may have been found, and the rollout resumed, on another replica.
        let counts = |rev| !agreed && !state.conflict_resolved_after(rev);
        turn.take(&Intent::of(&self.plan, transition), counts, memory).inspect_err(|error| {
            if error.is_conflict() {
                // Only a resumption from now on can have accepted what is there.
                let now = self.view.lock().state().map_or(transition.rev, |state| state.rev);
                self.conflicts.lock().insert(name.to_owned(), (now, error.to_string()));
            }
        })
    }
}
