//! The part that the sync and the async router share: deciding, operating, counting.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use smol_str::SmolStr;

use super::{
    Decision, ExplainedFlag, Explanation, FallbackCause, MissingKey, OperateError, RouterStats,
    binding::{Answer, Binding},
    breaker::BreakerPolicy,
    slot::{Handle, Slot},
    stats::FallbackCounters,
    table::{Candidates, Counts, Table},
};
use crate::{
    clock::Clock,
    contain::contained,
    context::EvaluationContext,
    flag::{Reason, Request, Trace},
    model::{ModelError, ModelErrorKind},
    prediction_id::PredictionId,
    shadow::{Shadow, ShadowStats},
    store::{Flags, Snapshot, SnapshotCell, SnapshotListener},
    version::Version,
};

/// One warning of a kind in this time: a flag that is wrong is wrong for every request.
const WARN_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Core<M> {
    pub(crate) settings: Settings,
    counts: Counts,
    pub(crate) flags: Flags,
    pub(crate) table: SnapshotCell<Table<M>>,
    /// What the table is made of. Only control operations take the lock.
    control: Mutex<Control<M>>,
    fallbacks: FallbackCounters,
    /// Monotonic nanoseconds of the last warning, by cause.
    warned: [AtomicU64; FallbackCause::COUNT],
}

/// What a builder settled once and for all.
pub(crate) struct Settings {
    pub(crate) binding: Binding,
    pub(crate) fallback: Version,
    pub(crate) shadows: Box<[Shadow]>,
    pub(crate) missing_key: MissingKey,
    pub(crate) breaker: BreakerPolicy,
    pub(crate) clock: Arc<dyn Clock>,
}

struct Control<M> {
    slots: Vec<Slot<M>>,
    snapshot: Arc<Snapshot>,
    pin: Option<Version>,
}

/// Which slot is to answer, and why.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) slot: usize,
    pub(crate) reason: Reason,
    pub(crate) cause: Option<FallbackCause>,
    pub(crate) variant: Option<SmolStr>,
    /// The slot the flags named, when the fallback stands in for it.
    wanted: Option<usize>,
}

/// A [`Choice`] that still borrows: copying one copies pointers.
#[derive(Clone, Copy)]
struct Picked<'t> {
    slot: usize,
    reason: Reason,
    cause: Option<FallbackCause>,
    variant: Option<&'t str>,
    wanted: Option<usize>,
}

impl Picked<'_> {
    #[inline]
    fn own<M: Handle>(self, table: &Table<M>) -> Choice {
        let Picked { slot, reason, cause, variant, wanted } = self;
        Choice { slot, reason, cause, variant: table.text(slot, variant), wanted }
    }
}

/// The context has no targeting key and the policy is to refuse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRefused;

impl<M: Handle> Core<M> {
    pub(crate) fn new(
        settings: Settings,
        flags: Flags,
        slots: Vec<Slot<M>>,
        counts: Counts,
    ) -> Arc<Core<M>> {
        let snapshot = flags.snapshot();
        let control = Control { slots, snapshot, pin: None };
        let core = Arc::new(Core {
            table: SnapshotCell::new(control.table(&settings, &counts)),
            settings,
            counts,
            flags,
            control: Mutex::new(control),
            fallbacks: FallbackCounters::new(),
            warned: Default::default(),
        });
        let listener: Arc<dyn SnapshotListener> = Arc::clone(&core) as _;
        core.flags.listen(Arc::downgrade(&listener));
        core
    }

    /// Chooses the version for this context. `probe` says that it will really be asked.
    #[inline(always)]
    pub(crate) fn choose(
        &self,
        table: &Table<M>,
        context: &dyn EvaluationContext,
        probe: bool,
    ) -> Result<Choice, KeyRefused> {
        let request = self.request(context);
        match self.pick(table, &request, probe) {
            Some(picked) => Ok(picked.own(table)),
            None => self.without_key(table, &request, probe),
        }
    }

    #[inline(always)]
    fn request<'a>(&'a self, context: &'a dyn EvaluationContext) -> Request<'a> {
        Request { context, key_override: None, clock: &*self.settings.clock }
    }

