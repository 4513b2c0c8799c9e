//! A writer of flagd's files.

use std::{
    borrow::Cow,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Intent, ShareWriter, WriteError, Written, unchanged};
use crate::{dialect::without_mark, prediction_id::PredictionId};

/// Writes the share into the weights of a flag's `fractional`, in a file in flagd's format.
///
/// The flag's targeting has to be `{"fractional": [["candidate", weight], ["champion", weight]]}`,
/// with the variants' names in either order; anything else is left as it is, and is a conflict. Weights
/// are thousandths of a percent.
#[derive(Debug)]
pub struct FlagdFile {
    path: PathBuf,
    flag: String,
    candidate: String,
    champion: String,
}

impl FlagdFile {
    /// A flag of the file, and the names of the variants that are the candidate and the champion.
    pub fn new(
        path: impl Into<PathBuf>,
        flag: impl Into<String>,
        candidate: impl Into<String>,
        champion: impl Into<String>,
    ) -> FlagdFile {
        FlagdFile {
            path: path.into(),
            flag: flag.into(),
            candidate: candidate.into(),
            champion: champion.into(),
        }
    }

    /// Whether this is a split between the two, and nothing else.
    fn is_split(&self, fractional: &Value) -> bool {
        // Each entry must name one of the two. An expression for the bucketing key, which may come first,
        // does not.
        let names: Option<Vec<&str>> = fractional.as_array().and_then(|shares| {
            shares.iter().map(|share| share.get(0).and_then(Value::as_str)).collect()
        });
        names.is_some_and(|mut names| {
            names.sort_unstable();
            let mut both = [self.candidate.as_str(), self.champion.as_str()];
            both.sort_unstable();
            names == both
        })
    }
}

impl ShareWriter for FlagdFile {
    fn name(&self) -> Cow<'static, str> {
        "flagd-file".into()
    }

    fn write(&self, intent: &Intent, last: Option<&Written>) -> Result<Written, WriteError> {
        let failed =
            |what: &str, error| WriteError::new(format!("{}: {what}", self.path.display()), error);
        let text =
            fs::read_to_string(&self.path).map_err(|error| failed("cannot be read", error))?;
        let mut document: Value = serde_json::from_str(without_mark(&text))
            .map_err(|error| failed("is no JSON", std::io::Error::from(error)))?;
        let flag = document.get_mut("flags").and_then(|flags| flags.get_mut(&self.flag));
        let targeting = flag.and_then(|flag| flag.get_mut("targeting"));
        let Some(fractional) = targeting
            .and_then(|targeting| targeting.get_mut("fractional"))
            .filter(|fractional| self.is_split(fractional))
        else {
            return Err(WriteError::conflict(format!(
                "flag {} in {} is no split between {} and {} alone",
                self.flag,
                self.path.display(),
                self.candidate,
                self.champion
            )));
        };
        let share = intent.share.thousandths();
        let rest = super::Share::EVERYBODY.thousandths().saturating_sub(share);
        let wanted = json!([[self.candidate, share], [self.champion, rest]]);
        unchanged(&format!("flag {} in the file", self.flag), fractional, &wanted, last)?;
        if *fractional != wanted {
            *fractional = wanted.clone();
            let text = serde_json::to_string_pretty(&document)
                .map_err(|error| failed("cannot be written", std::io::Error::from(error)))?;
            replace(&self.path, &text).map_err(|error| failed("cannot be written", error))?;
        }
        Ok(Written(wanted))
    }
}

/// Writes a temporary file and renames it, so that whoever watches the file sees the old one or the new
/// one. Where the path is a symbolic link, the file that it leads to is replaced; the new file has the
/// permissions of the old one. The temporary name is unique: replicas in containers of their own may
/// share the volume, and each of them be process 1.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", PredictionId::generate()));
    let beside = path.with_file_name(name);
    let written = (|| {
        let mut file = fs::File::create_new(&beside)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
