//! The snapshot cell, the publication of a router's table, its breaker, the lanes of its versions and
//! the shadows' queue with the parking of their threads, compiled from the crate's own source over loom's doubles, and
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
        use std::{collections::VecDeque, sync::Arc};

        pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
        use loom::sync::{Condvar, Mutex, atomic::AtomicUsize};

        /// As the channel, which loom cannot look into: whoever sends and whoever takes are ordered
        /// by a lock, and whether it is empty is told without one.
        struct Channel<T> {
            messages: Mutex<VecDeque<T>>,
            length: AtomicUsize,
        }

        pub(crate) struct Sender<T>(Arc<Channel<T>>);
        pub(crate) struct Receiver<T>(Arc<Channel<T>>);

        pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
            let channel = Arc::new(Channel {
                messages: Mutex::new(VecDeque::new()),
                length: AtomicUsize::new(0),
            });
            (Sender(Arc::clone(&channel)), Receiver(channel))
        }

        impl<T> Sender<T> {
            pub(crate) fn send(&self, message: T) -> Result<(), T> {
                let mut messages = self.0.messages.lock().unwrap();
                messages.push_back(message);
                self.0.length.store(messages.len(), Ordering::SeqCst);
                Ok(())
            }
        }

        impl<T> Receiver<T> {
            pub(crate) fn try_recv(&self) -> Result<T, ()> {
                let mut messages = self.0.messages.lock().unwrap();
                let message = messages.pop_front();
                self.0.length.store(messages.len(), Ordering::SeqCst);
                message.ok_or(())
            }

            pub(crate) fn is_empty(&self) -> bool {
                self.0.length.load(Ordering::SeqCst) == 0
            }
        }

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
    #[path = "../../../src/shadow/queue.rs"]
    pub(crate) mod queue;
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
