//! Shadows that run beside the answer.

use super::*;

#[test]
fn joined_shadows_are_done_when_the_answer_comes() {
    quiet_panics();
    let sink = sink();
    let router = builder(&serving(FLAG, "v1"))
        .model("bad", model_fn(|_: &[f64]| panic!("out of luck")))
        .shadow(Shadow::always().candidate("v2").candidate("v3").candidate("bad").joined())
        .sink(sink.clone())
        .build()
        .unwrap();
    for n in 1..=50 {
        assert_eq!(ask(&router, "user-1").version(), "v1");
        assert_eq!(sink.len(), 3 * n, "recorded before the answer");
    }
    let stats = router.stats();
    assert_eq!(settled(&stats, "v2").disagreed(), 50);
    assert_eq!(settled(&stats, "bad").dropped(DropCause::Panic), 50);
    // In a batch they run detached, and are counted alike.
    let user = Context::new("user-1");
    let row: (&dyn EvaluationContext, &[f64]) = (&user, &[]);
    for answer in router.predict_batch(&[row; 20]) {
        assert_eq!(answer.unwrap().version(), "v1");
    }
    assert!(router.flush(PATIENCE));
    let stats = router.stats();
    for name in ["v2", "v3", "bad"] {
        assert_eq!(settled(&stats, name).wanted(), 70, "{name}");
    }
}

#[test]
fn joined_shadows_of_many_threads_do_not_wait_for_each_other_for_ever() {
    let router = builder(&serving(FLAG, "v1"))
        .shadow(Shadow::always().candidate("v2").candidate("v3").joined())
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| drop(ask(&router, "user-1"))));
        }
    });
    assert_eq!(settled(&router.stats(), "v2").completed(), 800);
}

#[cfg(feature = "rayon")]
#[test]
fn joined_shadows_work_on_a_thread_of_the_hosts_own_pool() {
    use rayon::prelude::*;

    let router = builder(&serving(FLAG, "v1"))
        .shadow(Shadow::always().candidate("v2").joined())
        .build()
        .unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    // Enough to fill a stack, were a waiting worker to begin the next request.
    pool.install(|| (0..5_000).into_par_iter().for_each(|_| drop(ask(&router, "user-1"))));
    assert_eq!(settled(&router.stats(), "v2").completed(), 5_000);
}
