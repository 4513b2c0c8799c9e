//! A stand-in for an inference server, down to the bytes: what a server library would not let a
//! test do, cut a body or break a connection, it does when told to.
//!
//! Its model `echo` takes rows of three values and gives them back as probabilities, with the place
//! of the largest as the label.

mod answer;
pub mod grpc;
mod http;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

pub use answer::{document, label as answer_of};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// What is done with one request for an inference; those without are answered as they should be.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is reset before an answer.
    Reset,
    /// No answer comes, for as long as the caller waits.
    Silence,
    /// This status, these headers, this body.
    Status(u16, &'static [(&'static str, &'static str)], String),
    /// A good answer with another body.
    Body(String),
    /// A good answer's first half, and the end of the connection.
    Cut,
    /// A body of this many bytes.
    Huge(usize),
}

/// What the stand-in is, and what it has seen.
#[derive(Debug)]
pub struct State {
    pub server_ready: bool,
    pub model_ready: bool,
    pub gone: bool,
    pub server: Value,
    pub model: Value,
    pub faults: VecDeque<Fault>,
    /// Answers wait while this is set.
    pub held: bool,
    pub connections: usize,
    pub open: usize,
    pub inferences: usize,
    /// Callers that went before they were answered.
    pub cancelled: usize,
    /// The head and body of the last inference.
    pub last: (String, Vec<u8>),
}

/// A running stand-in; dropping it ends it.
pub struct StandIn {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

pub fn server(extensions: &[&str]) -> Value {
    json!({"name": "stand-in", "version": "1", "extensions": extensions})
}

pub fn model() -> Value {
    json!({
        "name": "echo", "versions": ["2"], "platform": "none",
        "inputs": [{"name": "rows", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
        ],
    })
}

impl StandIn {
    /// One that takes JSON.
    pub fn start() -> StandIn {
        StandIn::at("127.0.0.1:0".parse().unwrap(), &[])
    }

    /// One that takes tensors as bytes.
    pub fn binary() -> StandIn {
        StandIn::at("127.0.0.1:0".parse().unwrap(), &["binary_tensor_data"])
    }

    pub fn at(address: SocketAddr, extensions: &[&str]) -> StandIn {
        let state = State {
            server_ready: true,
            model_ready: true,
            gone: false,
            server: server(extensions),
            model: model(),
            faults: VecDeque::new(),
            held: false,
            connections: 0,
            open: 0,
            inferences: 0,
            cancelled: 0,
            last: Default::default(),
        };
        let state = Arc::new(Mutex::new(state));
        let theirs = Arc::clone(&state);
        let listener = std::net::TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = http::serve(listener, theirs) => {}
                    _ = stopped => {}
                }
            });
        });
        StandIn { address, state, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next inferences meet these, one each.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// Waits until the stand-in has seen it.
    pub fn until(&self, what: &str, seen: impl Fn(&State) -> bool) {
        until(what, || seen(&self.state()));
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Waits for something that must come.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}: has not come to pass");
        thread::sleep(Duration::from_millis(2));
    }
}
