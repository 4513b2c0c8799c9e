//! The protocol's REST form.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, RequestBuilder, Response, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::{
    Builder, Error, FailedAttempt,
    json::{self, Described, Server},
    redact,
    wire::{InferenceResponse, Metadata},
};
use crate::source::network::{
    Key,
    client::{Client, wait},
};

const JSON_LENGTH: &str = "inference-header-content-length";

/// How many bytes of an error's body are read.
const LONGEST_REFUSAL: usize = 16 << 10;

/// A client for one model of a server.
pub(super) struct Rest {
    client: Client,
    server: Url,
    server_ready: Url,
    model: Url,
    ready: Url,
    infer: Url,
    names: (Box<str>, Option<Box<str>>),
}

/// An encoded body, which can be sent any number of times.
#[derive(Clone)]
pub(super) struct EncodedRequest {
    bytes: Bytes,
    json: Option<usize>,
}

impl From<json::Body> for EncodedRequest {
    fn from(body: json::Body) -> EncodedRequest {
        EncodedRequest { bytes: body.bytes.into(), json: body.json }
    }
}

/// An answer that has not been read yet.
pub(super) struct RawResponse {
    body: Vec<u8>,
    json: Option<usize>,
}

impl RawResponse {
    pub(super) fn read(&self) -> Result<InferenceResponse, Error> {
        json::reply(&self.body, self.json)
    }
}

impl Rest {
    pub(super) fn new(builder: &Builder) -> Result<Rest, Error> {
        let failed = |error| Error::Client { source: Box::new(error) };
        let key = builder.token.as_ref().map(|token| Key::new(token.reveal()));
        let key = key.as_ref().map(|token| ("authorization", token));
        let client = Client::new(&builder.http, key).map_err(failed)?.concurrent(builder.in_flight);
        let base = builder.address()?;
        let url = |parts: &[&str]| {
            let mut url = base.clone();
            // Cannot fail: a URL with a host can have a path.
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(parts);
            }
            url
        };
        let mut model = vec!["v2", "models", &*builder.model];
        model.extend(builder.version.iter().flat_map(|version| ["versions", &**version]));
        let of_model = |last: &'static str| url(&[&model[..], &[last]].concat());
        Ok(Rest {
            client,
            server: url(&["v2"]),
            server_ready: url(&["v2", "health", "ready"]),
            ready: of_model("ready"),
            infer: of_model("infer"),
            model: url(&model),
            names: (builder.model.clone(), builder.version.clone()),
        })
    }

    /// Why the model is not ready, if it is not.
    pub(super) async fn not_ready(&self) -> Result<Option<&'static str>, Error> {
        match self.get(&self.ready).await {
            Ok(body) => {
                // Some servers always answer 200, and state readiness in the body.
                let said = json::document::<serde_json::Value>(&body).ok();
                let ready = said.as_ref().and_then(|said| said.get("ready"));
                let ready = ready.and_then(serde_json::Value::as_bool).unwrap_or(true);
                Ok((!ready).then_some("server says that the model is not"))
            }
            Err(Error::Status { .. }) => match self.get(&self.server_ready).await {
                Ok(_) => Ok(Some("server says that the model is not")),
                Err(Error::Status { .. }) => Ok(Some("server says that it is not itself")),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    pub(super) async fn metadata(&self) -> Result<Metadata, Error> {
        let server: Server = json::document(&self.get(&self.server).await?)?;
        let body = self.get(&self.model).await?;
        let Described { name, versions, inputs, outputs } = json::document(&body)?;
        let tensors = |described: Option<Vec<json::DescribedTensor>>| {
            described.unwrap_or_default().into_iter().map(Into::into).collect()
        };
        Ok(Metadata {
            server: server.name,
            extensions: server.extensions,
            name,
            versions: versions.unwrap_or_default(),
            inputs: tensors(inputs),
            outputs: tensors(outputs),
        })
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, Error> {
        let request = self.request(Method::GET, url)?;
        let asked = async {
            let response = request.send().await.map_err(broken)?;
            self.body(response).await
        };
        let limit = self.client.timeout();
        match tokio::time::timeout(limit, asked).await {
            Ok(body) => body.map_err(|failed| failed.error),
            Err(_) => Err(Error::Deadline { limit }),
        }
    }

    /// One attempt. The future may be dropped at any time, which cancels the request.
    pub(super) async fn infer(
        &self,
        request: EncodedRequest,
    ) -> Result<RawResponse, FailedAttempt> {
        let EncodedRequest { bytes, json } = request;
        let mut builder = self.request(Method::POST, &self.infer)?.body(bytes);
        builder = match json {
            None => builder.header(CONTENT_TYPE, "application/json"),
            Some(length) => {
                builder.header(CONTENT_TYPE, "application/octet-stream").header(JSON_LENGTH, length)
            }
        };
        let response = builder.send().await.map_err(broken)?;
        let json = response.headers().get(JSON_LENGTH).map(|length| {
            let length = length.to_str().ok().and_then(|length| length.parse().ok());
            length.ok_or_else(|| Error::malformed("answer", "its length of JSON is no number"))
        });
        let json = json.transpose()?;
        let body = self.body(response).await?;
        Ok(RawResponse { body, json })
    }

    /// A request with the token, if there is one.
    fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, Error> {
        let request = self.client.request(method, url, &[]);
        request.map_err(|error| Error::Client { source: Box::new(error) })
    }

    /// Reads the body of a successful response, up to the size limit.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, FailedAttempt> {
        let cut = |error: reqwest::Error| Error::Broken { source: Box::new(error.without_url()) };
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let limit = self.client.max_bytes();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(cut)? {
            if (body.len() as u64).saturating_add(chunk.len() as u64) > limit {
                return Err(Error::TooLarge { limit }.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn refused(&self, mut response: Response) -> FailedAttempt {
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after: Option<Duration> = header(RETRY_AFTER).and_then(wait);
        let mut body = Vec::new();
        while body.len() < LONGEST_REFUSAL
            && let Ok(Some(chunk)) = response.chunk().await
        {
            let room = LONGEST_REFUSAL.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        }
        let said = json::document::<serde_json::Value>(&body).ok();
        // Any other document is not quoted: it may be a proxy's error page.
        let said = said.as_ref().and_then(|said| said.get("error").or(said.get("detail")));
        let message = redact::bounded(said.and_then(serde_json::Value::as_str).unwrap_or_default());
        match status {
            404 => {
                let (model, version) = self.names.clone();
                Error::Gone { model, version, message }.into()
            }
            // Without the header, the server has not said that another attempt would help.
            503 if retry_after.is_some() => {
                let error = Error::Status { status, message, retry_after };
                FailedAttempt { error, again: retry_after }
            }
            status => Error::Status { status, message, retry_after }.into(),
        }
    }
}

/// A request that got no answer. It may be sent again, as a prediction changes nothing on the server,
/// unless the request itself could not be built.
fn broken(error: reqwest::Error) -> FailedAttempt {
    let again = (!error.is_builder()).then_some(Duration::ZERO);
    let connecting = error.is_connect();
    // The query of the URL may contain a key.
    let source = Box::new(error.without_url());
    let error = match connecting {
        true => Error::Unreachable { source },
        false => Error::Broken { source },
    };
    FailedAttempt { error, again }
}
