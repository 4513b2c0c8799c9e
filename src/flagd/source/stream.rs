//! One sync stream after the other.

use std::{fs, path::Path, time::Duration};

use reqwest::Url;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::{Uri, uri::PathAndQuery},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{
    SourceSettings, SyncedDocument,
    message::{SYNC_FLAGS, SyncFlagsRequest, SyncFlagsResponse},
};
use crate::flagd::Flagd;
use crate::source::{
    self,
    documents::Documents,
    network::{Connector, Meter, code_name, tls_provider},
};

/// The longest interval given to the transport, which adds it to the present moment and would overflow.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The server, connected to when a stream is opened.
pub(super) struct Stream {
    channel: Channel,
    meter: Meter,
    request: SyncFlagsRequest,
    selector: Option<tonic::metadata::AsciiMetadataValue>,
    deadline: Duration,
    stream_deadline: Option<Duration>,
    max_bytes: usize,
}

/// Why a stream ended in a failure.
pub(super) struct StreamFailure {
    pub(super) error: source::Error,
    /// The status code's name.
    pub(super) code: String,
    /// The status code itself.
    number: u16,
}

impl Stream {
    pub(super) fn new(settings: &SourceSettings) -> Result<Stream, source::Error> {
        let scheme = if settings.tls { "https" } else { "http" };
        let host = match settings.host.contains(':') && !settings.host.starts_with('[') {
            true => format!("[{}]", settings.host),
            false => settings.host.clone(),
        };
        let address = format!("{scheme}://{host}:{}", settings.port);
        let malformed = |error| {
            source::Error::with_source(format!("host `{}` is malformed", settings.host), error)
        };
        let mut endpoint = Endpoint::from_shared(address)
            .map_err(malformed)?
            .connect_timeout(settings.deadline)
            .user_agent(settings.provider.clone())
            .map_err(|error| source::Error::with_source("provider id is malformed", error))?;
        if let Some(interval) = settings.keep_alive {
            endpoint =
                endpoint.http2_keep_alive_interval(interval.min(YEAR)).keep_alive_while_idle(true);
        }
        if settings.tls && settings.socket.is_none() {
            tls_provider()?;
            endpoint = endpoint
                .tls_config(tls(settings.certificate.as_deref())?)
                .map_err(|error| source::Error::with_source("TLS could not be set up", error))?;
        }
        let selector = settings.selector.as_ref().map(|selector| {
            selector.parse().map_err(|error| {
                source::Error::with_source(format!("selector `{selector}` is malformed"), error)
            })
        });
        Ok(Stream {
            channel: channel(&endpoint, settings.socket.as_deref(), settings.proxy()?)?,
            meter: Meter::default(),
            request: SyncFlagsRequest {
                provider_id: settings.provider.clone(),
                selector: settings.selector.clone().unwrap_or_default(),
            },
            selector: selector.transpose()?,
            deadline: settings.deadline,
            stream_deadline: settings.stream_deadline,
            max_bytes: settings.max_bytes,
        })
    }

    /// What it counts, for the status.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Follows one stream, and counts how it went.
    pub(super) async fn follow(
        &self,
        dialect: &Flagd,
        documents: &mut Documents,
    ) -> Result<(), StreamFailure> {
        self.meter.requested();
        let result = self.read(dialect, documents).await;
        if let Err(failure) = &result {
            self.meter.failed();
            self.meter.answered(failure.number);
        }
        result
    }

