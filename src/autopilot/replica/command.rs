//! Committing a command for the whole fleet.

use std::time::Duration;

use super::{ClockReading, Replica};
use crate::autopilot::{
    command::{Command, CommandError, CommandKind},
    judge::Judge,
    machine::{self, DecisionContext},
    store::{self, Expect, StateStore},
};

impl Replica {
    /// Carries out a command, for the whole fleet. An abort that cannot be committed stays in force here,
    /// and is committed later.
    pub(in crate::autopilot) fn command(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        command: Command,
        time: ClockReading,
    ) -> Result<(), CommandError> {
        if command.reason.trim().is_empty() {
            return Err(CommandError::NoReason);
        }
        let abort = command.kind == CommandKind::Abort;
        let done = self.commit_command(store, evidence, &command, time);
        match &done {
            Err(CommandError::StoreUnavailable { .. }) if abort => {
                self.view.aborting = Some(command);
                self.publish();
            }
            _ if abort => self.forget_abort(),
            _ => {}
        }
        done
    }

    pub(super) fn commit_command(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        command: &Command,
        time: ClockReading,
    ) -> Result<(), CommandError> {
        let unavailable = |error: &store::Error| CommandError::StoreUnavailable {
            why: crate::error_chain(error),
        };
        let mut last = None;
        // A conflict means that another replica has committed, which happens a few times a period.
        for _ in 0..10 {
            match self.try_command(store, evidence, command, time) {
                Ok(done) => return done,
                Err(error) if error.is_conflict() => last = Some(error),
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(last.as_ref().map_or(CommandError::NotRunning, unavailable))
    }

    fn try_command(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        command: &Command,
        time: ClockReading,
    ) -> Result<Result<(), CommandError>, store::Error> {
        self.read(store, evidence, time)?;
        let Some(seen) = self.view.seen.clone() else { return Ok(Err(CommandError::NotRunning)) };
        let sums = self.read_fleet(store, evidence, &seen.state, time)?.sums;
        let id = self.id.clone();
        // A command observes nothing, and adds no time.
        let now = DecisionContext { elapsed: Duration::ZERO, at: time.unix, by: &id };
        let step = machine::step(&self.plan, &seen.state, &sums, Some(command), now);
        if let Some(refused) = step.refused {
            return Ok(Err(refused));
        }
        // Nor does it count as a tick: the next one has still to count the time since the last.
        let mut next = step.state;
        next.tick = seen.state.tick.clone();
        let tag = store.store(&self.state_name(), &next.to_bytes(), Expect::Tag(seen.tag))?;
        self.view.gates = step.gates;
        self.adopt(next, tag, evidence, time);
        Ok(Ok(()))
    }
}
