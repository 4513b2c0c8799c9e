//! Models routed by LaunchDarkly: a string flag names the version that answers, a boolean one puts v2
//! in the shadow of the rest. Change them while it runs; the flags' use and the shadow's comparisons
//! are reported back.
//!
//! In LaunchDarkly, make a string flag `ml-model-version` with the variations `v1` and `v2`, and a
//! boolean flag `shadow-mode-v2`. Then:
//!
//! ```text
//! export LAUNCHDARKLY_SDK_KEY=sdk-...
//! cargo run --example launchdarkly --no-default-features --features launchdarkly
//! ```
//!
//! `LAUNCHDARKLY_RELAY_URL` names a Relay Proxy to use instead of LaunchDarkly's own services.

mod payments;

use std::{env, error::Error, process::ExitCode, time::Duration};

use modelgate::{
    Context,
    launchdarkly::{self, CustomEvent, DualReads},
};

fn main() -> ExitCode {
    let Ok(key) = env::var("LAUNCHDARKLY_SDK_KEY") else {
        eprintln!(
            "not set: LAUNCHDARKLY_SDK_KEY\n\n\
             LAUNCHDARKLY_SDK_KEY    an environment's SDK key: sdk-<uuid>\n\
             LAUNCHDARKLY_RELAY_URL  a Relay Proxy, if there is one: http://127.0.0.1:8030\n\n\
             The environment needs a string flag `ml-model-version` with the variations v1 and v2,\n\
             and a boolean flag `shadow-mode-v2`."
        );
        return ExitCode::from(2);
    };
    payments::ended(run(key, env::var("LAUNCHDARKLY_RELAY_URL").ok()))
}

fn run(key: String, relay: Option<String>) -> Result<(), Box<dyn Error>> {
    let dual_reads = DualReads::new("ml-model-migration", "v1", "v2");
    let source = launchdarkly::Source::new(key)
        .dual_reads(&dual_reads)
        .last_known_good(env::temp_dir().join("modelgate-launchdarkly-example.flags"));
    let source = match relay {
        Some(url) => source.relay(url),
        None => source,
    };
    // Counted by a metric of this key, where LaunchDarkly has one.
    let client = source.client();
    let router = payments::router("ml-model-version", source)
        .shadow(payments::shadow().record_targeting_key())
        .sink(dual_reads)
        .build()?;
    let served = payments::serve(&router);
    client.track(CustomEvent::new("example-ended"), &Context::new("example"));
    client.flush_blocking(Duration::from_secs(2));
    served
}
