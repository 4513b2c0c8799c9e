//! The part that the sync and the async router share: deciding, operating, counting.

mod decide;
mod operate;
mod trace;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use smol_str::SmolStr;

use super::{
    FallbackCause, MissingKey,
    binding::Binding,
    breaker::{BreakerPolicy, Ticket},
    clamp::{Clamp, Clamped},
    impact::ImpactFeed,
    observer::Observers,
    publication,
    slot::{Handle, Slot},
    stats::{FallbackCounters, VersionCounters},
    sync::Mutex,
    table::{CountsLookup, RoutingTable},
};
use crate::{
    autopilot::Autopilot,
    clock::Clock,
    flag::{
        Reason,
        store::{self, Flags, SnapshotCell, SnapshotListener},
    },
    model::{ErrorKind, ModelError},
    reaper,
    shadow::Shadow,
    version::Version,
};

/// One warning of a kind in this time: a flag that is wrong is wrong for every request.
const WARN_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Core<M> {
    pub(crate) settings: RouterSettings,
    counts: CountsLookup,
    pub(crate) flags: Flags,
    pub(crate) table: SnapshotCell<RoutingTable<M>>,
    /// What the table is made of. Only control operations take the lock.
    control: Mutex<Control<M>>,
    fallbacks: Arc<FallbackCounters>,
    feeds: Box<[Arc<ImpactFeed>]>,
    /// They go on for as long as a router that they steer.
    autopilots: Vec<Autopilot>,
    /// Monotonic nanoseconds of the last warning, by cause.
    warned: [AtomicU64; FallbackCause::COUNT],
}

/// What a builder settled once and for all.
pub(crate) struct RouterSettings {
    pub(crate) binding: Binding,
    /// In the order in which they are asked; at least one.
    pub(crate) fallbacks: Box<[Version]>,
    pub(crate) shadows: Box<[Shadow]>,
    pub(crate) missing_key: MissingKey,
    pub(crate) breaker: BreakerPolicy,
    /// Whether each decision is an event on its request's trace.
    pub(crate) trace_evaluations: bool,
    pub(crate) clock: Arc<dyn Clock>,
    /// Told of each live answer.
    pub(crate) observers: Observers,
}

impl RouterSettings {
    /// Nobody is behind the last fallback version: it is never left alone.
    pub(crate) fn breaker_of(&self, version: &str) -> BreakerPolicy {
        match self.is_last_fallback(version) {
            true => BreakerPolicy::disabled(),
            false => self.breaker,
        }
    }

    pub(crate) fn is_last_fallback(&self, version: &str) -> bool {
        self.fallbacks.last().is_some_and(|last| *last == *version)
    }
}

struct Control<M> {
    slots: Vec<Slot<M>>,
    snapshot: Arc<store::Snapshot>,
    pin: Option<Version>,
    clamps: Vec<Clamp>,
    /// What was counted for versions that have been retired: should one come back, its counts go on,
    /// for a counter never falls. The newest are kept.
    retired: Vec<(Version, Arc<VersionCounters>)>,
}

/// Which slot is to answer, and why.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) slot: usize,
    pub(crate) reason: Reason,
    pub(crate) cause: Option<FallbackCause>,
    pub(crate) variant: Option<SmolStr>,
    /// What the breaker of the slot wants to see when the call has ended.
    pub(crate) ticket: Ticket,
    /// Whether the answer is going to be compared, so that its processor time is measured.
    pub(crate) is_compared: bool,
    /// The slot the flags named, when the fallback stands in for it.
    wanted: Option<usize>,
}

impl Choice {
    /// The slot the flags named, before any model has been asked.
    #[inline]
    pub(crate) fn named(&self) -> usize {
        self.wanted.unwrap_or(self.slot)
    }
}

/// The context has no targeting key and the policy is to refuse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MissingKeyError;

