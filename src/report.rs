//! A report that people read: one self-contained page, the same content as JSON, and a page that
//! is live in a service.
//!
//! A [`Report`] is a picture of one moment: what a router has counted, how its flags are, what the
//! verdict says and where the autopilot stands, as far as there are any. Each section of the page
//! says what is missing where there is no data.
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
//! HTML and SVG in one file of at most 150 KB, without a script and without anything to fetch: it
//! opens from a mail as from a server, and under the content security policy
//! [`CONTENT_SECURITY_POLICY`]. It prints, follows the reader's choice of light or dark, says with a
//! word or a shape what it says with a colour, and is read by keyboard and screen reader. Every name
//! in it, a user's or a model's, is escaped.
//!
//! A report cannot act. It prints the calls that can; routes for them are the service's own, behind
//! its own authorisation. The page itself shows versions, classes and, if the policy records them,
//! features: put it behind authentication where these are nobody else's business.
//!
//! # Live
//!
//! [`LivePage`] keeps a rendering at hand for a route: see there.

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
    flag::store::FlagsStatus,
    router::{Input, Output, stats::RouterStats},
    verdict::Verdict,
};

/// What the page needs to be allowed, and all that it needs: send it as `Content-Security-Policy`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The form of [`Report::json`].
const SCHEMA: u32 = 1;

/// A picture of a rollout at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    content: Content,
}

/// What a [`Report`] is made of.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    content: Content,
}

impl Report {
    /// A report to be filled. The title is what is rolled out, usually the flag's key.
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

    /// The page.
    pub fn html(&self) -> String {
        html::page(&self.content, None)
    }

    /// The page, which a browser asks for again after so many seconds.
    pub(crate) fn refreshing_html(&self, seconds: u32) -> String {
        html::page(&self.content, Some(seconds))
    }

    /// The same content as one JSON object. Further fields may be added; `schema` grows when one
    /// changes its meaning.
    pub fn json(&self) -> String {
        // A number that JSON cannot say is `null`; nothing else in it can fail.
        let text = serde_json::to_string(&self.content).unwrap_or_default();
        // So that it may stand inside a page.
        text.replace('<', "\\u003c")
    }

    /// The sentence at the top of the page.
    pub fn headline(&self) -> &str {
        &self.content.headline.sentence
    }

    /// Writes the page to a file, which is replaced as a whole: who reads it meanwhile reads the old
    /// one or the new one.
    ///
    /// # Errors
    ///
    /// The operating system's, when the file cannot be written.
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
        // What is half written is of no use to anybody.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

impl Builder {
    /// The moment that the report is about; now, unless told.
    pub fn at(mut self, moment: SystemTime) -> Builder {
        self.content.at_ms = milliseconds(moment);
        self
    }

    /// What this router has counted, and how its flags are.
    pub fn router<F, P>(self, router: &ModelRouter<F, P>) -> Builder
    where
        F: ?Sized + Input,
        P: Output,
    {
        self.stats(&router.stats()).flags(&router.status())
    }

    /// These counts of a router.
    pub fn stats(mut self, stats: &RouterStats) -> Builder {
        operation::fill_stats(&mut self.content, stats);
        self
    }

    /// How these flags are.
    pub fn flags(mut self, status: &FlagsStatus) -> Builder {
        operation::fill_flags(&mut self.content, status);
        self
    }

    /// What this verdict says, with all it was made from.
    pub fn verdict<P, L>(mut self, verdict: &Verdict<P, L>) -> Builder {
        verdict::fill(
            &mut self.content,
            &verdict.evidence(),
            verdict.timelines(),
            verdict.disagreements(),
        );
        self
    }

    /// Where this autopilot stands. It has the headline, whatever was filled in before.
    pub fn autopilot(mut self, autopilot: &Autopilot) -> Builder {
        autopilot::fill(&mut self.content, &autopilot.status());
        self
    }

    /// The report.
    pub fn build(mut self) -> Report {
        if self.content.headline.sentence.is_empty() {
            self.content.headline = plain_headline(&self.content);
        }
        Report { content: self.content }
    }
}

/// The headline where neither verdict nor autopilot has one.
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
