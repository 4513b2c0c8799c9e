//! A rollout's state where a fleet has it already: [`Redis`] and [`PostgreSql`], as examples of
//! [`StateStore`](modelgate::autopilot::store::StateStore). Copy the one you need.
//!
//! ```text
//! eval "$(bash tests/servers/stores.sh start target/stores)"
//! cargo test --manifest-path examples/stores/Cargo.toml
//! ```
#![forbid(unsafe_code)]

mod postgresql;
mod redis_store;

pub use postgresql::PostgreSql;
pub use redis_store::Redis;
