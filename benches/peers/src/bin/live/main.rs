//! Our sources over a socket, beside the official LaunchDarkly client on the same stream.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml --no-default-features \
//!     --features live --bin live -- fresh [CHANGES]
//! … -- standing [SECONDS]
//! ```
//!
//! `fresh` measures the time from writing a streamed change of one flag among 5,000 to the socket
//! until a prediction has used it. `standing` measures what a client costs that has nothing to do
//! but to keep its stream, with one change a second: each in a process of its own.

mod client;
mod fresh;
mod server;
mod standing;

use std::{env, process::ExitCode};

/// How many flags the servers have.
const FLAGS: usize = 5_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    match *arguments {
        ["fresh"] => fresh::print(1_000),
        ["fresh", changes] if number(changes).is_some() => {
            fresh::print(number(changes).unwrap_or_default());
        }
        ["standing"] => standing::print(60),
        ["standing", seconds] if number(seconds).is_some() => {
            standing::print(number(seconds).unwrap_or_default());
        }
        ["cost", who, address, seconds] => return standing::cost(who, address, seconds),
        _ => {
            eprintln!("expected: fresh [CHANGES], or standing [SECONDS]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
