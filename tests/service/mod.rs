//! What both services promise, tested without a network; `service_axum.rs` and `examples/actix/`
//! say how a request is sent.

#[macro_use]
mod run;
pub mod operation;
pub mod predict;
pub mod rollout;
mod site;

pub use self::site::{Site, flags};

/// A request, as a client sends it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub path: &'static str,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn get(path: &'static str) -> Ask {
        Ask { method: "GET", path, headers: Vec::new(), body: Vec::new() }
    }

    /// `POST /predict` from this user; from nobody when the name is empty.
    pub fn predict(user: &str, body: impl ToString) -> Ask {
        let mut headers = vec![("content-type", b"application/json".to_vec())];
        if !user.is_empty() {
            headers.push(("x-user-id", user.as_bytes().to_vec()));
        }
        Ask { method: "POST", path: "/predict", headers, body: body.to_string().into_bytes() }
    }

    pub fn with(mut self, header: &'static str, value: impl Into<Vec<u8>>) -> Ask {
        self.headers.retain(|(name, _)| *name != header);
        self.headers.push((header, value.into()));
        self
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Got {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Got {
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.content_type, "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer of a request that succeeded.
    #[track_caller]
    pub fn answer(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The message of a request that was refused.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        let json = self.json();
        assert_eq!(self.status, status, "{json}");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(1), "{json}");
        json["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// Something that answers requests.
pub trait Client {
    async fn send(&self, ask: Ask) -> Got;
}
