//! An answer, before a web framework sends it.

use modelgate::report::CONTENT_SECURITY_POLICY;
use serde::Serialize;
use serde_json::json;

/// Status, content type and body, and what a page may do.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    /// `Content-Security-Policy`
    pub policy: Option<&'static str>,
    pub body: Vec<u8>,
}

/// Room for a whole answer, so that writing it allocates once.
const ORDINARY_ANSWER: usize = 512;

impl Reply {
    /// This value as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Reply {
        let mut body = Vec::with_capacity(ORDINARY_ANSWER);
        match serde_json::to_writer(&mut body, value) {
            Ok(()) => Reply { status, content_type: "application/json", policy: None, body },
            Err(error) => Reply::error(500, &format!("the answer cannot be written: {error}")),
        }
    }

    /// What is wrong, as `{"error": ...}`.
    #[cold]
    pub fn error(status: u16, message: &str) -> Reply {
        let body = json!({ "error": message }).to_string().into_bytes();
        Reply { status, content_type: "application/json", policy: None, body }
    }

    /// The answer when a handler panicked. It does not say why: that is for the log.
    #[cold]
    pub fn panicked() -> Reply {
        Reply::error(500, "the handler panicked")
    }

    /// The answer for a path that is not served.
    #[cold]
    pub fn not_found(path: &str) -> Reply {
        Reply::error(404, &format!("path: found `{path}`, expected one of {PATHS}"))
    }

    /// The answer for a method that the path does not know.
    #[cold]
    pub fn method_not_allowed(method: &str, path: &str) -> Reply {
        let expected = if path == "/predict" { "POST" } else { "GET" };
        Reply::error(405, &format!("method: found {method} for `{path}`, expected {expected}"))
    }

    /// Plain text, in the version of the format that Prometheus reads.
    pub fn text(status: u16, text: String) -> Reply {
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        Reply { status, content_type, policy: None, body: text.into_bytes() }
    }

    /// A page that fetches nothing and runs nothing.
    pub fn page(html: &str) -> Reply {
        let content_type = "text/html; charset=utf-8";
        let policy = Some(CONTENT_SECURITY_POLICY);
        Reply { status: 200, content_type, policy, body: html.as_bytes().to_vec() }
    }

    /// JSON that is a text already.
    pub fn ready_json(text: &str) -> Reply {
        let content_type = "application/json";
        Reply { status: 200, content_type, policy: None, body: text.as_bytes().to_vec() }
    }
}

const PATHS: &str = "/, /predict, /healthz, /readyz, /status, /metrics, /report.json, /rollout";
