//! Changing and looking at what a router holds, while requests go on.

use std::{fmt, sync::Arc};

use super::Core;
use crate::{
    contain::contained,
    router::{
        OperateError, RouterStats,
        breaker::Breaker,
        clamp::Health,
        publication,
        slot::{Handle, Slot},
    },
    shadow,
    version::Version,
};

/// Retired versions whose counts are kept.
const MOST_RETIRED: usize = 256;

impl<M: Handle> Core<M> {
    /// Puts a version in, or replaces it; the old model is freed after its last user.
    pub(crate) fn install(&self, version: Version, model: Result<M, Arc<str>>) {
        let policy = self.settings.breaker_of(&version);
        self.replace(|control| {
            let known = control.slots.iter_mut().find(|slot| slot.version == version);
            match known {
                // The counts go on; what the breaker held against the old model does not.
                Some(slot) => {
                    slot.breaker = Arc::new(Breaker::new(policy));
                    std::mem::replace(&mut slot.model, model).ok()
                }
                None => {
                    let mut slot = Slot::new(version, model, policy);
                    let before = control.retired.iter().position(|(one, _)| *one == slot.version);
                    if let Some(place) = before {
                        slot.counters = control.retired.swap_remove(place).1;
                    }
                    control.slots.push(slot);
                    None
                }
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
        if self.settings.fallbacks.iter().any(|fallback| *fallback == *version) {
            return Err(OperateError::IsFallback(version.into()));
        }
        self.replace(|control| {
            let place = control.slots.iter().position(|slot| slot.version == *version)?;
            let slot = control.slots.remove(place);
            if control.retired.len() >= MOST_RETIRED {
                control.retired.remove(0);
            }
            control.retired.push((slot.version, slot.counters));
            control.pin = control.pin.take().filter(|pin| *pin != *version);
            slot.model.ok()
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
        if blocked && self.settings.is_last_fallback(version) {
            return Err(OperateError::IsFallback(version.into()));
        }
        let mut models = Vec::new();
        self.change(|control| {
            for slot in control.slots.iter_mut().filter(|slot| slot.version == *version) {
                slot.blocked = blocked;
                models.extend(slot.model.clone());
            }
        });
        // After the change: no request comes to a version that lets go of what it holds.
        models.iter().for_each(|model| model.blocked(blocked));
        Ok(())
    }

    /// Publishes the share an autopilot lets through.
    pub(crate) fn set_share(&self, autopilot: &str, below: u32, why: &Arc<str>) {
        self.change(|control| {
            for clamp in control.clamps.iter_mut().filter(|clamp| *clamp.autopilot == *autopilot) {
                clamp.below = below;
                clamp.why = Arc::clone(why);
            }
        });
    }

    /// How a version fares, for the autopilot that steers it.
    pub(crate) fn candidate_health(&self, version: &Version) -> Option<Health> {
        // Read outside the lock: whether a model is loaded is asked of the model.
        let (slot, pin) = {
            let control = publication::lock(&self.control);
            let slot = control.slots.iter().find(|slot| slot.version == *version)?.clone();
            (slot, control.pin.clone())
        };
        Some(Health {
            eligible: slot.model.as_ref().is_ok_and(Handle::can_answer),
            overruled: slot.blocked || pin.is_some(),
            breaker_opens: slot.counters.breaker_opens(),
            answered: slot.counters.answers().total(),
            held_back: slot.counters.held_back(),
        })
    }

    pub(crate) fn versions(&self) -> Vec<Version> {
        publication::lock(&self.control).slots.iter().map(|slot| slot.version.clone()).collect()
    }

    pub(crate) fn load(&self, version: &str) -> Result<(), OperateError> {
        let model = {
            let control = publication::lock(&self.control);
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

    pub(crate) fn stats(&self, shadows: Vec<shadow::Stats>) -> RouterStats {
        // Read outside the lock: whether a model is loaded is asked of the model.
        let (revision, slots) = {
            let control = publication::lock(&self.control);
            (control.snapshot.revision(), control.slots.clone())
        };
        RouterStats {
            revision,
            fallbacks: self.fallbacks.read(),
            versions: slots.iter().map(Slot::stats).collect(),
            shadows,
        }
    }

    /// What a router of this type shows of itself.
    pub(crate) fn debug(&self, router: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(router)
            .field("binding", &self.settings.binding)
            .field("versions", &self.versions())
            .field("fallbacks", &self.settings.fallbacks)
            .finish_non_exhaustive()
    }

    fn registered(&self, version: &str) -> Result<(), OperateError> {
        match publication::lock(&self.control).slots.iter().any(|slot| slot.version == *version) {
            true => Ok(()),
            false => Err(OperateError::UnknownVersion(version.into())),
        }
    }
}
