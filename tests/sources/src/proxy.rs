//! A proxy that stands between a source and its server, and misbehaves on demand.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What the proxy does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Hands it on, and the answer back.
    None,
    /// Closes the connection before anything is said.
    Refused,
    /// Hands on this many bytes of the answer, then resets the connection.
    Reset(usize),
    /// Hands on the answer a byte at a time, with this pause before each.
    SlowLoris(Duration),
    /// Says nothing until the client has gone.
    Silence,
    /// Answers with this status line, these headers (each with its line end) and this body.
    Answer { status: &'static str, headers: String, body: String },
    /// Answers 200 with JSON text that does not end.
    Endless,
    /// Answers 200 with an event of a stream that does not end.
    EndlessEvent,
    /// Answers with a redirect to the same place.
    RedirectLoop,
}

impl Fault {
    /// 200 with a body of this content type.
    pub fn ok(content_type: &str, body: impl Into<String>) -> Fault {
        let headers = format!("Content-Type: {content_type}\r\n");
        Fault::Answer { status: "200 OK", headers, body: body.into() }
    }

    pub fn status(status: &'static str) -> Fault {
        Fault::Answer { status, headers: String::new(), body: String::new() }
    }

    /// A JSON array nested this deep.
    pub fn deep(depth: usize) -> Fault {
        Fault::ok("application/json", format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
    }
}

/// Every connection carries one request: the proxy asks both sides to close after it. One that hands
/// on [bytes](Proxy::of_bytes) knows nothing of requests.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<thread::JoinHandle<()>>,
}

struct State {
    upstream: Mutex<SocketAddr>,
    fault: Mutex<Fault>,
    /// Whether connections are of another protocol than HTTP/1.1.
    bytes_only: bool,
    requests: AtomicUsize,
    /// Bytes handed to clients or made up for them.
    sent: AtomicUsize,
    /// Bytes of clients that were handed on as they are.
    received: AtomicUsize,
    stop: AtomicBool,
    /// Whether connections are kept and nothing is handed on any more.
    frozen: AtomicBool,
    /// What is open, to be shut when the proxy goes or its server "dies".
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn before(upstream: SocketAddr) -> Proxy {
        Proxy::start(upstream, false)
    }

    /// Hands on whatever is said, in both directions: for gRPC and TLS. What it counts as requests
    /// are connections.
    pub fn of_bytes(upstream: SocketAddr) -> Proxy {
        Proxy::start(upstream, true)
    }

    fn start(upstream: SocketAddr, bytes_only: bool) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            upstream: Mutex::new(upstream),
            fault: Mutex::new(Fault::None),
            bytes_only,
            requests: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let thread = thread::spawn({
            let state = Arc::clone(&state);
            move || {
                for stream in listener.incoming() {
                    if state.stop.load(Ordering::Acquire) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    let state = Arc::clone(&state);
                    // A client or a server that goes away in the middle is what this is about.
                    thread::spawn(move || drop(serve(stream, &state)));
                }
            }
        });
        Proxy { address, state, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next request on.
    pub fn set(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    /// The server has moved.
    pub fn redirect_to(&self, upstream: SocketAddr) {
        *self.state.upstream.lock().unwrap() = upstream;
    }

    /// Ends every connection that is open now, streams among them.
    pub fn cut(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// From now on keeps every connection, takes new ones, and hands on nothing that servers say: a
    /// network that has gone without a word.
    pub fn freeze(&self) {
        self.state.frozen.store(true, Ordering::Release);
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Acquire)
    }

    /// How many bytes clients have sent through a proxy [of bytes](Proxy::of_bytes).
    pub fn received(&self) -> usize {
        self.state.received.load(Ordering::Acquire)
    }

    /// How many bytes of [endless](Fault::Endless) answers were taken.
    pub fn sent(&self) -> usize {
        self.state.sent.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
        self.cut();
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut client: TcpStream, state: &Arc<State>) -> io::Result<()> {
    state.open.lock().unwrap().push(client.try_clone()?);
    let request = if state.bytes_only { Vec::new() } else { request(&mut client)? };
    if request.is_empty() && !state.bytes_only {
        return Ok(());
    }
    state.requests.fetch_add(1, Ordering::AcqRel);
    let fault = state.fault.lock().unwrap().clone();
    match fault {
        Fault::Refused => client.shutdown(Shutdown::Both),
        Fault::Silence => {
            while client.read(&mut [0; 1024])? > 0 {}
            Ok(())
        }
        Fault::Answer { status, headers, body } => write!(
            client,
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        Fault::Endless | Fault::EndlessEvent => {
            let (kind, begin) = match fault {
                Fault::Endless => ("application/json", "{\"a\":\""),
                _ => ("text/event-stream", "event: put\ndata: {\"a\":\""),
            };
            let head = format!("Content-Type: {kind}\r\nConnection: close");
            write!(client, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{begin}")?;
            loop {
                client.write_all(&[b'x'; 1 << 14])?;
                state.sent.fetch_add(1 << 14, Ordering::AcqRel);
            }
        }
        Fault::RedirectLoop => {
            let path = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            let path = String::from_utf8_lossy(path);
            write!(
                client,
                "HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        Fault::None => forward(client, &request, state, |client, chunk| client.write_all(chunk)),
        Fault::Reset(limit) => {
            let mut left = limit;
            forward(client, &request, state, move |client, chunk| {
                let chunk = &chunk[..chunk.len().min(left)];
                left -= chunk.len();
                client.write_all(chunk)?;
                if left == 0 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
            })
        }
        Fault::SlowLoris(pause) => forward(client, &request, state, move |client, chunk| {
            for byte in chunk {
                thread::sleep(pause);
                client.write_all(&[*byte])?;
            }
            Ok(())
        }),
    }
}

/// The head and the body of a request, with `Connection: close` in its head.
fn request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match client.read(&mut buffer)? {
            0 => return Ok(Vec::new()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    while bytes.len() < head + length {
        match client.read(&mut buffer)? {
            0 => break,
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    let body = bytes.split_off(head);
    bytes.truncate(head - 2);
    bytes.extend_from_slice(b"Connection: close\r\n\r\n");
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn forward(
    mut client: TcpStream,
    request: &[u8],
    state: &Arc<State>,
    mut hand_on: impl FnMut(&mut TcpStream, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let upstream = *state.upstream.lock().unwrap();
    let mut server = TcpStream::connect(upstream)?;
    state.open.lock().unwrap().push(server.try_clone()?);
    server.write_all(request)?;
    if state.bytes_only {
        let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
        let state = Arc::clone(state);
        thread::spawn(move || {
            let mut buffer = [0; 1 << 14];
            // Its end is the end of one of the two.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                state.received.fetch_add(count, Ordering::AcqRel);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    let mut buffer = [0; 1 << 14];
    let result = loop {
        match server.read(&mut buffer) {
            // Nobody says goodbye either.
            Ok(0) if state.frozen.load(Ordering::Acquire) => {
                while client.read(&mut buffer)? > 0 {}
                break Ok(());
            }
            Ok(0) => break Ok(()),
            Ok(_) if state.frozen.load(Ordering::Acquire) => {}
            Ok(count) => {
                if let Err(error) = hand_on(&mut client, &buffer[..count]) {
                    break Err(error);
                }
            }
            Err(error) => break Err(error),
        }
    };
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    result
}
