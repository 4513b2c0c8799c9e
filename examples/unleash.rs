//! Models routed by an Unleash server: a toggle's variant names the version that answers, another
//! toggle puts v2 in the shadow of the rest. Change them while it runs.
//!
//! ```text
//! docker compose -f examples/unleash/compose.yaml up -d    # or a server of yours
//! bash examples/unleash/flags.sh                           # makes the two toggles
//! export UNLEASH_URL=http://127.0.0.1:4242/api UNLEASH_API_TOKEN=default:development.try-it
//! cargo run --example unleash --no-default-features --features unleash
//! ```
//!
//! The server then shows how often each variant was given, and, as impact metrics, how long each
//! version takes and how often its shadow disagrees:
//! <http://127.0.0.1:4242/internal-backstage/impact/metrics>.

mod payments;

use std::{env, error::Error, process::ExitCode, time::Duration};

use modelgate::{
    Binding,
    unleash::{self, ImpactMetrics},
};

fn main() -> ExitCode {
    let names = ["UNLEASH_URL", "UNLEASH_API_TOKEN"];
    let [Some(url), Some(token)] = names.map(|name| env::var(name).ok()) else {
        let missing: Vec<_> = names.into_iter().filter(|name| env::var(name).is_err()).collect();
        eprintln!(
            "not set: {}\n\n\
             UNLEASH_URL        where the server's API is: http://127.0.0.1:4242/api\n\
             UNLEASH_API_TOKEN  a backend token: default:development.<secret>\n\n\
             examples/unleash/compose.yaml starts a server, and says its token.",
            missing.join(", ")
        );
        return ExitCode::from(2);
    };
    payments::ended(run(&url, token))
}

fn run(url: &str, token: String) -> Result<(), Box<dyn Error>> {
    let impact = ImpactMetrics::new();
    let source = unleash::Source::new(url, token)
        .app_name("fraud")
        .interval(Duration::from_secs(1))
        .metrics(Some(Duration::from_secs(10)))
        .impact_metrics(&impact)
        .last_known_good(env::temp_dir().join("modelgate-unleash-example.flags"));
    let router = payments::router(Binding::variant("ml-model-version"), source)
        .shadow(payments::shadow())
        .impact_metrics("fraud", &impact)
        .build()?;
    payments::serve(&router)
}
