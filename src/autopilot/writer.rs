//! Writers, which show a rollout's stage where people look: on the vendor's page, in a channel, in a file.
//!
//! Whom a replica lets through depends on none of them. After a transition one replica writes, on a
//! thread of its own, and tries again what fails. What somebody else has changed is never overwritten:
//! the rollout is paused, and the status says so.

mod flagd;
#[cfg(feature = "http")]
mod flagsmith;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod launchdarkly;
#[cfg(feature = "http")]
mod unleash;
#[cfg(feature = "http")]
mod webhook;

use std::{borrow::Cow, error::Error, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::flagd::FlagdFile;
#[cfg(feature = "http")]
pub use self::{
    flagsmith::Flagsmith, launchdarkly::LaunchDarkly, unleash::Unleash, webhook::Webhook,
};
use super::{Cause, Phase, Share, Transition, plan::RolloutPlan};

/// What a writer is to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Intent {
    /// The autopilot's name.
    pub autopilot: String,
    /// The version that rolls out.
    pub candidate: String,
    /// The revision of the transition: an intent with the same revision is the same.
    pub rev: u64,
    /// The attempt, from 0.
    pub attempt: u32,
    /// The phase before.
    pub from: Phase,
    /// The phase now.
    pub to: Phase,
    /// The share now.
    pub share: Share,
    /// Why.
    pub cause: Cause,
    /// Why, in words.
    pub sentence: String,
}

impl Intent {
    /// What a transition asks for.
    pub(super) fn of(plan: &RolloutPlan, transition: &Transition) -> Intent {
        Intent {
            autopilot: plan.autopilot.clone(),
            candidate: plan.candidate.to_string(),
            rev: transition.rev,
            attempt: transition.attempt,
            from: transition.from,
            to: transition.to,
            share: transition.share,
            cause: transition.cause,
            sentence: transition.sentence.clone(),
        }
    }
}

/// What a writer has written, as it reads it back: what it finds there the next time, unless somebody
/// else has changed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Written(pub Value);

/// Shows the share where people look; see the [module](self).
///
/// Writing must be idempotent: the same intent may come again, after a restart for instance.
///
/// ```
/// use std::borrow::Cow;
/// use modelgate::autopilot::writer::{Intent, ShareWriter, WriteError, Written};
///
/// /// Prints each transition. Nobody else can change what was printed, so `last` does not matter.
/// struct Terminal;
///
/// impl ShareWriter for Terminal {
///     fn name(&self) -> Cow<'static, str> {
///         "terminal".into()
///     }
///     fn write(&self, intent: &Intent, _last: Option<&Written>) -> Result<Written, WriteError> {
///         println!("{}: {} at {}", intent.autopilot, intent.candidate, intent.share);
///         Ok(Written(intent.rev.into()))
///     }
/// }
/// ```
pub trait ShareWriter: Send + Sync + 'static {
    /// A short name, unique in an autopilot: `a-z`, `0-9` and `-`.
    fn name(&self) -> Cow<'static, str>;

    /// Writes an intent. `last` is what was written last; `None` where nothing was, or where a person has
    /// accepted what is there now.
    ///
    /// # Errors
    ///
    /// [`WriteError::is_conflict`], when something other than `last` is there: nothing was written. After
    /// any other error the intent is tried again, once a minute at most.
    fn write(&self, intent: &Intent, last: Option<&Written>) -> Result<Written, WriteError>;
}

/// An intent was not written.
#[derive(Debug)]
pub struct WriteError {
    message: String,
    conflict: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl WriteError {
    /// It could not be written, with this cause.
    #[cold]
    pub fn new(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> WriteError {
        WriteError { message: message.into(), conflict: false, source: Some(source.into()) }
    }

    /// Somebody else has changed what is there, as these words say.
    #[cold]
    pub fn conflict(message: impl Into<String>) -> WriteError {
        WriteError { message: message.into(), conflict: true, source: None }
    }

    #[cfg(feature = "http")]
    #[cold]
    pub(super) fn plain(message: impl Into<String>) -> WriteError {
        WriteError { message: message.into(), conflict: false, source: None }
    }

    /// Whether somebody else changed what is there, and nothing was written.
    pub fn is_conflict(&self) -> bool {
        self.conflict
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Refuses when what is found is neither what was written last nor what is to be written.
pub(super) fn unchanged(
    what: &str,
    found: &Value,
    wanted: &Value,
    last: Option<&Written>,
) -> Result<(), WriteError> {
    match last {
        Some(Written(last)) if last != found && wanted != found => Err(WriteError::conflict(
            format!("{what} is not as it was written: somebody else changed it"),
        )),
        _ => Ok(()),
    }
}
