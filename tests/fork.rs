//! What a child of a fork sees of its parent's routers: it hangs in none of them, and ends nothing.
#![cfg(all(unix, feature = "async"))]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::executor::block_on;
use modelgate::{
    Context, ModelRouter, RouterBuilder, Shadow, model_fn,
    router::PredictErrorKind,
    shadow::{Budget, DropCause},
};
use support::{PATIENCE, Puppet, serving, test_flags, until};

const FLAG: &str = "ml-model-version";

unsafe extern "C" {
    fn fork() -> i32;
    fn waitpid(child: i32, status: *mut i32, options: i32) -> i32;
    fn kill(process: i32, signal: i32) -> i32;
    fn _exit(status: i32) -> !;
}

const WITHOUT_WAITING: i32 = 1;
const KILL: i32 = 9;

/// Counts how often it is freed.
struct Freed(Arc<AtomicUsize>);

impl Drop for Freed {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn builder(freed: &Arc<AtomicUsize>) -> RouterBuilder<[f64], f64> {
    let freed = Freed(Arc::clone(freed));
    let v2 = model_fn(move |_: &[f64]| {
        let _held = &freed;
        Ok(2.0)
    });
    let policy = || Shadow::always().candidate("v2").budget(Budget::unlimited());
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", v2)
        .model("v3", Puppet::new(3.0))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(policy())
        .shadow(Shadow::always().candidate("v3").joined())
}

#[test]
fn a_child_of_a_fork_neither_hangs_nor_ends_what_is_its_parents() {
    let freed = Arc::new(AtomicUsize::new(0));
    let here = builder(&freed).build().unwrap();
    let waits = builder(&freed).deadline(PATIENCE).build_async().unwrap();
    let user = Context::new("user-1");
    here.predict(&user, &[]).unwrap();
    block_on(waits.predict(&user, vec![])).unwrap();
    assert!(here.flush(PATIENCE) && waits.flush(PATIENCE));

    // SAFETY: these take and give plain numbers. The child calls what this test is about, and leaves
    // by `_exit`: it prints nothing and unwinds through nothing of the harness's.
    let child = unsafe { fork() };
    if child == 0 {
        let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let answers = || here.predict(&user, &[]).is_ok_and(|answer| *answer.output() == 1.0);
            let hour = Duration::from_secs(3_600);
            let checks: [&dyn Fn() -> bool; 5] = [
                &|| answers() && answers(),
                &|| {
                    let policies = here.stats().shadows;
                    let mut candidates = policies.iter().flat_map(|policy| &policy.candidates);
                    candidates.all(|one| one.dropped(DropCause::Shutdown) == 2)
                },
                &|| {
                    let refused = block_on(waits.predict(&user, vec![]));
                    refused.is_err_and(|error| error.kind() == PredictErrorKind::Stopped)
                },
                &|| !here.flush(hour) && !here.shutdown(hour),
                &|| !waits.flush(hour) && !block_on(waits.shutdown(hour)),
            ];
            checks.iter().position(|check| !check()).map_or(0, |place| place as i32 + 1)
        }));
        drop((here, waits));
        let ended = freed.load(Ordering::SeqCst) as i32;
        unsafe { _exit(said.unwrap_or(10) + 20 * ended) };
    }
    let mut status = -1;
    let mut ended = 0;
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the child ends", || {
            ended = unsafe { waitpid(child, &raw mut status, WITHOUT_WAITING) };
            ended != 0
        });
    }));
    if waited.is_err() {
        unsafe { kill(child, KILL) };
    }
    assert_eq!((ended, status >> 8, status & 0x7f), (child, 0, 0), "the child's failed check");
    assert!(here.predict(&user, &[]).is_ok() && block_on(waits.predict(&user, vec![])).is_ok());
}
