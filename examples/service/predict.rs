//! `POST /predict`: from the bytes of a request to the bytes of its answer.

use std::str;

use modelgate::{Context, Features, PredictError, PredictionId, model::Label};
use serde::{Deserialize, Serialize};

use super::{LARGEST_BODY, Reply, Service};

/// What the headers say of a request; borrowed, and bytes as they came.
#[derive(Clone, Copy, Default)]
pub struct Caller<'a> {
    /// `Content-Type`
    pub content_type: Option<&'a [u8]>,
    /// `X-User-ID`: the targeting key. It is a person's name for themselves and goes into no log.
    pub user_id: Option<&'a [u8]>,
    /// `X-Region`: an attribute for flag rules.
    pub region: Option<&'a [u8]>,
}

/// A request's body. Read from its bytes straight into features, once.
#[derive(Deserialize)]
struct Question {
    features: Features,
}

/// An answer's body, borrowed from the prediction.
#[derive(Serialize)]
struct Answer<'a> {
    label: &'a Label,
    probabilities: &'a [f32],
    model_version: &'a str,
    reason: &'a str,
    flag_revision: u64,
    fell_back: bool,
    prediction_id: PredictionId,
}

impl Service {
    /// Answers `POST /predict`.
    ///
    /// These models take a few microseconds, so they run right here, on the thread of the
    /// executor: handing a request to a pool and back costs more than that. A model that takes
    /// longer than, say, 100 microseconds belongs on the pool of an `AsyncModelRouter`, or it
    /// holds up every other request of its thread: `async_models.rs` shows that.
    pub fn predict(&self, caller: Caller<'_>, body: &[u8]) -> Reply {
        match self.answer(caller, body) {
            Ok(reply) | Err(reply) => reply,
        }
    }

    fn answer(&self, caller: Caller<'_>, body: &[u8]) -> Result<Reply, Reply> {
        check_content_type(caller.content_type)?;
        let context = context(&caller)?;
        let question: Question = read(body)?;
        let prediction =
            self.router.predict(&context, &question.features).map_err(|error| refused(&error))?;
        let scores = prediction.output();
        Ok(Reply::json(
            200,
            &Answer {
                label: &scores.label,
                probabilities: &scores.probabilities,
                model_version: prediction.version(),
                reason: prediction.reason().as_str(),
                flag_revision: prediction.revision(),
                fell_back: prediction.fell_back(),
                prediction_id: prediction.id(),
            },
        ))
    }

    /// The answer to a body that could not be received: too large, or cut off.
    #[cold]
    pub fn body_refused(status: u16, why: &str) -> Reply {
        match status {
            413 => Reply::error(
                413,
                &format!("body: found more bytes, expected at most {LARGEST_BODY}"),
            ),
            _ => Reply::error(400, &format!("body: {why}")),
        }
    }
}

/// Who asks, as the flags see it.
fn context<'a>(caller: &Caller<'a>) -> Result<Context<'a>, Reply> {
    let context = match text("X-User-ID", caller.user_id)? {
        Some(user) => Context::new(user),
        // No id is no bucket: v1 answers, and the reason is MISSING_KEY.
        None => Context::anonymous(),
    };
    Ok(match text("X-Region", caller.region)? {
        Some(region) => context.with("region", region),
        None => context,
    })
}

/// A header's text; `None` when it is absent or empty.
fn text<'a>(name: &str, value: Option<&'a [u8]>) -> Result<Option<&'a str>, Reply> {
    match value.map(str::from_utf8) {
        None | Some(Ok("")) => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        // The value stays out of the answer, as it does out of logs.
        Some(Err(_)) => {
            Err(Reply::error(400, &format!("{name}: found bytes, expected UTF-8 text")))
        }
    }
}

/// `application/json`, with or without parameters, or a type that ends in `+json`.
fn check_content_type(found: Option<&[u8]>) -> Result<(), Reply> {
    let found = found.unwrap_or_default();
    let essence = found.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_json = essence.eq_ignore_ascii_case(b"application/json")
        || essence.len() > 5 && essence[essence.len() - 5..].eq_ignore_ascii_case(b"+json");
    match is_json {
        true => Ok(()),
        false => Err(not_json(found)),
    }
}

#[cold]
fn not_json(found: &[u8]) -> Reply {
    let found = match found.is_empty() {
        true => "nothing".into(),
        false => format!("`{}`", found.escape_ascii()),
    };
    Reply::error(415, &format!("Content-Type: found {found}, expected application/json"))
}

fn read(body: &[u8]) -> Result<Question, Reply> {
    // A derived `Deserialize` would take a list for the object too.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Reply::error(400, "body: found a list, expected {\"features\": ...}"));
    }
    serde_json::from_slice(body).map_err(|error| Reply::error(400, &format!("body: {error}")))
}

/// The answer when no model answered.
#[cold]
fn refused(error: &PredictError) -> Reply {
    match error.model_error() {
        Some(cause) if error.is_invalid_input() => Reply::error(400, &cause.detailed().to_string()),
        _ if error.is_missing_key() => {
            Reply::error(400, "X-User-ID: found nothing, expected an id that stays the same")
        }
        _ => {
            // What went wrong inside is for the log, not for the caller; what the caller sent is
            // not for the log.
            tracing::error!(error = %error.redacted(), "no model answered");
            Reply::error(500, "no model answered")
        }
    }
}
