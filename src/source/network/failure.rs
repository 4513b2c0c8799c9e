//! A request that failed, and what may be done about it.

use std::time::Duration;

use crate::source::Error;

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// What the server answered, if it did.
    pub(crate) status: Option<u16>,
    /// How long the server wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the server may have taken what was sent all the same.
    uncertain: bool,
    /// Nothing is wrong but that the key has become another.
    rekeyed: bool,
}

impl Failure {
    /// The key has become another: all is to be asked anew.
    pub(crate) fn rekeyed() -> Failure {
        Failure { rekeyed: true, ..Error::new("key was changed").into() }
    }

    /// Whether it is no failure, but a change of the key.
    pub(crate) fn is_rekeyed(&self) -> bool {
        self.rekeyed
    }

    /// Whether the server refuses the key, or does not know what it is asked for.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.status, Some(401 | 403 | 404 | 410))
    }

    /// Names what was asked for, where the server does not know it: a URL that is almost right is
    /// mended by whoever reads it.
    pub(crate) fn at(mut self, url: &reqwest::Url) -> Failure {
        if self.status == Some(404) {
            let text = format!("{} to {}", self.error, super::public_part(url.as_str()));
            self.error = Error::new(text);
        }
        self
    }

    /// Whether the server may have taken what was sent all the same: it did not answer.
    pub(crate) fn may_have_arrived(&self) -> bool {
        self.uncertain
    }

    /// The server answered this status.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> Failure {
        let error = Error::new(format!("server answered {status}"));
        Failure { error, status: Some(status), retry_after, uncertain: false, rekeyed: false }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, status: None, retry_after: None, uncertain: false, rekeyed: false }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        let what = match () {
            () if error.is_timeout() => "request took too long",
            () if error.is_connect() => "server could not be reached",
            () if error.is_body() || error.is_decode() => "answer ended early or is damaged",
            () => "request failed",
        };
        // The URL may hold a key in its query.
        let uncertain = !error.is_connect() && !error.is_builder();
        let error = Error::with_source(what, error.without_url());
        Failure { error, status: None, retry_after: None, uncertain, rekeyed: false }
    }
}
