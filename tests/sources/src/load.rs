//! Predictions that go on while the sources have their troubles.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use modelgate::{Context, Flags, ModelRouter, model_fn};

use crate::vendor::FLAG;

/// The versions that flags may name. The fallback is none of them.
pub const VERSIONS: [&str; 2] = ["v1", "v2"];

/// A router that predicts without a pause, on a thread of its own.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    /// What was answered otherwise than by the version that the flags named.
    wrong: Arc<Mutex<Vec<String>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Load {
    /// Starts when the flags are ready.
    pub fn on(flags: &Flags) -> Load {
        let router = VERSIONS.iter().enumerate().fold(
            ModelRouter::<[f32], f32>::builder(FLAG),
            |router, (number, version)| {
                let answer = number as f32;
                router.model(*version, model_fn(move |_: &[f32]| Ok(answer)))
            },
        );
        let router = router
            .model("fallback", model_fn(|_: &[f32]| Ok(f32::MAX)))
            .fallback("fallback")
            .flags(flags.clone())
            .build()
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let thread = thread::spawn({
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let wrong = Arc::clone(&wrong);
            move || {
                while !stop.load(Ordering::Acquire) {
                    let user = answered.fetch_add(1, Ordering::AcqRel);
                    let key = format!("user-{user}");
                    match router.predict(&Context::new(&key), &[1.0]) {
                        Ok(answer) if !answer.fell_back() => {}
                        other => wrong.lock().unwrap().push(format!("{other:?}")),
                    }
                    // The machine has others to serve.
                    thread::yield_now();
                }
            }
        });
        Load { stop, answered, wrong, thread: Some(thread) }
    }

    /// How many predictions were made.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// What was answered otherwise than by the version that the flags named.
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
