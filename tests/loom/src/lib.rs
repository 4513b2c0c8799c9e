//! The snapshot cell and the router's breaker, compiled from the crate's own source over loom's
//! doubles, and run through every interleaving of small programs:
//!
//! ```text
//! cargo test --manifest-path tests/loom/Cargo.toml
//! ```
#![forbid(unsafe_code)]
#![allow(dead_code)]

#[path = "."]
mod store {
    pub(crate) mod sync {
        pub(crate) use std::sync::{PoisonError, TryLockError};

        pub(crate) use loom::sync::{
            RwLock,
            atomic::{AtomicU64, Ordering},
        };

        // Loom's macro does not know `const` initialisers.
        macro_rules! double {
            (static $name:ident: $of:ty = const $value:block;) => {
                loom::thread_local! { static $name: $of = $value; }
            };
        }
        pub(crate) use double as thread_local;
    }

    #[path = "../../../src/flag/store/cell.rs"]
    pub(crate) mod cell;
}

#[path = "."]
mod router {
    pub(crate) mod sync {
        pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
    }

    #[path = "."]
    pub(crate) mod breaker {
        #[path = "../../../src/router/breaker/state.rs"]
        pub(crate) mod state;
    }
}

#[cfg(test)]
mod breaker;
#[cfg(test)]
mod model;
