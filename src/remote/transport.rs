//! The transport to a server: REST or gRPC.

use std::time::{Duration, Instant};

#[cfg(feature = "grpc")]
use super::grpc::{self, Grpc};
use super::{
    Builder, Error, FailedAttempt,
    checked::Checked,
    json,
    rest::{self, Rest},
    wire::{InferenceRequest, InferenceResponse, Metadata},
};
use crate::model::ModelError;

pub(super) enum Transport {
    Rest(Box<Rest>),
    #[cfg(feature = "grpc")]
    Grpc(Box<Grpc>),
}

/// An encoded request, which can be sent any number of times.
#[derive(Clone)]
pub(super) enum Request {
    Rest(rest::EncodedRequest),
    #[cfg(feature = "grpc")]
    Grpc(Box<grpc::EncodedRequest>),
}

/// An answer that has not been read yet.
pub(super) enum RawResponse {
    Rest(rest::RawResponse),
    #[cfg(feature = "grpc")]
    Grpc(Box<grpc::RawResponse>),
}

impl Transport {
    pub(super) fn new(options: &Builder) -> Result<Transport, Error> {
        #[cfg(feature = "grpc")]
        if options.grpc {
            return Ok(Transport::Grpc(Box::new(Grpc::new(options)?)));
        }
        Ok(Transport::Rest(Box::new(Rest::new(options)?)))
    }

    pub(super) async fn not_ready(&self) -> Result<Option<&'static str>, Error> {
        match self {
            Transport::Rest(rest) => rest.not_ready().await,
            #[cfg(feature = "grpc")]
            Transport::Grpc(grpc) => grpc.not_ready().await,
        }
    }

    pub(super) async fn metadata(&self) -> Result<Metadata, Error> {
        match self {
            Transport::Rest(rest) => rest.metadata().await,
            #[cfg(feature = "grpc")]
            Transport::Grpc(grpc) => grpc.metadata().await,
        }
    }

    /// Whether NaN and infinities can be sent.
    pub(super) fn takes_non_finite(&self, checked: &Checked) -> bool {
        match self {
            Transport::Rest(_) => checked.binary,
            #[cfg(feature = "grpc")]
            Transport::Grpc(_) => true,
        }
    }

    pub(super) fn request(
        &self,
        question: &InferenceRequest,
        checked: &Checked,
        left: Duration,
    ) -> Result<Request, ModelError> {
        match self {
            Transport::Rest(_) => {
                let timeout = checked.takes_timeout.then_some(left);
                let body = json::request(question, checked.binary, timeout)?;
                Ok(Request::Rest(body.into()))
            }
            #[cfg(feature = "grpc")]
            Transport::Grpc(grpc) => Ok(Request::Grpc(Box::new(grpc.request(question)))),
        }
    }

    /// One attempt. The caller drops the future at the deadline.
    pub(super) async fn infer(
        &self,
        request: Request,
        #[cfg_attr(not(feature = "grpc"), expect(unused_variables, reason = "gRPC passes it on"))]
        ends: Instant,
    ) -> Result<RawResponse, FailedAttempt> {
        match (self, request) {
            (Transport::Rest(rest), Request::Rest(request)) => {
                rest.infer(request).await.map(RawResponse::Rest)
            }
            #[cfg(feature = "grpc")]
            (Transport::Grpc(grpc), Request::Grpc(request)) => {
                grpc.infer(*request, ends).await.map(|answer| RawResponse::Grpc(Box::new(answer)))
            }
            #[cfg(feature = "grpc")]
            _ => Err(Error::malformed("request", "it is for the other protocol").into()),
        }
    }
}

impl RawResponse {
    pub(super) fn read(self) -> Result<InferenceResponse, Error> {
        match self {
            RawResponse::Rest(answered) => answered.read(),
            #[cfg(feature = "grpc")]
            RawResponse::Grpc(answered) => answered.read(),
        }
    }
}
