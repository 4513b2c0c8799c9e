//! Unleash.

mod compile;
mod constraint;
mod document;
mod evaluate;
mod field;
mod lowercase;
mod model;
mod network;
mod problems;
mod quoted;
mod segment;
mod settings;
mod shape;
mod strategy;
mod trace;
mod tree;

use std::sync::Arc;

use self::{evaluate::Scene, settings::Settings, trace::Unwatched, tree::FeatureToggle};
use crate::{
    clock::Clock,
    context::EvaluationContext,
    flag::{DocumentError, FlagSet, Request},
    source::Compile,
    value::Map,
};

/// Reads Unleash's client features and delta events.
#[derive(Clone, Debug, Default)]
pub struct Unleash {
    settings: Arc<Settings>,
}

impl Unleash {
    /// The dialect without defaults for the context and without custom strategies.
    pub fn new() -> Unleash {
        Unleash::default()
    }

    /// The `appName` of every context that does not bring its own.
    #[must_use]
    pub fn with_app_name(self, name: impl Into<Box<str>>) -> Unleash {
        self.with(|settings| settings.app_name = Some(name.into()))
    }

    /// The `environment` of every context that does not bring its own.
    #[must_use]
    pub fn with_environment(self, name: impl Into<Box<str>>) -> Unleash {
        self.with(|settings| settings.environment = Some(name.into()))
    }

    /// This host's name, for the strategy `applicationHostname`; without one it is false.
    #[must_use]
    pub fn with_host_name(self, name: impl Into<Box<str>>) -> Unleash {
        self.with(|settings| settings.host_name = Some(name.into()))
    }

    /// Answers for the custom strategy `name`: given its parameters, all of them text, and the
    /// context, is it true? One that panics is false, as is one that nobody answers for.
    ///
    /// The names of Unleash's own strategies are not asked for.
    #[must_use]
    pub fn with_strategy(
        self,
        name: impl Into<Box<str>>,
        strategy: impl Fn(&Map, &dyn EvaluationContext) -> bool + Send + Sync + 'static,
    ) -> Unleash {
        self.with(|settings| settings.strategies.push((name.into(), Arc::new(strategy))))
    }

    /// Draws random numbers from here: 64 bits, each as likely as the other. One that panics has
    /// drawn 0.
    ///
    /// They decide the strategy `gradualRolloutRandom`, splits with the stickiness `random`, and
    /// splits of a context that has nothing to be sticky on.
    #[must_use]
    pub fn with_random(self, random: impl Fn() -> u64 + Send + Sync + 'static) -> Unleash {
        self.with(|settings| settings.random = Some(Arc::new(random)))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Unleash {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Compiles client features, or the delta events that make them up. A feature or segment that
    /// is malformed is left out and reported in the set's [problems](FlagSet::problems); it never
    /// takes its neighbours with it.
    ///
    /// # Errors
    /// When the text is not JSON, or has neither `features` nor `events`.
    pub fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        document::read(&self.settings, &FlagSet::new(), text)
    }

    /// Applies delta events, in order. Only the features and segments that they carry are
    /// compiled; of all others pointers are copied. One that is malformed stays as it was.
    ///
    /// Client features in place of events replace everything there is.
    ///
    /// # Errors
    /// As for [`compile`](Unleash::compile).
    pub fn apply(&self, flags: &FlagSet, events: &str) -> Result<FlagSet, DocumentError> {
        document::read(&self.settings, flags, events)
    }

    /// Whether a toggle is enabled, and its variant, as Unleash's own SDKs say it. A toggle that
    /// is not there is disabled.
    pub fn toggle<'a>(
        &self,
        flags: &'a FlagSet,
        name: &str,
        context: &'a dyn EvaluationContext,
        clock: &'a dyn Clock,
    ) -> Toggle<'a> {
        match flags.get(name).and_then(|flag| flag.rules::<FeatureToggle>()) {
            Some(toggle) => {
                let request = Request { context, key_override: None, clock };
                Scene::new(toggle, &request, flags, Unwatched).resolve().toggle()
            }
            None => Toggle::new(false, None),
        }
    }
}

impl Compile for Unleash {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        Unleash::compile(self, text)
    }
}

/// What Unleash says of a toggle. Borrows from the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Toggle<'a> {
    /// Whether the toggle is on for this context.
    pub enabled: bool,
    /// The variant it gets.
    pub variant: Variant<'a>,
}

/// The variant of a toggle, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Variant<'a> {
    /// Its name; `disabled` when there is none.
    pub name: &'a str,
    /// What comes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload<'a>>,
    /// Whether there is a variant.
    pub enabled: bool,
    /// Whether the toggle is on.
    pub feature_enabled: bool,
}

/// What comes with a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Payload<'a> {
    /// What its author says it is: `string`, `json`, `csv`, `number`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Its text.
    pub value: &'a str,
}

impl<'a> Toggle<'a> {
    fn new(enabled: bool, variant: Option<&'a tree::Variant>) -> Toggle<'a> {
        let variant = match variant {
            Some(variant) => Variant {
                name: &variant.name,
                payload: variant.payload.as_ref().map(|(kind, value)| Payload { kind, value }),
                enabled: true,
                feature_enabled: enabled,
            },
            None => Variant {
                name: "disabled",
                payload: None,
                enabled: false,
                feature_enabled: enabled,
            },
        };
        Toggle { enabled, variant }
    }
}
