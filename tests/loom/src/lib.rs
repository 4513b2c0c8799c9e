//! The snapshot cell, the publication of a router's table, its breaker, the lanes of its versions and
//! the parking of the shadows' threads, compiled from the crate's own source over loom's doubles, and
//! run through every interleaving of small programs:
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

mod flag {
    pub(crate) mod store {
        pub(crate) use crate::store::cell::SnapshotCell;
    }
}

#[path = "."]
mod router {
    #[path = "../../../src/router/publication.rs"]
    pub(crate) mod publication;

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
        use std::sync::Arc;

        pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
        use loom::sync::{Condvar, Mutex};

        /// As the standard library's, with a token that stays until it is used: loom's own is lost
        /// when its thread comes to wait for a lock in between.
        #[derive(Clone, Default)]
        pub(crate) struct Thread(Arc<Token>);

        struct Token {
            there: Mutex<bool>,
            changed: Condvar,
        }

        impl Default for Token {
            fn default() -> Token {
                Token { there: Mutex::new(false), changed: Condvar::new() }
            }
        }

        impl Thread {
            pub(crate) fn unpark(&self) {
                *self.0.there.lock().unwrap() = true;
                self.0.changed.notify_one();
            }
        }

        loom::thread_local! {
            static CURRENT: Thread = Thread::default();
        }

        pub(crate) fn current() -> Thread {
            CURRENT.with(Clone::clone)
        }

        pub(crate) fn park() {
            let Thread(token) = current();
            let mut there = token.there.lock().unwrap();
            while !*there {
                there = token.changed.wait(there).unwrap();
            }
            *there = false;
        }

        /// Time never passes: only whoever ends a pause ends it.
        pub(crate) fn park_timeout(_: std::time::Duration) {
            park();
        }
    }

    #[path = "../../../src/shadow/parker.rs"]
    pub(crate) mod parker;
}

mod reaper {
    pub(crate) fn drop_when_last<T>(value: std::sync::Arc<T>) {
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
mod clamp;
#[cfg(test)]
mod lane;
#[cfg(test)]
mod model;
#[cfg(test)]
mod parker;
