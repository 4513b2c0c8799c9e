//! The same model over gRPC, from the published definition of `inference.GRPCInferenceService`.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::{runtime::Runtime, sync::Semaphore};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc as Calls, NamedService, UnaryService},
};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Named {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Ready {
    #[prost(bool, tag = "1")]
    pub ready: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Server {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Tensor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    #[prost(message, optional, tag = "5")]
    pub contents: Option<Contents>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Contents {
    #[prost(int64, repeated, tag = "3")]
    pub longs: Vec<i64>,
    #[prost(float, repeated, tag = "6")]
    pub floats: Vec<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Model {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<Tensor>,
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<Tensor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Infer {
    #[prost(string, tag = "1")]
    pub model_name: String,
    #[prost(message, repeated, tag = "5")]
    pub inputs: Vec<Tensor>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub raw: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Inferred {
    #[prost(string, tag = "2")]
    pub model_version: String,
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<Tensor>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub raw: Vec<Vec<u8>>,
}

/// What is done with one inference.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answered with the elements in the messages rather than as bytes.
    Contents,
    Status(tonic::Code, &'static str),
    Outputs(Inferred),
    Silence,
}

#[derive(Debug, Default)]
pub struct State {
    pub faults: VecDeque<Fault>,
    pub inferences: usize,
    pub cancelled: usize,
    /// The value of `authorization`, and the time limit.
    pub heads: Vec<(Option<String>, Option<String>)>,
}

/// A running service. Dropping it ends it.
pub struct GrpcStandIn {
    pub address: SocketAddr,
    pub state: Arc<Mutex<State>>,
    /// Taken when dropped: a runtime must not be dropped in an async context.
    runtime: Option<Runtime>,
}

impl GrpcStandIn {
    pub fn start() -> GrpcStandIn {
        GrpcStandIn::at("127.0.0.1:0".parse().unwrap())
    }

    pub fn at(address: SocketAddr) -> GrpcStandIn {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(Echo(Arc::clone(&state)))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        GrpcStandIn { address, state, runtime: Some(runtime) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }
}

impl Drop for GrpcStandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Echo(Arc<Mutex<State>>);

impl NamedService for Echo {
    const NAME: &'static str = "inference.GRPCInferenceService";
}

type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match &*method {
                "ServerReady" | "ModelReady" => {
                    let codec = ProstCodec::<Ready, Named>::default();
                    Calls::new(codec).unary(Fixed(|_: Named| Ready { ready: true }), request).await
                }
                "ServerMetadata" => {
                    let codec = ProstCodec::<Server, Named>::default();
                    let server = |_: Named| Server { name: "stand-in".to_owned() };
                    Calls::new(codec).unary(Fixed(server), request).await
                }
                "ModelMetadata" => {
                    let codec = ProstCodec::<Model, Named>::default();
                    Calls::new(codec).unary(Fixed(described), request).await
                }
                _ => {
                    let codec = ProstCodec::<Inferred, Infer>::default();
                    Calls::new(codec).unary(echo, request).await
                }
            })
        })
    }
}

struct Fixed<T>(T);

impl<Q, A, T: Fn(Q) -> A> UnaryService<Q> for Fixed<T>
where
    A: Send + 'static,
{
    type Response = A;
    type Future = Answer<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async { Ok(Response::new(answer)) })
    }
}

fn tensor(name: &str, datatype: &str, shape: &[i64]) -> Tensor {
    let shape = shape.to_vec();
    Tensor { name: name.to_owned(), datatype: datatype.to_owned(), shape, contents: None }
}

fn described(_: Named) -> Model {
    Model {
        name: "echo".to_owned(),
        versions: vec!["2".to_owned()],
        inputs: vec![tensor("rows", "FP32", &[-1, 3])],
        outputs: vec![tensor("label", "INT64", &[-1]), tensor("probabilities", "FP32", &[-1, 3])],
    }
}

/// A good answer to rows of three.
pub fn inferred(values: &[f32], as_bytes: bool) -> Inferred {
    let rows: Vec<&[f32]> = values.chunks_exact(3).collect();
    let labels: Vec<i64> = rows.iter().map(|row| crate::answer::label(row)).collect();
    let count = rows.len() as i64;
    let mut outputs =
        vec![tensor("label", "INT64", &[count]), tensor("probabilities", "FP32", &[count, 3])];
    let mut raw = Vec::new();
    if as_bytes {
        raw.push(labels.iter().flat_map(|label| label.to_le_bytes()).collect());
        raw.push(values.iter().flat_map(|value| value.to_le_bytes()).collect());
    } else {
        outputs[0].contents = Some(Contents { longs: labels, floats: Vec::new() });
        outputs[1].contents = Some(Contents { longs: Vec::new(), floats: values.to_vec() });
    }
    Inferred { model_version: "2".to_owned(), outputs, raw }
}

/// Counts a call that is given up.
struct GivenUp(Option<Arc<Mutex<State>>>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            state.lock().unwrap().cancelled += 1;
        }
    }
}

impl UnaryService<Infer> for Echo {
    type Response = Inferred;
    type Future = Answer<Result<Response<Inferred>, Status>>;

    fn call(&mut self, request: Request<Infer>) -> Self::Future {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            let text = |name: &str| {
                let value = request.metadata().get(name)?;
                value.to_str().ok().map(str::to_owned)
            };
            let head = (text("authorization"), text("grpc-timeout"));
            let fault = {
                let mut state = state.lock().unwrap();
                state.inferences += 1;
                state.heads.push(head);
                state.faults.pop_front()
            };
            let bytes = &request.get_ref().raw[0];
            let values: Vec<f32> = bytes
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
                .collect();
            match fault {
                None => Ok(Response::new(inferred(&values, true))),
                Some(Fault::Contents) => Ok(Response::new(inferred(&values, false))),
                Some(Fault::Status(code, message)) => Err(Status::new(code, message)),
                Some(Fault::Outputs(inferred)) => Ok(Response::new(inferred)),
                Some(Fault::Silence) => {
                    let _given_up = GivenUp(Some(state));
                    let never = Semaphore::new(0);
                    let _ = never.acquire().await;
                    Err(Status::aborted("never"))
                }
            }
        })
    }
}
