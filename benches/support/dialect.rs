//! What the dialects have in common for a benchmark.

use modelgate::{
    Binding, FlagSet, flag::BorrowedDetails, flagd::Flagd, flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly, unleash::Unleash,
};

use super::{Rules, flagd, flagsmith, is_second, launchdarkly, unleash};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Flagd,
    LaunchDarkly,
    Unleash,
    Flagsmith,
}

impl Dialect {
    pub const ALL: [Dialect; 4] =
        [Dialect::Flagd, Dialect::LaunchDarkly, Dialect::Unleash, Dialect::Flagsmith];

    pub fn name(self) -> &'static str {
        match self {
            Dialect::Flagd => "flagd",
            Dialect::LaunchDarkly => "launchdarkly",
            Dialect::Unleash => "unleash",
            Dialect::Flagsmith => "flagsmith",
        }
    }

    /// The text of this many flags.
    pub fn definition(self, rules: Rules, flags: usize) -> String {
        let definition = match self {
            Dialect::Flagd => flagd::definition(rules, flags),
            Dialect::LaunchDarkly => launchdarkly::definition(rules, flags),
            Dialect::Unleash => unleash::definition(rules, flags),
            Dialect::Flagsmith => flagsmith::definition(rules, flags),
        };
        definition.to_string()
    }

    /// The text of an update of one flag that gives v2 this share.
    pub fn change(self, rules: Rules, index: usize, percent: u32) -> String {
        let change = match self {
            Dialect::Flagd => flagd::flag(rules, percent),
            Dialect::LaunchDarkly => launchdarkly::flag(rules, index, percent),
            Dialect::Unleash => unleash::event(rules, index, percent),
            Dialect::Flagsmith => flagsmith::flag(index, percent),
        };
        change.to_string()
    }

    pub fn compile(self, definition: &str) -> FlagSet {
        match self {
            Dialect::Flagd => Flagd::new().compile(definition).unwrap(),
            Dialect::LaunchDarkly => LaunchDarkly::new().compile(definition).unwrap(),
            Dialect::Unleash => Unleash::new().compile(definition).unwrap(),
            Dialect::Flagsmith => Flagsmith::new().compile(definition).unwrap(),
        }
    }

    /// The set in which the flag `key` is as an update says.
    pub fn update(self, set: &FlagSet, key: &str, change: &str) -> FlagSet {
        match self {
            Dialect::Flagd => set.clone().with(Flagd::new().compile_flag(key, change).unwrap()),
            Dialect::LaunchDarkly => LaunchDarkly::new().with_flag(set, key, change).unwrap(),
            Dialect::Unleash => Unleash::new().apply(set, change).unwrap(),
            Dialect::Flagsmith => Flagsmith::new().with_feature(set, change).unwrap(),
        }
    }

    /// Whether an answer gives v2.
    pub fn is_second(self, answer: &BorrowedDetails<'_>) -> bool {
        match self {
            Dialect::Unleash => answer.on.unwrap(),
            _ => is_second(answer.string("none").value),
        }
    }

    /// How a router understands a flag.
    pub fn binding(self, key: &str) -> Binding {
        match self {
            Dialect::Unleash => Binding::switch(key, "fraud-v2").otherwise("fraud-v1"),
            _ => Binding::value(key),
        }
    }
}
