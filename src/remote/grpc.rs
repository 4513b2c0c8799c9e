//! The protocol's gRPC form.

mod message;

use std::time::{Duration, Instant};

use tonic::{
    Code, Request, Status,
    client::Grpc as Calls,
    codegen::http::uri::PathAndQuery,
    metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_prost::ProstCodec;

use self::message::{
    EmptyRequest, MODEL_INFER, MODEL_METADATA, MODEL_READY, Model, ModelInferRequest,
    ModelInferResponse, ModelName, Ready, RequestedOutput, SERVER_METADATA, SERVER_READY, Server,
};
use super::{
    Builder, Error, FailedAttempt, TensorInfo, redact,
    wire::{self, InferenceRequest, InferenceResponse, Metadata},
};
use crate::source::network::{code_name, tls_provider};
use crate::tensor::{Data, Dtype, Tensors};

/// A client for one model of a server.
pub(super) struct Grpc {
    channel: Channel,
    headers: MetadataMap,
    model: ModelName,
    timeout: Duration,
    max_bytes: u64,
}

/// An encoded request, which can be sent any number of times; clones share its tensors.
#[derive(Clone)]
pub(super) struct EncodedRequest(ModelInferRequest);

/// An answer that has not been read yet.
pub(super) struct RawResponse(ModelInferResponse);

impl Grpc {
    /// Must be called inside the runtime that is to drive the connection.
    pub(super) fn new(builder: &Builder) -> Result<Grpc, Error> {
        let http = &builder.http;
        let failed = |error: tonic::transport::Error| Error::Client { source: error.into() };
        let url = builder.address()?;
        let mut endpoint = Endpoint::from_shared(url.to_string())
            .and_then(|endpoint| endpoint.user_agent(http.user_agent.clone()))
            .map_err(failed)?
            .connect_timeout(http.connect_timeout)
            .http2_adaptive_window(true);
        if url.scheme() == "https" {
            tls_provider().map_err(|error| Error::Client { source: error.into() })?;
            let mut tls = ClientTlsConfig::new().with_native_roots();
            if !http.certificates.is_empty() {
                tls = tls.ca_certificate(Certificate::from_pem(&http.certificates));
            }
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        }
        let mut headers = MetadataMap::new();
        let given = http.headers.iter().map(|(name, value)| (&**name, &**value));
        let token = builder.token.iter().map(|token| ("authorization", token.reveal()));
        for (name, value) in given.chain(token) {
            let key = AsciiMetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes());
            let Ok(key) = key else {
                return Err(Error::setting("header", format_args!("`{name}`"), "a name"));
            };
            let Ok(mut value) = AsciiMetadataValue::try_from(value) else {
                let found = format_args!("characters in `{name}` that no header may have");
                return Err(Error::setting("header", found, "visible ASCII"));
            };
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(Grpc {
            channel: endpoint.connect_lazy(),
            headers,
            model: ModelName {
                name: builder.model.to_string(),
                version: builder.version.as_deref().unwrap_or_default().to_owned(),
            },
            timeout: http.timeout,
            max_bytes: http.max_bytes,
        })
    }

    pub(super) async fn not_ready(&self) -> Result<Option<&'static str>, Error> {
        let model: Ready = self.ask(MODEL_READY, self.model.clone()).await?;
        if model.ready {
            return Ok(None);
        }
        let server: Ready = self.ask(SERVER_READY, EmptyRequest {}).await?;
        Ok(Some(match server.ready {
            true => "server says that the model is not",
            false => "server says that it is not itself",
        }))
    }

    pub(super) async fn metadata(&self) -> Result<Metadata, Error> {
        let server: Server = self.ask(SERVER_METADATA, EmptyRequest {}).await?;
        let model: Model = self.ask(MODEL_METADATA, self.model.clone()).await?;
        let tensors = |tensors: Vec<message::Tensor>| {
            let described = |tensor: message::Tensor| TensorInfo {
                name: tensor.name.into(),
                datatype: tensor.datatype.into(),
                shape: tensor.shape,
            };
            tensors.into_iter().map(described).collect()
        };
        Ok(Metadata {
            server: server.name,
            extensions: server.extensions,
            name: model.name,
            versions: model.versions,
            inputs: tensors(model.inputs),
            outputs: tensors(model.outputs),
        })
    }

    pub(super) fn request(&self, question: &InferenceRequest) -> EncodedRequest {
        let mut infer = ModelInferRequest {
            model_name: self.model.name.clone(),
            model_version: self.model.version.clone(),
            inputs: Vec::with_capacity(question.inputs.len()),
            outputs: Vec::with_capacity(question.outputs.len()),
            raw: Vec::with_capacity(question.inputs.len()),
        };
        for (name, tensor) in &question.inputs {
            let sizes = tensor.shape().iter();
            infer.inputs.push(message::Tensor {
                name: name.to_string(),
                datatype: wire::datatype(tensor.dtype()).to_owned(),
                // Cannot fail: no tensor in memory has an axis longer than `i64::MAX`.
                shape: sizes.map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect(),
                contents: None,
            });
            let mut bytes = Vec::new();
            wire::to_bytes(tensor.data(), &mut bytes);
            infer.raw.push(bytes.into());
        }
        let wanted = question.outputs.iter().map(|name| RequestedOutput { name: name.to_string() });
        infer.outputs.extend(wanted);
        EncodedRequest(infer)
    }

    /// One attempt. The future may be dropped at any time, which cancels the request.
    pub(super) async fn infer(
        &self,
        request: EncodedRequest,
        ends: Instant,
    ) -> Result<RawResponse, FailedAttempt> {
        let left = ends.saturating_duration_since(Instant::now());
        let answer = self.call(MODEL_INFER, request.0, left).await;
        answer.map(RawResponse).map_err(|status| self.failed(status))
    }

    async fn ask<Q, A>(&self, method: &'static str, question: Q) -> Result<A, Error>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let limit = self.timeout;
        match tokio::time::timeout(limit, self.call(method, question, limit)).await {
            Ok(answer) => answer.map_err(|status| self.failed(status).error),
            Err(_) => Err(Error::Deadline { limit }),
        }
    }

    async fn call<Q, A>(
        &self,
        method: &'static str,
        question: Q,
        limit: Duration,
    ) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let largest = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        let mut calls = Calls::new(self.channel.clone()).max_decoding_message_size(largest);
        calls.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let mut request = Request::new(question);
        *request.metadata_mut() = self.headers.clone();
        request.set_timeout(limit);
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(method);
        calls.unary(request, path, codec).await.map(tonic::Response::into_inner)
    }

    fn failed(&self, status: Status) -> FailedAttempt {
        let message = redact::bounded(status.message());
        // A status that `tonic` made up itself has a source; one from the server has none.
        let broke = std::error::Error::source(&status).is_some();
        let code = status.code();
        match code {
            Code::NotFound => {
                let ModelName { name, version } = &self.model;
                let version = (!version.is_empty()).then(|| version.as_str().into());
                Error::Gone { model: name.as_str().into(), version, message }.into()
            }
            Code::OutOfRange if !broke && is_ours(&status) => {
                Error::TooLarge { limit: self.max_bytes }.into()
            }
            Code::Unavailable if broke && is_connect(&status) => {
                let error = Error::Unreachable { source: status.into() };
                FailedAttempt { error, again: Some(Duration::ZERO) }
            }
            Code::Unavailable if !broke => {
                let error = Error::Grpc { code: code_name(code), message };
                FailedAttempt { error, again: Some(Duration::ZERO) }
            }
            _ if broke => {
                let error = Error::Broken { source: status.into() };
                FailedAttempt { error, again: Some(Duration::ZERO) }
            }
            code => Error::Grpc { code: code_name(code), message }.into(),
        }
    }
}