impl<M: Handle> Core<M> {
    pub(crate) fn new(
        settings: RouterSettings,
        flags: Flags,
        slots: Vec<Slot<M>>,
        (clamps, autopilots): (Vec<Clamp>, Vec<Autopilot>),
        counts: CountsLookup,
        feeds: Box<[Arc<ImpactFeed>]>,
    ) -> Arc<Core<M>> {
        let snapshot = flags.snapshot();
        let control = Control { slots, snapshot, pin: None, clamps, retired: Vec::new() };
        let (table, fallbacks) =
            (control.table(&settings, &counts), Arc::new(FallbackCounters::new()));
        for feed in &feeds {
            feed.watch_fallbacks(&fallbacks);
            feed.watch(&table);
        }
        let core = Arc::new(Core {
            table: SnapshotCell::new(table),
            settings,
            counts,
            flags,
            control: Mutex::new(control),
            fallbacks,
            feeds,
            warned: Default::default(),
            autopilots,
        });
        let listener: Arc<dyn SnapshotListener> = Arc::clone(&core) as _;
        core.flags.listen(Arc::downgrade(&listener));
        for autopilot in &core.autopilots {
            let clamped: Arc<dyn Clamped> = Arc::clone(&core) as _;
            autopilot.attach(Arc::downgrade(&clamped));
        }
        core
    }

    /// Counts a choice that is about to be served, and warns of trouble.
    #[inline]
    pub(crate) fn count(&self, table: &RoutingTable<M>, choice: &Choice) {
        if self.settings.trace_evaluations {
            self.trace(table, choice);
        }
        if let Some(cause) = choice.cause {
            self.count_fallback(table, cause, choice.wanted);
        }
    }

    #[cold]
    pub(crate) fn count_fallback(
        &self,
        table: &RoutingTable<M>,
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
                fallback = self.settings.fallbacks.first().map(Version::as_str),
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

    /// The chosen version, or a fallback, failed: the next fallback stands in for it.
    #[cold]
    pub(crate) fn fall_back(
        &self,
        table: &RoutingTable<M>,
        choice: Choice,
        failure: Option<&ModelError>,
    ) -> Choice {
        let kind = failure.map_or(ErrorKind::Failed, ModelError::kind);
        let cause = FallbackCause::Failed(kind);
        self.count_fallback(table, cause, Some(choice.slot));
        let (slot, ticket) = self.fallback_for(table, Some(choice.slot), true);
        // Of several failures the caller is told the first.
        let cause = match choice.cause {
            Some(first @ FallbackCause::Failed(_)) => first,
            _ => cause,
        };
        Choice { slot, ticket, cause: Some(cause), ..choice }
    }

    /// The next fallback version that may be asked, after the one in `after`. The last is asked in
    /// any case: there is nobody behind it.
    #[cold]
    fn fallback_for(
        &self,
        table: &RoutingTable<M>,
        after: Option<usize>,
        probe: bool,
    ) -> (usize, Ticket) {
        let asked = table.fallbacks.iter().position(|place| Some(*place) == after);
        let next = asked.map_or(0, |asked| asked.saturating_add(1));
        table
            .fallbacks
            .iter()
            .skip(next)
            .filter(|place| **place != table.fallback)
            .find_map(|place| {
                let slot = table.slots.get(*place)?;
                let ticket = slot.admits(&*self.settings.clock, probe).ok()?;
                Some((*place, ticket))
            })
            .unwrap_or((table.fallback, Ticket::default()))
    }

    fn change(&self, change: impl FnOnce(&mut Control<M>)) {
        self.replace(|control| {
            change(control);
            None
        });
    }

    /// As [`change`](Self::change), where models go out that are returned.
    fn replace(&self, change: impl FnOnce(&mut Control<M>) -> Option<M>) {
        let (gone, replaced) = publication::change(&self.control, &self.table, change, |control| {
            let table = control.table(&self.settings, &self.counts);
            self.feeds.iter().for_each(|feed| feed.watch(&table));
            table
        });
        // After the change: few requests come to a version that lets go of what it holds.
        if let Some(gone) = gone {
            gone.retired();
        }
        // The last request that still has it must not free the models in it.
        reaper::drop_when_last(replaced);
    }
}

impl<M: Handle> Control<M> {
    fn table(&self, settings: &RouterSettings, counts: &CountsLookup) -> RoutingTable<M> {
        RoutingTable::new(
            settings,
            &self.snapshot,
            &self.slots,
            self.pin.as_ref(),
            &self.clamps,
            counts,
        )
    }
}

impl<M: Handle> SnapshotListener for Core<M> {
    fn published(&self, snapshot: &Arc<store::Snapshot>) {
        self.change(|control| control.snapshot = Arc::clone(snapshot));
    }
}
