//! The tokio runtime in every place where it can be: around a test, a main function, a thread.

use super::*;

#[tokio::test]
async fn a_shadow_finds_the_runtime_in_a_test_of_tokio() {
    a_shadow_of_a_model_that_sleeps_completes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_finds_the_runtime_of_many_threads() {
    a_shadow_of_a_model_that_sleeps_completes().await;
}

#[test]
fn a_shadow_finds_the_runtime_of_the_main_function() {
    #[tokio::main]
    async fn main() {
        a_shadow_of_a_model_that_sleeps_completes().await;
    }
    #[tokio::main(flavor = "current_thread")]
    async fn of_one_thread() {
        a_shadow_of_a_model_that_sleeps_completes().await;
    }
    main();
    of_one_thread();
}

/// As actix does it: tasks that stay on their thread. `examples/actix` tests actix itself.
#[test]
fn a_shadow_finds_the_runtime_of_a_local_set() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, a_shadow_of_a_model_that_sleeps_completes());
}

#[tokio::test]
async fn a_flush_that_blocks_the_runtime_of_its_shadows_ends_in_time_and_says_no() {
    let router = builder(sleeps()).shadow(shadow()).build_async().unwrap();
    assert_eq!(ask(&router).await, 1.0);
    assert!(!router.flush(Duration::from_millis(50)));
    assert!(router.flushed(PATIENCE).await);
    assert_eq!(settled(&router.stats(), "v2").completed(), 1);
}

#[test]
fn a_runtime_that_nobody_drives_any_more_costs_the_shadow_and_holds_no_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let policy = shadow().deadline(Duration::from_millis(20));
    let router = runtime.block_on(async {
        let router = builder(sleeps()).shadow(policy).build_async().unwrap();
        assert_eq!(ask(&router).await, 1.0);
        router
    });
    // From here on the runtime stands still, and its timers with it.
    assert!(router.flush(PATIENCE));
    let counts = settled(&router.stats(), "v2");
    assert_eq!(counts.completed() + counts.dropped(DropCause::Deadline), 1);
    block_on(ask(&router));
    assert!(router.flush(PATIENCE));
    assert!(settled(&router.stats(), "v2").dropped(DropCause::Deadline) >= 1);
    drop(runtime);
    // Now it is gone.
    block_on(ask(&router));
    assert!(router.flush(PATIENCE));
    let counts = settled(&router.stats(), "v2");
    assert_eq!((counts.wanted(), counts.completed() + counts.dropped_in_all()), (3, 3));
    assert!(counts.dropped_in_all() >= 2);
}

/// Answers once it has been loaded, with a timer of tokio's: `async_model_fn` makes models that need
/// no loading, and a puppet loads at once.
struct LoadsAsleep(AtomicBool);

impl AsyncModel<[f64], f64> for LoadsAsleep {
    fn predict<'a>(&'a self, _: &'a [f64]) -> PredictFuture<'a, f64> {
        Box::pin(async { Ok(2.0) })
    }
    fn is_loaded(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
    fn load(&self) -> PredictFuture<'_, ()> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0.store(true, Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test]
async fn loading_on_the_thread_that_drives_the_runtime_says_so_instead_of_waiting_for_ever() {
    let router = builder(LoadsAsleep(AtomicBool::new(false))).build_async().unwrap();
    let error = router.load("v2").unwrap_err().to_string();
    assert!(error.contains("drives the runtime"), "{error}");
    let theirs = router.clone();
    tokio::task::spawn_blocking(move || theirs.load("v2")).await.unwrap().unwrap();
    router.pin("v2").unwrap();
    assert_eq!(ask(&router).await, 2.0);
}

#[tokio::test]
async fn waiting_on_the_thread_that_drives_a_source_says_so_and_awaiting_works() {
    use modelgate::{Flags, source::Polled};

    let source = Polled::every(Duration::from_secs(3_600), "table", || async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(support::flags(&serving(FLAG, "v1")))
    });
    let flags = Flags::builder().source(source).build().unwrap();
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .fallback("v1")
        .flags(flags.clone())
        .build()
        .unwrap();
    let error = router.wait_ready(Duration::from_millis(50)).unwrap_err();
    assert!(error.held_up_runtime(), "{error}");
    assert!(error.to_string().contains("await `Flags::ready` instead"), "{error}");
    // Nothing of the router's waits for the runtime.
    assert_eq!(*router.predict(&Context::new("user-1"), &[]).unwrap().output(), 1.0);
    assert!(router.flush(PATIENCE));
    flags.ready(PATIENCE).await.unwrap();
    router.wait_ready(Duration::ZERO).unwrap();
}

#[test]
fn a_polled_source_finds_the_runtime_too() {
    use modelgate::{Flags, source::Polled};

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let flags = runtime.block_on(async {
        let source = Polled::every(Duration::from_secs(3_600), "table", || async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(support::flags(&serving(FLAG, "v1")))
        });
        Flags::builder().source(source).build().unwrap()
    });
    flags.wait_ready(PATIENCE).unwrap();
}