    /// What the operator or the flags name; `None` where a split wants a targeting key.
    #[inline(always)]
    fn pick<'t>(
        &'t self,
        table: &'t Table<M>,
        request: &Request<'t>,
        probe: bool,
    ) -> Option<Picked<'t>> {
        if let Some(pinned) = table.pin {
            return Some(self.settle_on(table, pinned, Reason::Pinned, None, None, probe));
        }
        let answer = self.settings.binding.choose(&table.route, request);
        (!answer.missing_key).then(|| self.settle(table, answer, probe))
    }

    /// What the flags named, or the fallback version and why.
    #[inline(always)]
    fn settle<'t>(&self, table: &Table<M>, answer: Answer<'t>, probe: bool) -> Picked<'t> {
        let (place, cause) = match (answer.version, answer.cause) {
            (Some(name), cause) => match table.place(name) {
                Some(place) => (place, cause),
                None => (table.fallback, cause.or(Some(FallbackCause::UnknownVersion))),
            },
            (None, cause) => (table.fallback, cause),
        };
        let (reason, cause) = match cause {
            Some(FallbackCause::FlagNotFound) if !table.ready => {
                (Reason::NotReady, Some(FallbackCause::NotReady))
            }
            cause => (answer.reason, cause),
        };
        self.settle_on(table, place, reason, cause, answer.variant, probe)
    }

    #[inline(always)]
    fn settle_on<'t>(
        &self,
        table: &Table<M>,
        place: usize,
        reason: Reason,
        cause: Option<FallbackCause>,
        variant: Option<&'t str>,
        probe: bool,
    ) -> Picked<'t> {
        // The fallback version is asked in any case: there is nobody behind it.
        if place != table.fallback {
            let admitted = match table.slots.get(place) {
                Some(slot) => slot.admits(&*self.settings.clock, probe),
                None => Err(FallbackCause::UnknownVersion),
            };
            if let Err(cause) = admitted {
                return Picked {
                    slot: table.fallback,
                    reason,
                    cause: Some(cause),
                    variant,
                    wanted: Some(place),
                };
            }
        }
        Picked { slot: place, reason, cause, variant, wanted: None }
    }

    #[cold]
    fn without_key(
        &self,
        table: &Table<M>,
        request: &Request<'_>,
        probe: bool,
    ) -> Result<Choice, KeyRefused> {
        let fallback = Choice {
            slot: table.fallback,
            reason: Reason::MissingKey,
            cause: Some(FallbackCause::MissingKey),
            variant: None,
            wanted: None,
        };
        match self.settings.missing_key {
            MissingKey::Refuse => Err(KeyRefused),
            MissingKey::Fallback => Ok(fallback),
            MissingKey::Random => {
                let drawn = PredictionId::generate().to_string();
                let request = Request { key_override: Some(&drawn), ..*request };
                let answer = self.settings.binding.choose(&table.route, &request);
                // A dialect that cannot take the drawn key must not answer for everybody alike.
                if answer.missing_key {
                    return Ok(fallback);
                }
                let picked = self.settle(table, answer, probe);
                Ok(Picked { reason: Reason::MissingKey, ..picked }.own(table))
            }
        }
    }

    /// The candidates to run beside `chosen`.
    #[inline]
    pub(crate) fn candidates(
        &self,
        table: &Table<M>,
        context: &dyn EvaluationContext,
        chosen: usize,
        id: PredictionId,
    ) -> Candidates {
        if table.shadows.is_empty() {
            return Candidates::new();
        }
        let request = self.request(context);
        table.candidates(&request, chosen, id)
    }

    pub(crate) fn decide(&self, context: &dyn EvaluationContext) -> Result<Decision, KeyRefused> {
        let table = self.table.load();
        let request = self.request(context);
        // Not by way of `choose`: a `Choice` in between is copied once more.
        let Some(picked) = self.pick(&table, &request, false) else {
            return Ok(table.decision(self.without_key(&table, &request, false)?));
        };
        Ok(Decision {
            version: table.version(picked.slot),
            reason: picked.reason,
            fallback: picked.cause,
            variant: table.text(picked.slot, picked.variant),
            revision: table.revision,
        })
    }

    pub(crate) fn explain(
        &self,
        context: &dyn EvaluationContext,
    ) -> Result<Explanation, KeyRefused> {
        let table = self.table.load();
        let choice = self.choose(&table, context, false)?;
        let id = PredictionId::generate();
        let candidates = self.candidates(&table, context, choice.slot, id);
        let shadows = candidates
            .iter()
            .filter_map(|candidate| table.slots.get(candidate.slot))
            .map(|slot| slot.version.clone())
            .collect();
        let request = self.request(context);
        let snapshot = self.flags.snapshot();
        let flags = self
            .settings
            .binding
            .flags()
            .zip(&table.route)
            .map(|(key, flag)| ExplainedFlag {
                key: key.to_owned(),
                found: flag.is_some(),
                source: snapshot.source_of(key).map(str::to_owned),
                trace: flag.as_ref().map_or_else(Trace::default, |flag| flag.explain(&request).1),
            })
            .collect();
        Ok(Explanation { decision: table.decision(choice), flags, shadows })
    }

    /// Counts a choice that is about to be served, and warns of trouble.
    #[inline]
    pub(crate) fn count(&self, table: &Table<M>, choice: &Choice) {
        if let Some(cause) = choice.cause {
            self.count_fallback(table, cause, choice.wanted);
        }
    }

    #[cold]
    pub(crate) fn count_fallback(
        &self,
        table: &Table<M>,
        cause: FallbackCause,
        wanted: Option<usize>,
    ) {
        let wanted = wanted.and_then(|place| table.slots.get(place));
        match wanted {
            Some(slot) => slot.counters.replaced(cause),
            None => self.fallbacks.count(cause),
        }
        if cause.is_trouble() && self.may_warn(cause) {
            tracing::warn!(
                target: "modelgate::router",
                flag = self.settings.binding.flags().next().unwrap_or_default(),
                version = wanted.map(|slot| slot.version.as_str()),
                fallback = self.settings.fallback.as_str(),
                cause = %cause,
                revision = table.revision,
                "the fallback version answers"
            );
        }
    }

    fn may_warn(&self, cause: FallbackCause) -> bool {
        let Some(last) = self.warned.get(cause.index()) else { return false };
        // 0 stands for never, so that the first warning of all is not lost.
        let now = (self.settings.clock.monotonic().as_nanos() as u64).max(1);
        let then = last.load(Ordering::Relaxed);
        let due = then == 0 || now.saturating_sub(then) >= WARN_EVERY.as_nanos() as u64;
        due && last.compare_exchange(then, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The chosen version failed: the fallback stands in for it.
    #[cold]
    pub(crate) fn fall_back(
        &self,
        table: &Table<M>,
        choice: Choice,
        failure: Option<&ModelError>,
    ) -> Choice {
        let kind = failure.map_or(ModelErrorKind::Failed, ModelError::kind);
        let cause = FallbackCause::Failed(kind);
        self.count_fallback(table, cause, Some(choice.slot));
        Choice { slot: table.fallback, cause: Some(cause), ..choice }
    }

    /// Puts a version in, or replaces it; the old model is freed after its last user.
    pub(crate) fn install(&self, version: Version, model: Result<M, Arc<str>>) {
        self.change(|control| {
            let known = control.slots.iter_mut().find(|slot| slot.version == version);
            match known {
                // The counts go on; a breaker's grudge against the old model does not.
                Some(slot) => {
                    slot.model = model;
                    slot.breaker = Arc::new(super::breaker::Breaker::new(self.settings.breaker));
                }
                None => control.slots.push(Slot::new(version, model, self.settings.breaker)),
            }
        });
    }

    /// [`install`](Self::install), if the model has passed its checks.
    pub(crate) fn install_checked(
        &self,
        version: Version,
        checked: Result<(), String>,
        model: M,
    ) -> Result<(), OperateError> {
        match checked {
            Ok(()) => {
                self.install(version, Ok(model));
                Ok(())
            }
            Err(why) => {
                tracing::warn!(
                    target: "modelgate::router",
                    version = version.as_str(),
                    error = %why,
                    "a model version failed its checks and was not installed"
                );
                Err(OperateError::Ineligible { version, why })
            }
        }
    }

    pub(crate) fn retire(&self, version: &str) -> Result<(), OperateError> {
        self.registered(version)?;
        if self.settings.fallback == *version {
            return Err(OperateError::IsFallback(version.into()));
        }
        self.change(|control| {
            control.slots.retain(|slot| slot.version != *version);
            control.pin = control.pin.take().filter(|pin| *pin != *version);
        });
        Ok(())
    }

    pub(crate) fn pin(&self, version: &str) -> Result<(), OperateError> {
        self.registered(version)?;
        self.change(|control| control.pin = Some(version.into()));
        Ok(())
    }

    pub(crate) fn unpin(&self) {
        self.change(|control| control.pin = None);
    }

    pub(crate) fn block(&self, version: &str, blocked: bool) -> Result<(), OperateError> {
        self.registered(version)?;
        if blocked && self.settings.fallback == *version {
            return Err(OperateError::IsFallback(version.into()));
        }
        self.change(|control| {
            for slot in control.slots.iter_mut().filter(|slot| slot.version == *version) {
                slot.blocked = blocked;
            }
        });
        Ok(())
    }

    pub(crate) fn versions(&self) -> Vec<Version> {
        self.control.lock().slots.iter().map(|slot| slot.version.clone()).collect()
    }

    pub(crate) fn load(&self, version: &str) -> Result<(), OperateError> {
        let model = {
            let control = self.control.lock();
            let slot = control.slots.iter().find(|slot| slot.version == *version);
            slot.ok_or_else(|| OperateError::UnknownVersion(version.into()))?.model.clone()
        };
        // Outside the lock: loading may take minutes.
        model
            .map_err(|why| why.to_string())
            .and_then(|model| match contained(|| model.load()) {
                Some(loaded) => loaded.map_err(|error| crate::error_chain(&error)),
                None => Err("loading it panicked".to_owned()),
            })
            .map_err(|why| OperateError::Ineligible { version: version.into(), why })
    }

    pub(crate) fn stats(&self, shadows: Vec<ShadowStats>) -> RouterStats {
        // Read outside the lock: whether a model is loaded is asked of the model.
        let (revision, slots) = {
            let control = self.control.lock();
            (control.snapshot.revision(), control.slots.clone())
        };
        RouterStats {
            revision,
            fallbacks: self.fallbacks.read(),
            versions: slots.iter().map(Slot::stats).collect(),
            shadows,
        }
    }

    fn registered(&self, version: &str) -> Result<(), OperateError> {
        match self.control.lock().slots.iter().any(|slot| slot.version == *version) {
            true => Ok(()),
            false => Err(OperateError::UnknownVersion(version.into())),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Control<M>)) {
        let replaced = {
            let mut control = self.control.lock();
            change(&mut control);
            // Published under the lock: two changes cannot overtake each other.
            self.table.replace(Arc::new(control.table(&self.settings, &self.counts)))
        };
        // After the lock: this may free a model, whose `Drop` may ask this very router something.
        drop(replaced);
    }
}

impl<M: Handle> Control<M> {
    fn table(&self, settings: &Settings, counts: &Counts) -> Table<M> {
        Table::new(
            &settings.binding,
            &settings.shadows,
            &settings.fallback,
            &self.snapshot,
            &self.slots,
            self.pin.as_ref(),
            counts,
        )
    }
}

impl<M: Handle> Table<M> {
    #[inline]
    fn version(&self, slot: usize) -> Version {
        self.slots.get(slot).map_or_else(|| Version::new(""), |slot| slot.version.clone())
    }

    /// The variant's name; most often that of the version in `slot`.
    #[inline]
    fn text(&self, slot: usize, variant: Option<&str>) -> Option<SmolStr> {
        let variant = variant?;
        Some(match self.slots.get(slot) {
            Some(slot) => slot.version.text(variant),
            None => SmolStr::new(variant),
        })
    }

    /// The decision that a choice comes to.
    #[inline]
    pub(crate) fn decision(&self, choice: Choice) -> Decision {
        Decision {
            version: self.version(choice.slot),
            reason: choice.reason,
            fallback: choice.cause,
            variant: choice.variant,
            revision: self.revision,
        }
    }
}

impl<M: Handle> SnapshotListener for Core<M> {
    fn published(&self, snapshot: &Arc<Snapshot>) {
        self.change(|control| control.snapshot = Arc::clone(snapshot));
    }
}
