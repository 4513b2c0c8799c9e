//! Options for a model on an inference server.

use std::{fmt, time::Duration};

use reqwest::Url;

use super::{Classifier, Error, Graph, core::Core};
use crate::{
    source::network::{HttpSettings, Secret, public_part},
    tensor::Dtype,
};

/// The most requests in flight, or waiting: more ports than a machine has.
const MOST: usize = 1 << 16;

/// Options for a model on an inference server; made by [`Classifier::builder`].
///
/// ```no_run
/// use std::time::Duration;
/// use modelgate::remote;
///
/// # async fn f() -> Result<(), modelgate::remote::Error> {
/// let model = remote::Classifier::builder("http://triton.internal:8000", "fraud")
///     .version("2")
///     .features(64)
///     .deadline(Duration::from_millis(50))
///     .in_flight(32)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(super) url: String,
    pub(super) model: Box<str>,
    pub(super) version: Option<Box<str>>,
    pub(super) called: Option<Box<str>>,
    pub(super) input: Option<Box<str>>,
    pub(super) label_output: Option<Box<str>>,
    pub(super) probabilities_output: Option<Box<str>>,
    pub(super) outputs: Option<Vec<Box<str>>>,
    pub(super) features: Option<usize>,
    pub(super) classes: Option<usize>,
    pub(super) expected: Vec<ExpectedTensor>,
    pub(super) allow_non_finite: bool,
    pub(super) max_rows: usize,
    pub(super) deadline: Duration,
    pub(super) retries: u32,
    pub(super) in_flight: usize,
    pub(super) waiting: usize,
    pub(super) interval: Duration,
    pub(super) http: HttpSettings,
    pub(super) token: Option<Secret>,
    #[cfg(feature = "grpc")]
    pub(super) grpc: bool,
}

/// What an input or output is expected to be.
#[derive(Clone, Debug)]
pub(super) struct ExpectedTensor {
    pub(super) side: &'static str,
    pub(super) name: Box<str>,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<Option<usize>>,
}

impl Builder {
    pub(super) fn new(url: String, model: Box<str>) -> Builder {
        Builder {
            url,
            model,
            version: None,
            called: None,
            input: None,
            label_output: None,
            probabilities_output: None,
            outputs: None,
            features: None,
            classes: None,
            expected: Vec::new(),
            allow_non_finite: false,
            max_rows: usize::MAX,
            deadline: Duration::from_secs(1),
            retries: 2,
            in_flight: 64,
            waiting: 256,
            interval: Duration::from_secs(5),
            http: HttpSettings::new(),
            token: None,
            #[cfg(feature = "grpc")]
            grpc: false,
        }
    }

    /// The version of the model, as the server names it. By default the server chooses.
    pub fn version(mut self, version: impl Into<Box<str>>) -> Builder {
        self.version = Some(version.into());
        self
    }

    /// The name of the model in the server's metadata, where it differs from the name in the URL:
    /// Seldon appends a number.
    pub fn called(mut self, name: impl Into<Box<str>>) -> Builder {
        self.called = Some(name.into());
        self
    }

    /// The input that takes the row. Required where the server lists several; where it lists none, as
    /// MLServer does without metadata, the default is `input-0`.
    pub fn input(mut self, name: impl Into<Box<str>>) -> Builder {
        self.input = Some(name.into());
        self
    }

    /// The output that holds the label. By default the one called `label`, `output_label` or
    /// `predict`, else the first of integers or strings; without one, the label is the index of the
    /// largest probability.
    pub fn label_output(mut self, name: impl Into<Box<str>>) -> Builder {
        self.label_output = Some(name.into());
        self
    }

    /// The output that holds the probabilities. By default the one called `probabilities`,
    /// `output_probability` or `predict_proba`, else the first of floats with two axes.
    pub fn probabilities_output(mut self, name: impl Into<Box<str>>) -> Builder {
        self.probabilities_output = Some(name.into());
        self
    }

