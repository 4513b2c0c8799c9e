//! Models routed by a flagd server: a string flag names the version that answers, a boolean flag puts
//! v2 in the shadow of the rest. Change them while it runs.
//!
//! ```text
//! docker run --rm -p 8015:8015 -v "$PWD/examples:/flags" ghcr.io/open-feature/flagd:latest \
//!     start --uri file:/flags/flags.json                   # or a server of yours
//! export FLAGD_HOST=127.0.0.1 FLAGD_SYNC_PORT=8015
//! cargo run --example flagd --no-default-features --features flagd,file
//! ```
//!
//! Without a server: `FLAGD_OFFLINE_FLAG_SOURCE_PATH=examples/flags.json` watches the file.

mod payments;

use std::{env, error::Error, process::ExitCode};

use modelgate::flagd;

/// Where the flags may be. The rest of the flagd providers' variables have defaults.
const PLACES: [&str; 3] = ["FLAGD_HOST", "FLAGD_SOCKET_PATH", "FLAGD_OFFLINE_FLAG_SOURCE_PATH"];

fn main() -> ExitCode {
    if PLACES.iter().all(|name| env::var_os(name).is_none()) {
        eprintln!(
            "none of these is set: {}\n\n\
             FLAGD_HOST                      where the server is: 127.0.0.1\n\
             FLAGD_SYNC_PORT                 the port of its sync service: 8015 unless set\n\
             FLAGD_TLS                       true for an encrypted connection\n\
             FLAGD_SOURCE_SELECTOR           which of its flags: flagSetId=models\n\
             FLAGD_SOCKET_PATH               a Unix socket instead of host and port\n\
             FLAGD_OFFLINE_FLAG_SOURCE_PATH  a file instead of a server: examples/flags.json\n\n\
             The first lines of examples/flagd.rs start a server.",
            PLACES.join(", ")
        );
        return ExitCode::from(2);
    }
    payments::ended(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let source = flagd::Source::from_environment()?
        .last_known_good(env::temp_dir().join("modelgate-flagd-example.flags"));
    let router = payments::router("ml-model-version", source).shadow(payments::shadow()).build()?;
    payments::serve(&router)
}
