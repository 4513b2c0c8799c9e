//! The prediction service without a web framework: `axum.rs` and `actix/` put HTTP around it.
//!
//! Every method takes what was received and gives a [`Reply`], so that both services answer alike
//! to the byte.

// Each example uses its part of this.
#![allow(dead_code)]

pub mod config;
pub mod digits;
mod metrics;
mod predict;
mod reply;
mod rollout;
mod traffic;

use std::{error::Error, fs, path::Path, sync::Arc, time::Duration};

use modelgate::{
    Classification, Features, ModelRouter, Shadow,
    compare::{ProbabilityDistance, key::KeyHasher, sink::JsonlSink},
    flag::store::{self, SourceState},
    report::{LivePage, Report},
    router::stats::RouterStats,
    shadow::Budget,
    source::FileSource,
};
use serde::Serialize;
use serde_json::json;

use self::metrics::Metrics;
use self::rollout::{Failing, Rollout};
pub use self::{
    config::{Candidate, Config},
    digits::Digits,
    predict::Caller,
    reply::Reply,
};

/// A request's body may be this large; 64 features by name take about two thousand bytes.
pub const LARGEST_BODY: usize = 64 * 1024;

/// How long requests in flight may take to end when the service is told to stop.
pub const SHUTDOWN: Duration = Duration::from_secs(10);

/// The service: a router over the digits models, and the answers to every path.
#[derive(Clone, Debug)]
pub struct Service {
    router: ModelRouter<Features, Classification>,
    page: Option<LivePage>,
    metrics: Arc<Metrics>,
    rollout: Option<Rollout>,
}

impl Service {
    /// Loads the models, reads the flags, opens the file of comparisons.
    ///
    /// A v2 that cannot be loaded stops nothing: v1 serves, and `/status` says what is wrong. A
    /// flag file that is not there yet stops nothing either: v1 serves until it appears, and
    /// `/readyz` says so.
    pub fn start(config: &Config) -> Result<Service, Box<dyn Error>> {
        let digits = Digits::open(&config.models)?;
        if let Some(folder) = config.comparisons.parent() {
            fs::create_dir_all(folder)?;
        }
        let comparisons = JsonlSink::builder(&config.comparisons).rotate(64 << 20, 4).create()?;
        let router = ModelRouter::builder("ml-model-version")
            .fallback("v1")
            .refuse_non_finite()
            .compare(ProbabilityDistance::argmax())
            .sink(comparisons);
        let Some(candidate) = config.rollout else {
            let shadow =
                Shadow::flag("shadow-mode-v2").candidate("v2").budget(Budget::cpu_percent(25.0));
            let router = router
                .model("v1", digits.model("v1")?)
                .check("v1", digits.acceptance("v1")?)
                .try_model("v2", digits.model("v2"))
                .check("v2", digits.acceptance("v2")?)
                .source(FileSource::watch(&config.flags))
                .shadow(shadow);
            return Ok(Service::new(router.build()?));
        };
        // Everybody is meant to get v2; how many do is the autopilot's to say. Whichever answers, the
        // other runs beside it.
        let rollout = Rollout::start(config)?;
        // The state outlives this process, so users must be known by the same hash in the next one. A
        // service of one's own takes the secret from where it keeps its others.
        let hasher = KeyHasher::new("an example's secret, known to everybody")?;
        let router = match candidate {
            Candidate::Better => {
                router.model("v1", Failing { model: digits.model("v1")?, one_of: 40 })
            }
            _ => router.model("v1", digits.model("v1")?).check("v1", digits.acceptance("v1")?),
        };
        let router = match candidate {
            Candidate::Good | Candidate::Better => router.model("v2", digits.model("v2")?),
            Candidate::Equal => router.model("v2", digits.model("v1")?),
            Candidate::Bad => router.model("v2", Failing { model: digits.model("v2")?, one_of: 5 }),
        };
        let router = router
            .source(rollout.autopilot.as_source("ml-model-version")?)
            .shadow(
                Shadow::always()
                    .candidate("v2")
                    .candidate("v1")
                    .key_hasher(hasher)
                    // Nothing else of this example needs the machine.
                    .budget(Budget::unlimited()),
            )
            .sink(rollout.verdict.clone())
            .observer(rollout.verdict.clone())
            .autopilot(&rollout.autopilot)
            .build()?;
        let service = Service::showing(router, Some(rollout));
        if let Some(users) = config.traffic {
            service.ask_by_itself(digits, users)?;
        }
        Ok(service)
    }

    /// The service over a router of one's own.
    pub fn new(router: ModelRouter<Features, Classification>) -> Service {
        Service::showing(router, None)
    }