    /// Opens a stream and delivers what it brings until it ends, or until its time is up: its
    /// deadline of ours, or one of the server's.
    async fn read(&self, dialect: &Flagd, documents: &mut Documents) -> Result<(), StreamFailure> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(self.max_bytes);
        let mut request = Request::new(self.request.clone());
        if let Some(selector) = &self.selector {
            request.metadata_mut().insert("flagd-selector", selector.clone());
        }
        let opened = async {
            grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
            let codec = ProstCodec::<SyncFlagsRequest, SyncFlagsResponse>::default();
            grpc.server_streaming(request, PathAndQuery::from_static(SYNC_FLAGS), codec).await
        };
        let stream = match tokio::time::timeout(self.deadline, opened).await {
            Ok(opened) => opened?,
            Err(_) => return Err(Status::deadline_exceeded("the server did not answer").into()),
        };
        let page = page(stream.metadata());
        let mut stream = stream.into_inner();
        self.meter.answered(Code::Ok as u16);
        let _open = self.meter.streaming();
        // A deadline past the end of time is none.
        let now = tokio::time::Instant::now();
        let ends = self.stream_deadline.and_then(|deadline| now.checked_add(deadline));
        loop {
            let next = stream.message();
            let message = match ends {
                None => next.await,
                Some(ends) => match tokio::time::timeout_at(ends, next).await {
                    Ok(message) => message,
                    Err(_) => return Ok(()),
                },
            };
            match message {
                Ok(Some(message)) => {
                    self.meter.received(message.flag_configuration.len());
                    self.meter.succeeded();
                    let flags = &message.flag_configuration;
                    let text = SyncedDocument::text(dialect, flags, &message.context());
                    drop(message);
                    let delivered = text
                        .map_err(source::Error::from)
                        .and_then(|text| documents.deliver(text, None));
                    // A set that cannot be read leaves the stream open: the next may be better.
                    if let Err(error) = delivered {
                        documents.updates.report(error);
                    }
                }
                Ok(None) => return Err(Status::unavailable("the server ended the stream").into()),
                // The server's own limit, and what it is for.
                Err(status) if status.code() == Code::DeadlineExceeded => {
                    return Ok(());
                }
                Err(status) => {
                    let mut failure = StreamFailure::from(status);
                    if let Some(page) = page {
                        failure.error = source::Error::with_source(page, failure.error);
                    }
                    return Err(failure);
                }
            }
        }
    }
}

impl StreamFailure {
    /// A stream whose time was up before it brought any flags.
    pub(super) fn of_nothing() -> StreamFailure {
        Status::deadline_exceeded("the stream's time was up before it brought flags").into()
    }
}

impl From<Status> for StreamFailure {
    fn from(status: Status) -> StreamFailure {
        let (code, number) = (code_name(status.code()), status.code() as u16);
        // The status's own `Display` runs over several lines and shows its source as `Debug` does.
        let mut text = format!("sync stream: {code}: {}", status.message());
        let mut cause = std::error::Error::source(&status);
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.ends_with(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        let error = source::Error::new(text);
        StreamFailure { error, code: code.to_owned(), number }
    }
}

/// What is wrong with an answer that did not come from a gRPC server, but is the error page of a proxy, say.
fn page(metadata: &tonic::metadata::MetadataMap) -> Option<String> {
    let found = metadata.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("none");
    let is_grpc = found.starts_with("application/grpc");
    (!is_grpc).then(|| format!("content type: found `{found}`, expected `application/grpc`"))
}

fn tls(certificate: Option<&Path>) -> Result<ClientTlsConfig, source::Error> {
    let Some(path) = certificate else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    let pem = fs::read(path).map_err(|error| {
        source::Error::with_source(format!("certificate {} is not readable", path.display()), error)
    })?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

#[cfg(unix)]
fn channel(
    endpoint: &Endpoint,
    socket: Option<&Path>,
    proxy: Option<Url>,
) -> Result<Channel, source::Error> {
    let Some(path) = socket else {
        return Ok(endpoint.connect_with_connector_lazy(Connector::new(proxy)));
    };
    let connector = UnixSocket(path.to_owned());
    Ok(endpoint.connect_with_connector_lazy(connector))
}

#[cfg(not(unix))]
fn channel(
    endpoint: &Endpoint,
    socket: Option<&Path>,
    proxy: Option<Url>,
) -> Result<Channel, source::Error> {
    match socket {
        None => Ok(endpoint.connect_with_connector_lazy(Connector::new(proxy))),
        Some(_) => Err(source::Error::new("this platform has no Unix sockets")),
    }
}

/// Connects to a socket in the file system, whatever the address says.
#[cfg(unix)]
#[derive(Clone)]
struct UnixSocket(std::path::PathBuf);

#[cfg(unix)]
impl tower_service::Service<Uri> for UnixSocket {
    type Response = hyper_util::rt::TokioIo<tokio::net::UnixStream>;
    type Error = std::io::Error;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'static>,
    >;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move {
            Ok(hyper_util::rt::TokioIo::new(tokio::net::UnixStream::connect(path).await?))
        })
    }
}
