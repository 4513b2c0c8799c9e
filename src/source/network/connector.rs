//! TCP connections for gRPC, through a proxy where there is one.

use std::{io, pin::Pin, task};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::codegen::http::Uri;

use super::Resolver;

/// Longer answers of a proxy are none that opens a tunnel.
const LONGEST_ANSWER: usize = 8 << 10;

/// Connects to where a URI says, or to the proxy, which is asked for a tunnel to there.
#[derive(Clone)]
pub(crate) struct Connector {
    resolver: Resolver,
    proxy: Option<Url>,
}

impl Connector {
    pub(crate) fn new(proxy: Option<Url>) -> Connector {
        Connector { resolver: Resolver::default(), proxy }
    }

    async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidInput, "address has no host");
        let host = uri.host().ok_or_else(malformed)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        });
        let Some(proxy) = &self.proxy else {
            return Ok(TokioIo::new(self.reach(host, port).await?));
        };
        let at = proxy.host_str().ok_or_else(malformed)?;
        let at_port = proxy.port_or_known_default().unwrap_or(80);
        let mut stream = self.reach(at, at_port).await?;
        tunnel(&mut stream, proxy, &format!("{host}:{port}")).await?;
        Ok(TokioIo::new(stream))
    }

    async fn reach(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let mut failed = None;
        for address in self.resolver.addresses(host, port).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Without it small messages wait for the answer to those before.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => failed = Some(error),
            }
        }
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        Err(failed.unwrap_or_else(none))
    }
}

/// Asks a proxy for a tunnel: RFC 9110, section 9.3.6.
async fn tunnel(stream: &mut TcpStream, proxy: &Url, to: &str) -> io::Result<()> {
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if !proxy.username().is_empty() || proxy.password().is_some() {
        let user = decoded(proxy.username());
        let password = decoded(proxy.password().unwrap_or_default());
        let credentials = STANDARD.encode([&*user, b":", &*password].concat());
        request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte: what follows is the server's.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST_ANSWER {
            return Err(io::Error::other("proxy: found an answer without an end"));
        }
        answer.push(stream.read_u8().await?);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if status.starts_with(b"2") {
        return Ok(());
    }
    Err(io::Error::other(format!("proxy refused the tunnel: {}", line.escape_ascii())))
}

/// User and password may be percent-encoded in a URL.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().iter();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digits = bytes.as_slice().get(..2);
        // A sign is no digit, which `from_str_radix` takes as well.
        let digits = digits.filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|two| str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(value) if *byte == b'%' => {
                plain.push(value);
                bytes.nth(1);
            }
            _ => plain.push(*byte),
        }
    }
    plain
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use super::{Connector, Resolver, decoded};

    /// Held by the test for as long as names are to hang.
    static HANGS: Mutex<()> = Mutex::new(());

    #[test]
    fn a_name_that_hangs_holds_up_no_other_source() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // One thread for everything that blocks: were the look-up on it, the other would wait.
        let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
        let hanging = HANGS.lock().unwrap();
        runtime.block_on(async {
            let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = server.local_addr().unwrap().port();
            let uri = format!("http://localhost:{port}").parse().unwrap();
            let resolver = Resolver::with(|_, port| {
                drop(HANGS.lock());
                Ok(vec![([127, 0, 0, 1], port).into()])
            });
            let hung = tokio::spawn(Connector { resolver, proxy: None }.connect(uri));
            tokio::task::yield_now().await;
            let uri = format!("http://localhost:{port}").parse().unwrap();
            let other = Connector::new(None).connect(uri);
            tokio::time::timeout(Duration::from_secs(120), other).await.unwrap().unwrap();
            assert!(!hung.is_finished());
            drop(hanging);
            let hung = tokio::time::timeout(Duration::from_secs(120), hung).await;
            hung.unwrap().unwrap().unwrap();
        });
    }

    #[test]
    fn credentials_are_decoded() {
        assert_eq!(decoded("p%40ss%zz%4"), b"p@ss%zz%4");
        assert_eq!(decoded("%+f"), b"%+f");
        assert_eq!(decoded(""), b"");
    }
}
