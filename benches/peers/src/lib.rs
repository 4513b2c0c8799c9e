//! What the comparison with peers has in common: the flags and users, the official provider, and
//! an allocator that counts.

#[path = "../../support/mod.rs"]
pub mod support;

mod counting;
mod measure;
#[cfg(feature = "provider")]
mod provider;
mod router;

#[cfg(feature = "provider")]
pub use self::provider::Provider;
pub use self::{
    counting::Counting,
    measure::{Contender, Measured, measure},
    router::router,
};

use open_feature::EvaluationContext;
use support::User;

/// The context of a user as OpenFeature's Rust SDK has it.
pub fn peer_context(user: &User) -> EvaluationContext {
    EvaluationContext::default()
        .with_targeting_key(&user.key)
        .with_custom_field("region", user.region)
        .with_custom_field("plan", user.plan)
        .with_custom_field("age", user.age)
        .with_custom_field("email", user.email.as_str())
}
