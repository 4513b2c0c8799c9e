//! Which users a verdict has counted: each once in all processes, and live ones once a stage.

use std::time::{Duration, SystemTime};

use super::Verdict;
use crate::{
    compare::key::KeyHash,
    shadow::policy::Shadow,
    verdict::{TallyMismatch, Unit, state::since_epoch, user_filter},
};

impl<P, L> Verdict<P, L> {
    /// Whether a pair of this user would be scored. `time` is the time since 1970, and matters only to
    /// [`Unit::KeyPer`].
    pub fn wants(&self, key: &KeyHash, time: Duration) -> bool {
        let window = match self.config().unit {
            Unit::Request => return true,
            Unit::Key => 0,
            Unit::KeyPer(window) => {
                1 + u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / window.max(1)
            }
        };
        self.inner.seen.wants(user_filter::of_key(key, window))
    }

    /// About how many users have no scored pair yet, if users go on coming as they do now:
    /// `scored · new / (1 - new)`, where `new` is the share of new users among the last one to two
    /// thousand lookups (the Good-Turing estimate of what is unseen: Good, Biometrika 40, 1953). `None`
    /// before the first thousand lookups.
    ///
    /// A [sample](crate::Shadow::sample) draws the same users for ever, so that a verdict by users
    /// runs out of them: where this is less than the pairs that a metric still
    /// [needs](crate::verdict::MetricJudgement::expected_pairs), draw more.
    pub fn users_left(&self) -> Option<u64> {
        let new = self.inner.seen.unseen_share()?;
        // When nearly all are new there is no telling; then it says a thousand times those scored.
        let left = self.scored() as f64 * new / (1.0 - new).max(1e-3);
        Some(left as u64)
    }

    /// The users scored so far, as a Bloom filter: for other processes that judge the same candidate
    /// with the same [key hasher](crate::Shadow::key_hasher), so that a user is scored once in all of
    /// them. Two to four bytes for each expected user.
    pub fn seen(&self) -> Vec<u8> {
        self.inner.seen.to_bytes()
    }

    /// Adds the users that another process has scored, from its [`seen`](Verdict::seen).
    ///
    /// # Errors
    ///
    /// [`TallyMismatch`] when the other one expected another number of users.
    pub fn merge_seen(&self, other: &[u8]) -> Result<(), TallyMismatch> {
        self.inner.seen.merge(other)
    }

    /// The users seen live so far, as a Bloom filter like [`seen`](Verdict::seen).
    pub fn seen_live(&self) -> Vec<u8> {
        self.inner.live.seen().to_bytes()
    }

    /// Adds the users that another process has seen live.
    ///
    /// # Errors
    ///
    /// [`TallyMismatch`] when the other one expected another number of users.
    pub fn merge_seen_live(&self, other: &[u8]) -> Result<(), TallyMismatch> {
        self.inner.live.seen().merge(other)
    }

    /// From now on, live requests belong to this stage of the ramp, in which the candidate answers
    /// this share of the users whom the flag gives it, in thousandths of a percent. Stages are
    /// numbered from 0 to 15, and each has one share. Returns `false`, and changes nothing, for
    /// another number or a stage that was begun with another share.
    pub fn enter_stage(&self, stage: u32, share: u32) -> bool {
        let entered = self.inner.live.enter(stage, share);
        if entered {
            self.inner.state.lock().begin_stage(stage, share);
        }
        entered
    }

    /// From now on, live requests belong to no stage and are not counted, as at the start.
    pub fn leave_stage(&self) {
        self.inner.live.leave();
    }
}

impl Shadow {
    /// Runs a candidate only for users whose pair this verdict would score, by default each user once:
    /// no shadow runs whose result would be left out. Replaces an [`admit`](Shadow::admit) of the policy.
    ///
    /// A [sample](Shadow::sample) draws the same users for ever: once each of them has been scored,
    /// no shadow runs any more, until the sample is made larger.
    pub fn first_sight<P, L>(self, verdict: &Verdict<P, L>) -> Shadow
    where
        P: Send + Sync + 'static,
        L: Send + Sync + 'static,
    {
        let verdict = verdict.clone();
        self.admit(move |key| {
            let time = match verdict.config().unit {
                Unit::KeyPer(_) => since_epoch(SystemTime::now()),
                _ => Duration::ZERO,
            };
            verdict.wants(key, time)
        })
    }
}