/// Whether the status comes from our own decoder, which found the message too large.
fn is_ours(status: &Status) -> bool {
    status.message().contains("decoded message length too large")
}

fn is_connect(status: &Status) -> bool {
    let mut next = std::error::Error::source(status);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Kind;
            return matches!(
                error.kind(),
                Kind::ConnectionRefused | Kind::TimedOut | Kind::HostUnreachable
            );
        }
        next = cause.source();
    }
    false
}

impl RawResponse {
    pub(super) fn read(self) -> Result<InferenceResponse, Error> {
        let ModelInferResponse { model_version, outputs: given, raw } = self.0;
        if !raw.is_empty() && raw.len() != given.len() {
            return Err(Error::mismatch("raw_output_contents", raw.len(), given.len()));
        }
        let mut raw = raw.into_iter();
        let mut outputs = Tensors::new();
        for tensor in given {
            let name = &*tensor.name;
            let dtype = wire::output_dtype(name, &tensor.datatype)?;
            let data = match raw.next() {
                Some(bytes) => wire::from_bytes(name, dtype, &bytes)?,
                None => contents(dtype, tensor.contents.unwrap_or_default()).ok_or_else(|| {
                    Error::malformed("answer", format_args!("outputs.{name}: elements"))
                })?,
            };
            let tensor = wire::output(name, &tensor.shape, data)?;
            if outputs.insert(name, tensor).is_some() {
                let field = format_args!("outputs.{name}");
                return Err(Error::mismatch(field, "two of this name", "one"));
            }
        }
        Ok(InferenceResponse { version: model_version, outputs })
    }
}

fn contents(dtype: Dtype, contents: message::Contents) -> Option<Data> {
    Some(match dtype {
        Dtype::F32 => Data::F32(contents.floats),
        Dtype::F64 => Data::F64(contents.doubles),
        Dtype::I64 => Data::I64(contents.longs),
        Dtype::I32 => Data::I32(contents.ints),
        Dtype::Bool => Data::Bool(contents.bools),
        // The protocol has no field for 16-bit floats: they come as raw contents.
        Dtype::F16 => return None,
        Dtype::I16 => Data::I16(narrowed(contents.ints)?),
        Dtype::I8 => Data::I8(narrowed(contents.ints)?),
        Dtype::U64 => Data::U64(contents.unsigned_longs),
        Dtype::U32 => Data::U32(contents.unsigned),
        Dtype::U16 => Data::U16(narrowed(contents.unsigned)?),
        Dtype::U8 => Data::U8(narrowed(contents.unsigned)?),
        Dtype::Text => {
            let texts = contents.texts.iter();
            let texts = texts.map(|text| std::str::from_utf8(text).ok().map(Into::into));
            Data::Text(texts.collect::<Option<_>>()?)
        }
    })
}

fn narrowed<W, N: TryFrom<W>>(values: Vec<W>) -> Option<Vec<N>> {
    values.into_iter().map(|value| N::try_from(value).ok()).collect()
}
