//! A server that answers from a script.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use crate::source::testing::PATIENCE;

/// What the server does with one request.
pub(super) enum Reply {
    /// Status line and headers, and the body.
    Text(&'static str, String),
    /// Sends a body without end.
    Endless,
    /// Says nothing until the client has gone.
    Silence,
    /// Ends the connection in the middle of the body.
    BreakOff,
}

/// A server that answers from a script, its last line again and again.
pub(super) struct Server {
    address: String,
    script: Arc<Mutex<VecDeque<Reply>>>,
    /// The head of each request, in lower case.
    requests: mpsc::Receiver<String>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(super) fn new(script: Vec<Reply>) -> Server {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub(super) fn on(listener: TcpListener, script: Vec<Reply>) -> Server {
        let address = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Mutex::new(VecDeque::from(script)));
        let stop = Arc::new(AtomicBool::new(false));
        let (heads, requests) = mpsc::channel();
        let thread = thread::spawn({
            let (script, stop) = (Arc::clone(&script), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    // A client that goes away in the middle is part of the tests.
                    let _ = stream.and_then(|stream| answer(stream, &script, &heads));
                }
            }
        });
        Server { address, script, requests, stop, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/flags.json?token=hidden", self.address)
    }

    /// From now on answers so.
    pub(super) fn now(&self, reply: Reply) {
        *self.script.lock().unwrap() = VecDeque::from([reply]);
    }

    pub(super) fn next_request(&self) -> String {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(&self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(
    mut stream: TcpStream,
    script: &Mutex<VecDeque<Reply>>,
    heads: &mpsc::Sender<String>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let _ = heads.send(head.to_lowercase());
    let reply = {
        let mut script = script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { again(&script[0]) }
    };
    match reply {
        Reply::Text(head, body) => write!(
            stream,
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        Reply::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 4096])?;
            }
        }
        Reply::Silence => {
            while reader.read_line(&mut head)? > 0 {}
            Ok(())
        }
        Reply::BreakOff => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{{\"a\":")
        }
    }
}

fn again(reply: &Reply) -> Reply {
    match reply {
        Reply::Text(head, body) => Reply::Text(head, body.clone()),
        Reply::Endless => Reply::Endless,
        Reply::Silence => Reply::Silence,
        Reply::BreakOff => Reply::BreakOff,
    }
}
