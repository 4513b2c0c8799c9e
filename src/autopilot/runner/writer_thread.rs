//! The thread that has a writer write.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::RunnerShared;
use crate::autopilot::{
    Transition,
    state::RolloutState,
    store::{Expect, StoreError},
    writer::{Intent, ShareWriter, WriteError, Written},
};

/// What fails is tried again after this long; what another replica should write, too.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What a writer left behind, for whichever replica writes next.
#[derive(Serialize, Deserialize)]
struct WriterRecord {
    rev: u64,
    written: Written,
}

/// How far this process is with a transition.
#[derive(Clone, Copy)]
struct WriteAttempt {
    rev: u64,
    at: Duration,
    done: bool,
}

impl RunnerShared {
    pub(super) fn run_writer(&self, writer: &Arc<dyn ShareWriter>) {
        let mut tried = None;
        let pause = self.pace.period.min(Duration::from_secs(1));
        let heard = Cell::new(0);
        loop {
            let attempt = AssertUnwindSafe(|| self.write_if_due(&**writer, &mut tried));
            if catch_unwind(attempt).is_err() {
                tracing::error!(target: "modelgate::autopilot", autopilot = %self.plan.autopilot, "a writer panicked");
            }
            if self.wait(pause, |flags| heard.replace(flags.writers) != flags.writers) {
                return;
            }
        }
    }

    fn write_if_due(&self, writer: &dyn ShareWriter, tried: &mut Option<WriteAttempt>) {
        let (state, own) = {
            let view = self.view.lock();
            let Some(state) = view.shared_state() else { return };
            let own = state.transitions.last().is_some_and(|last| last.by == view.id());
            (state, own)
        };
        let Some(transition) = state.transitions.last() else { return };
        let now = self.time().monotonic;
        let known = tried.filter(|tried| tried.rev == transition.rev);
        let is_new = known.is_none();
        let known = known.unwrap_or(WriteAttempt { rev: transition.rev, at: now, done: false });
        *tried = Some(known);
        // Whoever committed it writes at once; the others if that one has not.
        let due = (is_new && own) || now.saturating_sub(known.at) >= RETRY_AFTER;
        if known.done || !due {
            return;
        }
        let name = writer.name();
        let done = match self.write(writer, &name, transition, &state) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(
                    target: "modelgate::autopilot",
                    autopilot = %self.plan.autopilot,
                    writer = &*name,
                    error = %crate::error_chain(&error),
                    "the share could not be written where people look"
                );
                // A conflict is a person's to solve.
                error.is_conflict()
            }
        };
        *tried = Some(WriteAttempt { rev: transition.rev, at: now, done });
    }

    fn write(
        &self,
        writer: &dyn ShareWriter,
        name: &str,
        transition: &Transition,
        state: &RolloutState,
    ) -> Result<(), WriteError> {
        let agreed = {
            let mut conflicts = self.conflicts.lock();
            // Nothing is written by any writer until somebody has resumed.
            if conflicts.values().any(|(since, _)| !state.resumed_after(*since)) {
                return Ok(());
            }
            conflicts.remove(name).is_some()
        };
        self.write_over(writer, name, transition, state, agreed)
    }

    fn write_over(
        &self,
        writer: &dyn ShareWriter,
        name: &str,
        transition: &Transition,
        state: &RolloutState,
        agreed: bool,
    ) -> Result<(), WriteError> {
        let stored =
            |error: StoreError| WriteError::new("the store did not do what was asked", error);
        let place = format!("{}/writer/{name}.json", self.prefix);
        let found = self.store.load(&place).map_err(&stored)?;
        let left: Option<WriterRecord> =
            found.as_ref().and_then(|(bytes, _)| serde_json::from_slice(bytes).ok());
        if left.as_ref().is_some_and(|left| left.rev >= transition.rev) {
            return Ok(());
        }
        // Whoever resumes may do so on another replica than the one that found the conflict.
        let last = left.filter(|left| !agreed && !state.conflict_resolved_after(left.rev));
        let last = last.map(|left| left.written);
        let intent = Intent {
            autopilot: self.plan.autopilot.clone(),
            candidate: self.plan.candidate.to_string(),
            rev: transition.rev,
            attempt: transition.attempt,
            from: transition.from,
            to: transition.to,
            share: transition.share,
            cause: transition.cause,
            sentence: transition.sentence.clone(),
        };
        let written = writer.write(&intent, last.as_ref()).inspect_err(|error| {
            if error.is_conflict() {
                // Only who resumes from now on can have seen what is there.
                let now = self.view.lock().state().map_or(transition.rev, |state| state.rev);
                self.conflicts.lock().insert(name.to_owned(), (now, error.to_string()));
            }
        })?;
        let left = WriterRecord { rev: transition.rev, written };
        let bytes = serde_json::to_vec(&left).unwrap_or_default();
        let expect = found.map_or(Expect::Absent, |(_, tag)| Expect::Tag(tag));
        match self.store.store(&place, &bytes, expect) {
            // Another replica wrote the same, or something newer.
            Err(error) if !error.is_conflict() => Err(stored(error)),
            _ => Ok(()),
        }
    }
}
