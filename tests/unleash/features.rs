//! Features of the tests, and whether they are on.

use std::time::Duration;

use modelgate::{EvaluationContext, FlagSet, clock::ManualClock, unleash::Unleash};
use serde_json::{Value as Json, json};

pub fn compile(dialect: &Unleash, features: &Json) -> FlagSet {
    dialect.compile(&json!({"version": 2, "features": features}).to_string()).unwrap()
}

/// A toggle `t` with these strategies.
pub fn toggle(strategies: Json) -> FlagSet {
    compile(&Unleash::new(), &json!([{"name": "t", "enabled": true, "strategies": strategies}]))
}

/// A toggle `t` that is on where this constraint is met.
pub fn constrained(constraint: &Json) -> FlagSet {
    toggle(json!([{"name": "default", "constraints": [constraint]}]))
}

pub fn on(flags: &FlagSet, context: &dyn EvaluationContext) -> bool {
    let clock = ManualClock::at_unix(Duration::from_secs(1_700_000_000));
    Unleash::new().toggle(flags, "t", context, &clock).enabled
}
