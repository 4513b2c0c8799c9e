//! The snapshot cell, the router's breaker, the lanes of its versions and the parking of the
//! shadows' threads, compiled from the crate's own source over loom's
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
            Mutex, RwLock,
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
        pub(crate) use std::sync::PoisonError;

        pub(crate) use loom::sync::{
            Condvar, Mutex, MutexGuard,
            atomic::{AtomicU64, Ordering},
        };

        pub(crate) fn start(
            _: String,
            work: impl FnOnce() + Send + 'static,
        ) -> std::io::Result<()> {
            loom::thread::spawn(work);
            Ok(())
        }
    }

    #[path = "."]
    pub(crate) mod future {
        #[path = "../../../src/router/future/lane.rs"]
        pub(crate) mod lane;
    }

    #[path = "."]
    pub(crate) mod breaker {
        #[path = "../../../src/router/breaker/state.rs"]
        pub(crate) mod state;
    }
}

#[path = "."]
mod shadow {
    pub(crate) mod sync {
        pub(crate) use loom::{
            sync::atomic::{AtomicBool, Ordering, fence},
            thread::{Thread, current, park},
        };

        /// Time never passes: only whoever ends a pause ends it.
        pub(crate) fn park_timeout(_: std::time::Duration) {
            park();
        }
    }

    #[path = "../../../src/shadow/parker.rs"]
    pub(crate) mod parker;
}

mod reaper {
    pub(crate) fn bury<T>(value: std::sync::Arc<T>) {
        drop(value);
    }
}

mod contain {
    pub(crate) fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
        Some(call())
    }
}

#[cfg(test)]
mod breaker;
#[cfg(test)]
mod lane;
#[cfg(test)]
mod model;
#[cfg(test)]
mod parker;
