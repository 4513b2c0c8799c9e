//! Settings, from the environment.

use std::{
    env,
    ffi::OsString,
    iter,
    path::{Path, PathBuf},
    time::Duration,
};

/// Which v2 is rolled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// The model as it is.
    Good,
    /// Nothing new: v1's model once more.
    Equal,
    /// The model as it is, and a v1 that fails on every fortieth row.
    Better,
    /// The model, which fails on every fifth row.
    Bad,
}

impl Candidate {
    /// From `MODELGATE_ROLLOUT`.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<Candidate, String> {
        match name {
            "good" => Ok(Candidate::Good),
            "equal" => Ok(Candidate::Equal),
            "better" => Ok(Candidate::Better),
            "bad" => Ok(Candidate::Bad),
            _ => Err(format!(
                "MODELGATE_ROLLOUT: found `{name}`, expected `good`, `equal`, `better` or `bad`"
            )),
        }
    }
}

/// Where the service listens, and which files it uses.
#[derive(Clone, Debug)]
pub struct Config {
    /// `MODELGATE_ADDR`: host and port to listen on.
    pub address: String,
    /// `MODELGATE_FLAGS`: the flag file, watched.
    pub flags: PathBuf,
    /// `MODELGATE_COMPARISONS`: where comparisons are written, a JSON object a line.
    pub comparisons: PathBuf,
    /// `MODELGATE_MODELS`: the folder with the digits models.
    pub models: PathBuf,
    /// `MODELGATE_ROLLOUT`: `good`, `equal`, `better` or `bad` lets v2 roll out by itself, in stages
    /// of seconds.
    pub rollout: Option<Candidate>,
    /// `MODELGATE_TRAFFIC`: so many made-up users a second ask the service from within, and tell it
    /// the truth right after; without it nobody asks but those who do.
    pub traffic: Option<u32>,
    /// `MODELGATE_STAGE_SECONDS`: how long each stage of that rollout lasts at least; 5 seconds.
    pub stage: Duration,
    /// `MODELGATE_ROLLOUT_TOKEN`: what commands to the rollout must carry; without it there are none.
    pub rollout_token: Option<String>,
}

impl Config {
    /// The settings in the environment, and defaults for those that are not there.
    ///
    /// # Errors
    /// When one has a value that it cannot have.
    pub fn from_environment() -> Result<Config, String> {
        let path = |variable: &str, default: &str| match env::var_os(variable) {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => in_repository(default),
        };
        let text = |variable: &str| {
            let text = env::var_os(variable).map(OsString::into_string).and_then(Result::ok);
            text.filter(|text| !text.is_empty())
        };
        let number = |variable: &str| {
            let number = |text: String| {
                let wrong = |_| format!("{variable}: found `{text}`, expected a whole number");
                text.parse::<u32>().map_err(wrong)
            };
            text(variable).map(number).transpose()
        };
        let seconds = number("MODELGATE_STAGE_SECONDS")?.unwrap_or(5);
        Ok(Config {
            address: env::var_os("MODELGATE_ADDR")
                .map(OsString::into_string)
                .and_then(Result::ok)
                .filter(|address| !address.is_empty())
                .unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            flags: path("MODELGATE_FLAGS", "examples/flags.json"),
            comparisons: path("MODELGATE_COMPARISONS", "target/comparisons.jsonl"),
            models: path("MODELGATE_MODELS", "examples/models"),
            rollout: text("MODELGATE_ROLLOUT").map(|name| Candidate::named(&name)).transpose()?,
            traffic: number("MODELGATE_TRAFFIC")?,
            stage: Duration::from_secs(seconds.into()),
            rollout_token: text("MODELGATE_ROLLOUT_TOKEN"),
        })
    }
}

/// A path of the repository: from the current folder if that is the repository, as with
/// `cargo run`, and otherwise from where this example was built.
pub fn in_repository(path: &str) -> PathBuf {
    // The actix service is a package of its own, inside of the repository.
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = iter::once(Path::new("")).chain(built_from);
    let found = folders.find(|folder| folder.join("examples/models").is_dir());
    found.unwrap_or(Path::new("")).join(path)
}
