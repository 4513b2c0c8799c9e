//! A stand-in for whatever serves a flag document over HTTP.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::server::Server;

/// A running server of `/flags.json`. Dropping it ends its port.
pub struct Http {
    pub address: SocketAddr,
    /// The document and its number.
    document: Arc<Mutex<(u64, String)>>,
    #[expect(dead_code, reason = "held to keep it running")]
    server: Server,
}

impl Http {
    pub fn at(address: SocketAddr, document: &str) -> Http {
        let document = Arc::new(Mutex::new((1, document.to_owned())));
        let app = Router::new().route("/flags.json", get(answer)).with_state(Arc::clone(&document));
        let server = Server::of(address, app);
        Http { address: server.address, document, server }
    }

    pub fn set(&self, document: &str) {
        let mut held = self.document.lock().unwrap();
        *held = (held.0 + 1, document.to_owned());
    }
}

async fn answer(State(held): State<Arc<Mutex<(u64, String)>>>, headers: HeaderMap) -> Response {
    let (number, document) = held.lock().unwrap().clone();
    let tag = format!("\"{number}\"");
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *tag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::ETAG, tag), (header::CONTENT_TYPE, "application/json".into())], document)
        .into_response()
}
