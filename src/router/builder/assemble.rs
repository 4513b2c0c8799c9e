//! From checked settings to what both kinds of router are made of.

use std::sync::Arc;

use super::RouterBuilder;
use crate::{
    clock::SystemClock,
    model::Acceptance,
    router::{
        BuildError, Input, Output,
        call::FiniteCheck,
        clamp::Clamp,
        core::{Core, RouterSettings},
        registered::{AnyModel, Registered},
        shadowing::Shadowing,
        slot::{Handle, Slot},
    },
    version::Version,
};

impl<F: ?Sized + Input, P: Output> RouterBuilder<F, P> {
    /// What both kinds of router are made of.
    pub(in crate::router) fn assemble<M: Handle>(
        self,
        handle: impl Fn(&Version, AnyModel<F, P>) -> Result<M, BuildError>,
    ) -> Result<Parts<F, P, M>, BuildError> {
        self.validate()?;
        let settings = RouterSettings {
            binding: self.binding,
            fallbacks: self.fallbacks.into(),
            shadows: self.shadows.into(),
            missing_key: self.missing_key,
            breaker: self.breaker,
            trace_evaluations: self.trace_evaluations,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
            observers: self.observers.into(),
        };
        let clock = Arc::clone(&settings.clock);

        let mut slots = Vec::with_capacity(self.versions.len());
        let mut checks = self.checks;
        for Registered { version, model } in self.versions {
            let (mine, others) = checks.into_iter().partition(|(checked, _)| *checked == version);
            checks = others;
            let model = model.and_then(|model| model.proved(own_checks(mine)));
            let model = match model {
                Ok(model) => Ok(handle(&version, model)?),
                Err(why) if settings.is_last_fallback(&version) => {
                    return Err(BuildError::FallbackIneligible { version, why });
                }
                Err(why) => {
                    tracing::warn!(
                        target: "modelgate::router",
                        version = version.as_str(),
                        error = %why,
                        "a model version may not answer"
                    );
                    Err(Arc::from(why))
                }
            };
            let breaker = settings.breaker_of(&version);
            slots.push(Slot::new(version, model, breaker));
        }

        let flags = match self.flags {
            Some(flags) => flags,
            None => self.sources.clock(Arc::clone(&clock)).build().map_err(BuildError::Source)?,
        };
        let shadowing = Shadowing::start(
            &settings.shadows,
            self.comparator,
            &self.sinks,
            self.record_features,
            self.finite,
            &clock,
        )?;
        let clamps = self.autopilots.iter().map(|autopilot| {
            Clamp::new(autopilot.name().into(), autopilot.candidate().clone(), autopilot.seed())
        });
        let core = Core::new(
            settings,
            flags,
            slots,
            (clamps.collect(), self.autopilots),
            shadowing.counts(),
            self.feeds.into(),
        );
        Ok(Parts { core, shadowing, finite: self.finite })
    }
}

fn own_checks<F: ?Sized, P>(checks: Vec<(Version, Acceptance<F, P>)>) -> Vec<Acceptance<F, P>> {
    checks.into_iter().map(|(_, acceptance)| acceptance).collect()
}

/// What [`RouterBuilder::assemble`] makes.
pub(in crate::router) struct Parts<F: ?Sized + Input, P: Output, M> {
    pub(in crate::router) core: Arc<Core<M>>,
    pub(in crate::router) shadowing: Shadowing<F, P>,
    pub(in crate::router) finite: FiniteCheck<P>,
}
