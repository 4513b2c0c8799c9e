//! A report for people to read: one self-contained page, the same content as JSON, and a live page
//! for a service.
//!
//! A [`Report`] shows one moment: what a router has counted, the state of its flags, what the verdict
//! says and which stage the autopilot is at, as far as there are any. A section without data says how
//! to get it.
//!
//! ```
//! use modelgate::{Context, ModelRouter, Rollout, model_fn, report::Report};
//!
//! let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
//!     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
//!     .fallback("v1")
//!     .source(Rollout::everyone("v1").flag("ml-model-version")?)
//!     .build()?;
//! router.predict(&Context::new("user-42"), &[1.0, 2.0])?;
//!
//! let report = Report::builder("ml-model-version").router(&router).build();
//! assert!(report.html().starts_with("<!doctype html>"));
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("report.html");
//! report.write(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The page
//!
//! HTML and SVG in one file of at most 150 KB, with no script and nothing to fetch, so that it can be
//! attached to a mail as well as served, under the policy [`CONTENT_SECURITY_POLICY`]. It prints,
//! follows the reader's choice of light or dark, never relies on colour alone, and works with keyboard
//! and screen reader. Every name in it, a user's or a model's, is escaped.
//!
//! A report cannot act. It shows the calls that can; routes for those are up to the service, behind its
//! own authorisation. The page shows versions, classes and, if the policy records them, features: put
//! it behind authentication where these are confidential.
//!
//! # Live
//!
//! [`LivePage`] keeps the page rendered for a route of a service.

mod autopilot;
mod content;
mod figure;
mod html;
mod live;
mod operation;
mod records;
mod verdict;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use self::content::{Content, Headline, Standing};
pub use self::{
    live::{LivePage, LivePageBuilder},
    records::{Recorded, RecordsError},
};
use crate::{
    ModelRouter,
    autopilot::Autopilot,
    flag::store,
    router::{Input, Output, stats::RouterStats},
    verdict::Verdict,
};

/// The strictest policy that the page works under: send it as the header `Content-Security-Policy`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The version of the format of [`Report::json`].
const SCHEMA: u32 = 1;

/// A picture of a rollout at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    content: Content,
}

/// Collects what a [`Report`] shows; made by [`Report::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    content: Content,
}

impl Report {
    /// Starts a report. The title says what is being rolled out, usually the flag's key.
    pub fn builder(title: impl Into<String>) -> Builder {
        Builder {
            content: Content {
                schema: SCHEMA,
                title: title.into(),
                at_ms: milliseconds(SystemTime::now()),
                ..Content::default()
            },
        }
    }

    /// The page, as HTML.
    pub fn html(&self) -> String {
        html::page(&self.content, None)
    }

    /// The page, which browsers reload after so many seconds.
    pub(crate) fn refreshing_html(&self, seconds: u32) -> String {
        html::page(&self.content, Some(seconds))
    }

    /// The same content as one JSON object. Fields may be added; when one changes its meaning, the
    /// number in `schema` increases.
    pub fn json(&self) -> String {
        // Cannot fail: a number that JSON cannot express is written as `null`.
        let text = serde_json::to_string(&self.content).unwrap_or_default();
        // So that it can be embedded in a page.
        text.replace('<', "\\u003c")
    }

    /// The sentence at the top of the page.
    pub fn headline(&self) -> &str {
        &self.content.headline.sentence
    }

    /// Writes the page to a file, which is replaced atomically: a reader sees the old page or the new
    /// one.
    ///
    /// # Errors
    ///
    /// The operating system's, if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        write_whole(path.as_ref(), self.html().as_bytes())
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{:016x}.new", crate::PredictionId::generate().as_u128() as u64));
    let temporary = path.with_file_name(temporary);
    let written = std::fs::File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // Do not leave a temporary file that is half written.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

impl Builder {
    /// The moment that the report is about. By default now.
    pub fn at(mut self, moment: SystemTime) -> Builder {
        self.content.at_ms = milliseconds(moment);
        self
    }

    /// Adds what this router has counted, and the state of its flags.
    pub fn router<F, P>(self, router: &ModelRouter<F, P>) -> Builder
    where
        F: ?Sized + Input,
        P: Output,
    {
        self.stats(&router.stats()).flags(&router.status())
    }

    /// Adds these counts of a router.
    pub fn stats(mut self, stats: &RouterStats) -> Builder {
        operation::fill_stats(&mut self.content, stats);
        self
    }

    /// Adds the state of these flags.
    pub fn flags(mut self, status: &store::Status) -> Builder {
        operation::fill_flags(&mut self.content, status);
        self
    }

    /// Adds what this verdict says, and everything it is based on.
    pub fn verdict<P, L>(mut self, verdict: &Verdict<P, L>) -> Builder {
        verdict::fill(
            &mut self.content,
            &verdict.evidence(),
            verdict.timelines(),
            verdict.disagreements(),
        );
        self
    }

    /// Adds the state of this autopilot, which also gives the headline, before a verdict's.
    pub fn autopilot(mut self, autopilot: &Autopilot) -> Builder {
        autopilot::fill(&mut self.content, &autopilot.status());
        self
    }

    /// Finishes the report.
    pub fn build(mut self) -> Report {
        if self.content.headline.sentence.is_empty() {
            self.content.headline = plain_headline(&self.content);
        }
        Report { content: self.content }
    }
}

/// The headline if there is neither a verdict nor an autopilot.
fn plain_headline(content: &Content) -> Headline {
    let answered: u64 = content.versions.iter().map(|version| version.answered).sum();
    let sentence = match content.versions.len() {
        0 => "There is no data yet.".to_owned(),
        _ if answered == 0 => "No request has been answered yet.".to_owned(),
        _ => {
            let mut versions: Vec<_> = content.versions.iter().collect();
            versions.sort_by_key(|version| std::cmp::Reverse(version.answered));
            let shares = versions.iter().filter(|version| version.answered > 0).map(|version| {
                let share = version.answered as f64 / answered as f64;
                format!("{} answered {}", version.version, figure::Percent(share))
            });
            format!(
                "Of {} requests {}; no verdict was asked for.",
                figure::Whole(answered),
                shares.collect::<Vec<_>>().join(", ")
            )
        }
    };
    Headline { sentence, standing: Standing::Neutral }
}

fn milliseconds(moment: SystemTime) -> Option<u64> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
