//! A stand-in for a flagd server's sync service, made from the published definition of
//! `flagd.sync.v1`: the daemon itself is in no package registry that the tests can count on.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService, ServerStreamingService},
};
use tonic_prost::ProstCodec;

use crate::server::{Server, anywhere};

#[derive(Clone, PartialEq, prost::Message)]
pub struct SyncFlagsRequest {
    #[prost(string, tag = "1")]
    pub provider_id: String,
    #[prost(string, tag = "2")]
    pub selector: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SyncFlagsResponse {
    #[prost(string, tag = "1")]
    pub flag_configuration: String,
    #[prost(message, optional, tag = "2")]
    pub sync_context: Option<prost_types::Struct>,
}

/// A request, and the `flagd-selector` of its head.
pub type Asked = (SyncFlagsRequest, Option<String>);

/// What the service does with a stream.
#[derive(Clone, Debug)]
enum Mood {
    Sends(SyncFlagsResponse),
    Refuses(tonic::Code),
    /// Opens the stream and ends it with this code, without any flags.
    Breaks(tonic::Code),
    /// Answers as something that is no gRPC server: status, content type, body.
    Pages(u16, &'static str, &'static [u8]),
}

/// A running service. Dropping it ends its streams and its port.
pub struct Flagd {
    pub address: SocketAddr,
    mood: watch::Sender<Mood>,
    /// Ends the streams that are open.
    ended: Arc<Mutex<watch::Sender<()>>>,
    requests: Arc<Mutex<Vec<Asked>>>,
    #[expect(dead_code, reason = "held to keep it running")]
    server: Server,
}

impl Flagd {
    pub fn start(flags: &str) -> Flagd {
        Flagd::at(anywhere(), flags)
    }

    /// On an address that was free a moment ago.
    pub fn at(address: SocketAddr, flags: &str) -> Flagd {
        let (mood, moods) = watch::channel(Mood::Sends(message(flags)));
        let (ended, _) = watch::channel(());
        let ended = Arc::new(Mutex::new(ended));
        let requests = Arc::default();
        let service = Sync { moods, ended: Arc::clone(&ended), requests: Arc::clone(&requests) };
        let server = Server::start(address, |listener| {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener))
        });
        Flagd { address: server.address, mood, ended, requests, server }
    }

    /// Sends these flags to whoever listens or will.
    pub fn publish(&self, flags: &str) {
        self.mood.send_replace(Mood::Sends(message(flags)));
    }

    /// The same with attributes for every context.
    pub fn publish_with(&self, flags: &str, context: &[(&str, &str)]) {
        let text = |text: &str| prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
        };
        let fields: BTreeMap<_, _> =
            context.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        let mut message = message(flags);
        message.sync_context = Some(prost_types::Struct { fields: fields.into_iter().collect() });
        self.mood.send_replace(Mood::Sends(message));
    }

    /// From now on refuses streams with this code.
    pub fn refuse(&self, code: tonic::Code) {
        self.mood.send_replace(Mood::Refuses(code));
    }

    /// From now on opens streams and ends them with this code.
    pub fn break_streams(&self, code: tonic::Code) {
        self.mood.send_replace(Mood::Breaks(code));
    }

    /// From now on answers as something that is no gRPC server would, or as one that is broken:
    /// with this status, content type and body. Open streams end.
    pub fn page(&self, status: u16, content_type: &'static str, body: &'static [u8]) {
        self.mood.send_replace(Mood::Pages(status, content_type, body));
    }

    /// Ends the streams that are open.
    pub fn end_streams(&self) {
        *self.ended.lock().unwrap() = watch::channel(()).0;
    }

    /// What was asked so far, with the `flagd-selector` of each request's head.
    pub fn requests(&self) -> Vec<Asked> {
        self.requests.lock().unwrap().clone()
    }
}

fn message(flags: &str) -> SyncFlagsResponse {
    SyncFlagsResponse { flag_configuration: flags.to_owned(), sync_context: None }
}

#[derive(Clone)]
struct Sync {
    moods: watch::Receiver<Mood>,
    ended: Arc<Mutex<watch::Sender<()>>>,
    requests: Arc<Mutex<Vec<Asked>>>,
}

type Messages = Pin<Box<dyn Stream<Item = Result<SyncFlagsResponse, Status>> + Send>>;
type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl ServerStreamingService<SyncFlagsRequest> for Sync {
    type Response = SyncFlagsResponse;
    type ResponseStream = Messages;
    type Future = Answer<Result<Response<Messages>, Status>>;

    fn call(&mut self, request: Request<SyncFlagsRequest>) -> Self::Future {
        let selector = request.metadata().get("flagd-selector");
        let selector = selector.and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.requests.lock().unwrap().push((request.into_inner(), selector));
        let refused = match &*self.moods.borrow() {
            Mood::Refuses(code) => Some(*code),
            Mood::Sends(_) | Mood::Breaks(_) | Mood::Pages(..) => None,
        };
        let mut ended = self.ended.lock().unwrap().subscribe();
        let messages = WatchStream::new(self.moods.clone())
            .map(|mood| match mood {
                Mood::Sends(message) => Ok(message),
                Mood::Refuses(code) | Mood::Breaks(code) => Err(Status::new(code, "on demand")),
                Mood::Pages(..) => Err(Status::unavailable("on demand")),
            })
            .take_until(Box::pin(async move { while ended.changed().await.is_ok() {} }));
        Box::pin(async move {
            match refused {
                Some(code) => Err(Status::new(code, "on demand")),
                None => Ok(Response::new(Box::pin(messages) as Messages)),
            }
        })
    }
}

impl NamedService for Sync {
    const NAME: &'static str = "flagd.sync.v1.FlagSyncService";
}

impl Service<http::Request<Body>> for Sync {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        let mood = self.moods.borrow().clone();
        Box::pin(async move {
            if let Mood::Pages(status, content_type, body) = mood {
                let asked = (SyncFlagsRequest::default(), None);
                service.requests.lock().unwrap().push(asked);
                let response = http::Response::builder()
                    .status(status)
                    .header("content-type", content_type)
                    .header("location", "/flagd.sync.v1.FlagSyncService/SyncFlags")
                    .body(Body::new(http_body_util::Full::<bytes::Bytes>::new(body.into())));
                return Ok(response.unwrap());
            }
            let codec = ProstCodec::<SyncFlagsResponse, SyncFlagsRequest>::default();
            Ok(Grpc::new(codec).server_streaming(service, request).await)
        })
    }
}
