//! As much of HTTP/1.1 as the stand-in needs.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Fault, State, answer};

pub async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = Arc::clone(&state);
        connections.spawn(async move {
            {
                let mut state = state.lock().unwrap();
                state.connections += 1;
                state.open += 1;
            }
            connection(stream, &state).await;
            state.lock().unwrap().open -= 1;
        });
    }
}

/// The value of a header, whose names are compared in lower case.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

async fn connection(mut stream: TcpStream, state: &Mutex<State>) {
    let mut read = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut read).await {
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let (status, headers, body) = if path.ends_with("/infer") {
            match inference(&mut stream, state, head, body).await {
                Some(answer) => answer,
                None => return,
            }
        } else {
            let state = state.lock().unwrap();
            let ready = |ready: bool| (if ready { 200 } else { 503 }, String::new());
            let (status, body) = match &*path {
                "/v2" => (200, state.server.to_string()),
                "/v2/health/ready" => ready(state.server_ready),
                _ if state.gone => (404, r#"{"error":"no model `echo` here"}"#.to_owned()),
                path if path.ends_with("/ready") => ready(state.model_ready && state.server_ready),
                _ => (200, state.model.to_string()),
            };
            (status, String::new(), body.into_bytes())
        };
        if respond(&mut stream, status, &headers, &body).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let length: usize = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
    while read.len() < end + length {
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
    let body = read[end..end + length].to_vec();
    read.drain(..end + length);
    Some((head, body))
}

/// The answer to an inference; none if the connection is to end.
async fn inference(
    stream: &mut TcpStream,
    state: &Mutex<State>,
    head: String,
    body: Vec<u8>,
) -> Option<(u16, String, Vec<u8>)> {
    let (fault, gone) = {
        let mut state = state.lock().unwrap();
        state.inferences += 1;
        state.last = (head.clone(), body.clone());
        (state.faults.pop_front(), state.gone)
    };
    while state.lock().unwrap().held {
        if left(stream).await {
            state.lock().unwrap().cancelled += 1;
            return None;
        }
    }
    if gone {
        return Some((404, String::new(), br#"{"error":"no model `echo` here"}"#.to_vec()));
    }
    let binary = header(&head, "inference-header-content-length").is_some();
    let rows = answer::rows(&head, &body);
    let (body, json) = answer::body(&rows, binary);
    let good = json
        .map_or(String::new(), |length| format!("Inference-Header-Content-Length: {length}\r\n"));
    match fault {
        None => Some((200, good, body)),
        Some(Fault::Body(body)) => Some((200, String::new(), body.into_bytes())),
        Some(Fault::Huge(length)) => Some((200, String::new(), vec![b' '; length])),
        Some(Fault::Status(status, headers, body)) => {
            let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
            Some((status, headers.collect(), body.into_bytes()))
        }
        Some(Fault::Reset) => {
            // Without lingering, closing is a reset.
            stream.set_zero_linger().unwrap();
            None
        }
        Some(Fault::Cut) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{good}\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body[..body.len() / 2]).await;
            None
        }
        Some(Fault::Silence) => {
            while !left(stream).await {}
            state.lock().unwrap().cancelled += 1;
            None
        }
    }
}

/// Whether the caller has gone; looks for a moment.
async fn left(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let peeked = tokio::time::timeout(Duration::from_millis(5), stream.peek(&mut byte)).await;
    matches!(peeked, Ok(Ok(0) | Err(_)))
}

async fn respond(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await
}
