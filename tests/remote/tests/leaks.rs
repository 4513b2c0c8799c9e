//! What stays when callers and models go. Alone in its process, whose threads it counts.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use futures::executor::block_on;
use modelgate::{AsyncModel, remote};
use modelgate_remote_tests::{Fault, StandIn, until};

fn sockets() -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("modelgate")).count()
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_stays_of_requests_that_are_given_up_or_of_models_that_are_dropped() {
    let server = StandIn::start();
    let before = (sockets(), threads());
    for round in 1..=3 {
        let model =
            remote::Classifier::builder(server.url(), "echo").deadline(Duration::from_secs(30));
        let model = block_on(model.connect()).unwrap();
        for _ in 0..20 {
            server.faults([Fault::Silence]);
            let asked = server.state().inferences;
            let mut answer = model.predict(&[1.0, 2.0, 3.0]);
            let mut context = Context::from_waker(Waker::noop());
            assert!(answer.as_mut().poll(&mut context).is_pending());
            server.until("a request", |state| state.inferences > asked);
        }
        server.until("their end", |state| state.cancelled == 20 * round);
        until("free places", || model.status().in_flight == 0);
        assert!(block_on(model.predict(&[1.0, 2.0, 3.0])).is_ok());
        drop(model);
        server.until("the end of the connections", |state| state.open == 0);
    }
    until("the end of threads and sockets", || (sockets(), threads()) == before);
}