    fn showing(router: ModelRouter<Features, Classification>, rollout: Option<Rollout>) -> Service {
        let (shown, rolled) = (router.clone(), rollout.clone());
        let page = LivePage::start(move || {
            let report = Report::builder("ml-model-version").router(&shown);
            match &rolled {
                Some(Rollout { verdict, autopilot, .. }) => {
                    report.verdict(verdict).autopilot(autopilot).build()
                }
                None => report.build(),
            }
        });
        if let Err(error) = &page {
            tracing::warn!(%error, "the page cannot be shown");
        }
        Service { router, page: page.ok(), metrics: Arc::new(Metrics::new()), rollout }
    }

    /// The router, for what is not HTTP: `install`, `pin`, `block`.
    pub fn router(&self) -> &ModelRouter<Features, Classification> {
        &self.router
    }

    /// Where the rollout stands, for people.
    pub fn page(&self) -> Reply {
        match &self.page {
            Some(page) => Reply::page(&page.html()),
            None => Reply::error(503, "there is no page"),
        }
    }

    /// The same as data.
    pub fn report(&self) -> Reply {
        match &self.page {
            Some(page) => Reply::ready_json(&page.json()),
            None => Reply::error(503, "there is no page"),
        }
    }

    /// Whether the process is there at all.
    pub fn health(&self) -> Reply {
        Reply::json(200, &json!({ "status": "ok" }))
    }

    /// Whether requests should be sent here: 503 while a flag source has delivered nothing.
    pub fn ready(&self) -> Reply {
        let status = self.router.status();
        let code = if status.ready { 200 } else { 503 };
        Reply::json(code, &json!({ "ready": status.ready, "reasons": reasons(&status) }))
    }

    /// How sources, versions, shadows and sinks are.
    pub fn status(&self) -> Reply {
        let flags = self.router.status();
        let RouterStats { fallbacks, versions, shadows, .. } = self.router.stats();
        Reply::json(200, &Status { flags, fallbacks, versions, shadows })
    }

    /// The same in numbers, in the text format of Prometheus.
    pub fn metrics(&self) -> Reply {
        let rollout = self.rollout.as_ref().map(|rollout| rollout.autopilot.status());
        let (stats, status) = (self.router.stats(), self.router.status());
        Reply::text(200, self.metrics.render(&stats, &status, rollout.as_ref()))
    }

    /// Waits until the comparisons of all answers so far are on the disk: for use after the last
    /// request.
    pub fn flush(&self) {
        if !self.router.flush(Duration::from_secs(5)) {
            tracing::warn!("not every comparison was written in time");
        }
    }
}

#[derive(Serialize)]
struct Status<C, V, S> {
    #[serde(flatten)]
    flags: store::Status,
    fallbacks: C,
    versions: V,
    shadows: S,
}

/// Why the service is not ready; nothing when it is.
fn reasons(status: &store::Status) -> Vec<String> {
    let waiting = status.sources.iter().filter(|source| source.required);
    waiting
        .filter_map(|source| match &source.state {
            SourceState::Starting { last_error: Some(error), .. } => {
                Some(format!("flag source `{}` has delivered nothing: {error}", source.name))
            }
            SourceState::Starting { last_error: None, .. } => {
                Some(format!("flag source `{}` has delivered nothing yet", source.name))
            }
            SourceState::Rejected { reason, .. } if !source.is_stale() => {
                Some(format!("flag source `{}` is rejected: {reason}", source.name))
            }
            _ => None,
        })
        .collect()
}

/// Warnings of the router, and what `RUST_LOG` asks for.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// What to try, printed when the service has started.
pub fn print_what_to_try(config: &Config) {
    let Config { address, flags, comparisons, .. } = config;
    let url = format!("http://{address}");
    println!(
        "\
modelgate serves handwritten digits on {url}, and shows there where the rollout stands

  row='{row}'
  curl {url}/predict -H 'X-User-ID: user-1' -H 'Content-Type: application/json' -d \"{{\\\"features\\\":$row}}\"

Try:  other users: v2 answers a quarter of them, and the same user always gets the same version
      -H 'X-Region: nz': v2 answers everybody there
      the kill switch: set \"state\" of ml-model-version to \"DISABLED\" in {flags}
      what v1 and v2 said of the same request: tail -f {comparisons}
      curl {url}/status, {url}/metrics, {url}/readyz, {url}/report.json
Stop with ctrl-c.
",
        row = EXAMPLE_ROW,
        flags = shown(flags),
        comparisons = shown(comparisons),
    );
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

/// A one, 8 by 8 pixels.
const EXAMPLE_ROW: &str = "[0,0,0,0,13,12,0,0,0,0,0,10,16,14,0,0,0,1,12,16,16,11,0,0,0,11,16,12,16,8,\
0,0,0,6,4,7,16,6,0,0,0,0,0,6,16,5,0,0,0,0,0,4,16,8,0,0,0,0,0,0,15,11,0,0]";
