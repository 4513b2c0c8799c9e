//! Models routed by Flagsmith: a feature's value names the version that answers, another feature
//! puts v2 in the shadow of the rest. Change them while it runs.
//!
//! ```text
//! docker compose -f examples/flagsmith/compose.yaml up -d    # or an environment of yours
//! bash examples/flagsmith/flags.sh                           # makes the features, says the key
//! export FLAGSMITH_URL=http://127.0.0.1:8000/api/v1 FLAGSMITH_SERVER_KEY=ser.<what it said>
//! cargo run --example flagsmith --no-default-features --features flagsmith
//! ```

mod payments;

use std::{env, error::Error, process::ExitCode, time::Duration};

use modelgate::{Binding, flagsmith};

fn main() -> ExitCode {
    let names = ["FLAGSMITH_URL", "FLAGSMITH_SERVER_KEY"];
    let [Some(url), Some(key)] = names.map(|name| env::var(name).ok()) else {
        let missing: Vec<_> = names.into_iter().filter(|name| env::var(name).is_err()).collect();
        eprintln!(
            "not set: {}\n\n\
             FLAGSMITH_URL         where the API is: http://127.0.0.1:8000/api/v1, or the cloud's\n\
             \x20                     https://edge.api.flagsmith.com/api/v1\n\
             FLAGSMITH_SERVER_KEY  a server-side key of the environment: ser.<secret>\n\n\
             examples/flagsmith/compose.yaml starts a server, and says how to get a key.\n\
             FLAGSMITH_REALTIME_URL may name a real-time service: https://realtime.flagsmith.com",
            missing.join(", ")
        );
        return ExitCode::from(2);
    };
    payments::ended(run(&url, key))
}

fn run(url: &str, key: String) -> Result<(), Box<dyn Error>> {
    let mut source = flagsmith::Source::new(key)
        .url(url)
        .application("fraud", env!("CARGO_PKG_VERSION"))
        .interval(Duration::from_secs(1))
        .analytics(Some(Duration::from_secs(10)))
        .last_known_good(env::temp_dir().join("modelgate-flagsmith-example.flags"));
    if let Ok(url) = env::var("FLAGSMITH_REALTIME_URL") {
        source = source.realtime_url(url);
    }
    let router = payments::router(Binding::value("ml-model-version"), source)
        .shadow(payments::shadow())
        .build()?;
    payments::serve(&router)
}
