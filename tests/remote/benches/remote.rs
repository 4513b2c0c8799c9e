//! What a version on another machine costs beside a bare request on loopback, and how late its
//! deadline is.
//!
//! `cargo bench --manifest-path tests/remote/Cargo.toml`

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use futures::executor::block_on;
use modelgate::{AsyncModel, model::ErrorKind, remote};
use modelgate_remote_tests::{Fault, StandIn};

const ROW: [f32; 3] = [0.1, 0.7, 0.2];

/// `cargo test --benches` asks for each once.
fn rounds(full: usize) -> usize {
    if std::env::args().any(|argument| argument == "--bench") { full } else { 3 }
}

fn main() {
    // For the bare client only: modelgate brings its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (name, server) in [("JSON", StandIn::start()), ("bytes", StandIn::binary())] {
        overhead(name, &server);
    }
    lateness();
}

/// Both ask in turn, so that what else the machine does meets them alike.
fn overhead(name: &str, server: &StandIn) {
    let model = remote::Classifier::builder(server.url(), "echo").deadline(Duration::from_secs(30));
    let model = block_on(model.connect()).unwrap();
    block_on(model.predict(&ROW)).unwrap();
    let (head, body) = server.state().last.clone();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("inference-header-content-length: ").map(str::to_owned));
    let kind = if length.is_some() { "application/octet-stream" } else { "application/json" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bare = reqwest::Client::new();
    let url = format!("{}/v2/models/echo/infer", server.url());
    let ask_bare = || {
        runtime.block_on(async {
            let mut request = bare.post(&url).header("content-type", kind).body(body.clone());
            if let Some(length) = &length {
                request = request.header("inference-header-content-length", length);
            }
            let response = request.send().await.unwrap();
            assert!(response.status().is_success());
            black_box(response.bytes().await.unwrap());
        });
    };
    let ask_model = || {
        let scores = block_on(model.predict(black_box(&ROW))).unwrap();
        assert_eq!(scores.probabilities, ROW);
    };
    let (mut bares, mut models) = (Vec::new(), Vec::new());
    for _ in 0..rounds(5_000) {
        bares.push(timed(ask_bare));
        models.push(timed(ask_model));
    }
    println!("one row as {name}:   bare reqwest {}", quantiles(bares));
    println!("                  remote model {}", quantiles(models));
}

fn lateness() {
    const DEADLINE: Duration = Duration::from_millis(20);
    let server = StandIn::start();
    let model = remote::Classifier::builder(server.url(), "echo").deadline(DEADLINE);
    let model = block_on(model.connect()).unwrap();
    let (mut late, mut slept) = (Vec::new(), Vec::new());
    for _ in 0..rounds(500) {
        server.faults([Fault::Silence]);
        let started = Instant::now();
        let error = block_on(model.predict(&ROW)).unwrap_err();
        late.push(started.elapsed().saturating_sub(DEADLINE));
        assert_eq!(error.kind(), ErrorKind::Deadline);
        server.state().faults.clear();
        // What the machine does to anybody who waits.
        slept.push(timed(|| std::thread::sleep(DEADLINE)).saturating_sub(DEADLINE));
    }
    println!("a deadline of {DEADLINE:?} is late by {}", quantiles(late));
    println!("a bare sleep of {DEADLINE:?} is late by {}", quantiles(slept));
}

fn timed(task: impl FnOnce()) -> Duration {
    let started = Instant::now();
    task();
    started.elapsed()
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 1_000];
    format!("{:.1?} (median) {:.1?} (99 %) {:.1?} (most)", at(500), at(990), at(1_000))
}
