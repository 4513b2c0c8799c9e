//! A server of one stream, as plain as can be, so that what is measured is the client.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use modelgate_peers::support::{Dialect, Rules, key, launchdarkly, unleash};

use super::FLAGS;

const RULES: Rules = Rules::RuleThenSplit;

/// The one flag that changes.
pub fn changing() -> String {
    key(FLAGS / 2)
}

/// Serves the stream of LaunchDarkly, or of Unleash, to whoever connects.
pub struct Server {
    dialect: Dialect,
    pub address: SocketAddr,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    number: u64,
}

impl Server {
    pub fn start(dialect: Dialect) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let first = first(dialect);
        std::thread::spawn({
            let streams = Arc::clone(&streams);
            move || {
                for stream in listener.incoming().flatten() {
                    // A client that goes away is no trouble of ours.
                    let _ = greet(stream, &first, &streams);
                }
            }
        });
        Server { dialect, address, streams, number: 10 }
    }

    /// Changes the flag, so that everybody or nobody gets v2; when the first byte was written.
    pub fn change(&mut self, second: bool) -> Instant {
        self.number += 1;
        let event = change(self.dialect, self.number, if second { 100 } else { 0 });
        let mut streams = self.streams.lock().unwrap();
        let written = Instant::now();
        streams.retain_mut(|stream| stream.write_all(event.as_bytes()).is_ok());
        written
    }

    pub fn wait_for_client(&self) {
        while self.streams.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn greet(mut stream: TcpStream, first: &str, streams: &Mutex<Vec<TcpStream>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    let kind = "Content-Type: text/event-stream\r\nCache-Control: no-cache";
    let all = format!("HTTP/1.1 200 OK\r\n{kind}\r\n\r\n{first}");
    stream.write_all(all.as_bytes()).ok()?;
    streams.lock().unwrap().push(stream);
    Some(())
}

/// What a stream begins with.
fn first(dialect: Dialect) -> String {
    match dialect {
        Dialect::Unleash => {
            let features = &unleash::definition(RULES, FLAGS)["features"];
            let features = features.to_string();
            format!(
                "event: unleash-connected\ndata: {{\"events\": [{{\"type\": \"hydration\", \
                 \"eventId\": 1, \"features\": {features}, \"segments\": []}}]}}\n\n"
            )
        }
        _ => {
            let data = launchdarkly::definition(RULES, FLAGS);
            format!("event: put\ndata: {{\"path\": \"/\", \"data\": {data}}}\n\n")
        }
    }
}

fn change(dialect: Dialect, number: u64, percent: u32) -> String {
    match dialect {
        Dialect::Unleash => {
            let mut event = unleash::event(RULES, FLAGS / 2, percent);
            event["events"][0]["eventId"] = number.into();
            format!("event: unleash-updated\ndata: {event}\n\n")
        }
        _ => {
            let mut flag = launchdarkly::flag(RULES, FLAGS / 2, percent);
            flag["version"] = number.into();
            let path = format!("/flags/{}", changing());
            format!("event: patch\ndata: {{\"path\": \"{path}\", \"data\": {flag}}}\n\n")
        }
    }
}