    /// The outputs that a [`Graph`] asks for. By default all.
    pub fn outputs<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Builder {
        self.outputs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The number of values in a row. A model whose metadata states another is refused; one that
    /// states none is assumed to take this many.
    pub fn features(mut self, features: usize) -> Builder {
        self.features = Some(features);
        self
    }

    /// The number of classes, checked in the same way.
    pub fn classes(mut self, classes: usize) -> Builder {
        self.classes = Some(classes);
        self
    }

    /// An input that the server must list, with this type and shape; `None` is an axis of any size.
    pub fn expect_input(
        self,
        name: impl Into<Box<str>>,
        dtype: Dtype,
        shape: impl Into<Vec<Option<usize>>>,
    ) -> Builder {
        self.expect("inputs", name.into(), dtype, shape.into())
    }

    /// An output that the server must list, with this type and shape; `None` is an axis of any
    /// size.
    pub fn expect_output(
        self,
        name: impl Into<Box<str>>,
        dtype: Dtype,
        shape: impl Into<Vec<Option<usize>>>,
    ) -> Builder {
        self.expect("outputs", name.into(), dtype, shape.into())
    }

    fn expect(
        mut self,
        side: &'static str,
        name: Box<str>,
        dtype: Dtype,
        shape: Vec<Option<usize>>,
    ) -> Builder {
        self.expected.push(ExpectedTensor { side, name, dtype, shape });
        self
    }

    /// Sends NaN and infinities to the model, instead of refusing them as invalid input. They are still
    /// refused for a server that takes tensors as JSON only, which cannot express them.
    pub fn allow_non_finite(mut self) -> Builder {
        self.allow_non_finite = true;
        self
    }

    /// Sends a batch of more rows than this as several requests. By default any batch is one request.
    pub fn max_rows(mut self, rows: usize) -> Builder {
        self.max_rows = rows;
        self
    }

    /// How long a request or a batch may take in all, with waiting, connecting and retries. By default
    /// 1 second.
    pub fn deadline(mut self, deadline: Duration) -> Builder {
        self.deadline = deadline;
        self
    }

    /// How many times a request may be sent again, within the deadline. It is sent again if the server
    /// could not be reached, if the connection broke before the answer began, or if the server asked for
    /// it (503 with `Retry-After`, or gRPC's `UNAVAILABLE`). By default 2; set 0 for a model that must
    /// not see a request twice.
    pub fn retries(mut self, retries: u32) -> Builder {
        self.retries = retries;
        self
    }

    /// How many requests may be in flight at a time. By default 64.
    pub fn in_flight(mut self, requests: usize) -> Builder {
        self.in_flight = requests;
        self
    }

    /// How many further requests may wait, within their deadline, for one of those to be answered. By
    /// default 256; any more are refused at once ([`Error::Overloaded`]).
    pub fn waiting(mut self, requests: usize) -> Builder {
        self.waiting = requests;
        self
    }

    /// How often the server is asked whether the model is ready. By default every 5 seconds.
    pub fn health_interval(mut self, interval: Duration) -> Builder {
        self.interval = interval;
        self
    }

    /// How the server is reached: certificates, headers, a proxy, the largest answer. Its
    /// [`timeout`](HttpSettings::timeout) is for health and metadata; predictions have the
    /// [`deadline`](Builder::deadline). gRPC ignores the proxy.
    pub fn http(mut self, settings: HttpSettings) -> Builder {
        self.http = settings;
        self
    }

    /// Sends this token with every request, as `authorization: Bearer …`. It appears in no log or
    /// `Debug` output.
    pub fn token(mut self, token: impl AsRef<str>) -> Builder {
        self.token = Some(Secret::new(format!("Bearer {}", token.as_ref())));
        self
    }

    /// Speaks gRPC with the server; the URL is then that of its gRPC port.
    #[cfg(feature = "grpc")]
    pub fn grpc(mut self) -> Builder {
        self.grpc = true;
        self
    }

    /// Reads the model's metadata from the server and checks it against the options. Works on any
    /// runtime, and takes at most three times the [`timeout`](HttpSettings::timeout).
    ///
    /// # Errors
    ///
    /// [`Error`]: a setting is invalid, the server cannot be reached or is not ready, or the metadata is
    /// not as expected.
    pub async fn connect(self) -> Result<Classifier, Error> {
        let core = Core::start(self, true, false)?;
        core.check().await?;
        Ok(Classifier::of(core))
    }

    /// As [`connect`](Builder::connect), without waiting for the server. Until its metadata has been
    /// read and checked the model counts as not loaded, and a router sends it no requests.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] and [`Error::Client`].
    pub fn start(self) -> Result<Classifier, Error> {
        Core::start(self, true, true).map(Classifier::of)
    }

    /// As [`connect`](Builder::connect), for a graph of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// As [`connect`](Builder::connect).
    pub async fn connect_graph(self) -> Result<Graph, Error> {
        let core = Core::start(self, false, false)?;
        core.check().await?;
        Ok(Graph::of(core))
    }

    /// As [`start`](Builder::start), for a graph of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// As [`start`](Builder::start).
    pub fn start_graph(self) -> Result<Graph, Error> {
        Core::start(self, false, true).map(Graph::of)
    }

    pub(super) fn address(&self) -> Result<Url, Error> {
        let url = Url::parse(&self.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.ok_or_else(|| {
            let found = format!("`{}`", public_part(&self.url));
            Error::setting("url", found, "`http://` or `https://` and a host")
        })
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        self.address()?;
        let wrong =
            |setting, found: String, expected: &str| Err(Error::setting(setting, found, expected));
        let named = |name: &str| !name.is_empty() && !matches!(name, "." | "..");
        if !named(&self.model) {
            return wrong("model", format!("`{}`", self.model), "a name");
        }
        if let Some(version) = self.version.as_deref().filter(|version| !named(version)) {
            return wrong("version", format!("`{version}`"), "a version");
        }
        for (setting, found, expected) in [
            ("features", self.features.unwrap_or(1), "at least 1"),
            ("classes", self.classes.unwrap_or(1), "at least 1"),
            ("max_rows", self.max_rows, "at least 1"),
        ] {
            if found == 0 {
                return wrong(setting, "0".to_owned(), expected);
            }
        }
        if !(1..=MOST).contains(&self.in_flight) {
            return wrong("in_flight", self.in_flight.to_string(), "1 to 65536");
        }
        if self.waiting > MOST {
            return wrong("waiting", self.waiting.to_string(), "at most 65536");
        }
        for (setting, found) in [("deadline", self.deadline), ("health_interval", self.interval)] {
            if found.is_zero() {
                return wrong(setting, "0 s".to_owned(), "more than 0 s");
            }
        }
        Ok(())
    }
}

/// Headers and tokens are not shown.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("url", &public_part(&self.url))
            .field("model", &self.model)
            .field("version", &self.version)
            .field("deadline", &self.deadline)
            .field("retries", &self.retries)
            .field("in_flight", &self.in_flight)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}
