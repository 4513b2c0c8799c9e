//! The file that lets a service start with its last good flags while their origin is away.

use std::{
    error::Error,
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

mod temporary;

/// The first word of the file; the number is the format's.
const MAGIC: &str = "modelgate-last-known-good/1";

/// Larger files are neither written nor read: the memory that a start takes is bounded.
const MAX_BYTES: u64 = 256 << 20;

/// No header is longer: the magic, 64 digits of a digest, and the 20 of a time.
const HEADER_BYTES: u64 = 256;

/// A file that keeps the last good document of a source.
///
/// Saving is atomic: whoever reads the file finds the old document or the new one, never half of
/// one, also after a crash; several processes, in containers of their own even, may save to one
/// volume. Loading checks a SHA-256, so that a damaged file is told from a good
/// one. The file is readable by its owner only, where the platform knows owners.
///
/// ```
/// use modelgate::source::LastKnownGood;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("flags.lkg");
/// let file = LastKnownGood::at(path);
/// assert!(file.load()?.is_none());
/// file.save(r#"{"flags": {}}"#)?;
/// assert_eq!(file.load()?.unwrap().text(), r#"{"flags": {}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LastKnownGood {
    path: PathBuf,
    /// Whether what killed processes left has been looked for.
    tidied: Arc<AtomicBool>,
}

/// A document that was saved.
#[derive(Clone)]
pub struct LastKnownGoodFlags {
    text: String,
    /// Time since 1970.
    at: Duration,
}

impl LastKnownGood {
    /// Keeps the document at `path`, in a folder that exists.
    pub fn at(path: impl Into<PathBuf>) -> LastKnownGood {
        LastKnownGood { path: path.into(), tidied: Arc::default() }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves `text` in the place of what was saved before.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or would be larger than the 256 MiB that are read; what was
    /// saved before is then still there.
    pub fn save(&self, text: &str) -> Result<(), LastKnownGoodError> {
        let unwritable =
            |error| LastKnownGoodError::of(&self.path, ErrorKind::Unwritable, Some(error));
        if text.len() as u64 > MAX_BYTES - HEADER_BYTES {
            let error = format!("document: found {} bytes, expected at most 256 MiB", text.len());
            return Err(unwritable(io::Error::new(io::ErrorKind::FileTooLarge, error)));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = format!("{MAGIC} sha256={} saved={}\n", digest(text), now.as_secs());
        self.write(&header, text).map_err(unwritable)
    }

    fn write(&self, header: &str, text: &str) -> io::Result<()> {
        // In the same folder: a rename is atomic only within one file system.
        let (temporary, mut file) = temporary::create(&self.path)?;
        let result = (|| {
            file.write_all(header.as_bytes())?;
            file.write_all(text.as_bytes())?;
            // Before the rename: a crash must not leave the new name with no content behind it.
            file.sync_all()?;
            drop(file);
            fs::rename(&temporary, &self.path)
        })();
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
            return result;
        }
        // So that the rename survives a crash as well. Not every platform can open a folder, and
        // without it the old document is what survives: good enough.
        #[cfg(unix)]
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        if !self.tidied.swap(true, Ordering::Relaxed) {
            temporary::remove_stale(&self.path);
        }
        Ok(())
    }

    /// What was saved last; `None` when nothing ever was.
    ///
    /// # Errors
    ///
    /// When the file is damaged, or there but not readable.
    pub fn load(&self) -> Result<Option<LastKnownGoodFlags>, LastKnownGoodError> {
        let unreadable =
            |error| LastKnownGoodError::of(&self.path, ErrorKind::Unreadable, Some(error));
        let damaged = |what| LastKnownGoodError::of(&self.path, ErrorKind::Damaged(what), None);

        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        let mut content = String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
        let header_end = content.find('\n').ok_or_else(|| damaged("it has no header"))?;
        let text = content.split_off(header_end.saturating_add(1));
        let (sum, at) = header(&content).ok_or_else(|| damaged("its header is not ours"))?;
        if digest(&text) != sum {
            return Err(damaged("its checksum does not match"));
        }
        Ok(Some(LastKnownGoodFlags { text, at: Duration::from_secs(at) }))
    }
}

impl LastKnownGoodFlags {
    /// The document.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How long ago it was saved, by the system's clock; zero when that was set back since.
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(self.at)
    }
}

/// Documents may be long and private: only the length is shown.
impl fmt::Debug for LastKnownGoodFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastKnownGoodFlags")
            .field("bytes", &self.text.len())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

fn header(line: &str) -> Option<(&str, u64)> {
    let mut words = line.trim_end().split(' ');
    if words.next() != Some(MAGIC) {
        return None;
    }
    let sum = words.next()?.strip_prefix("sha256=")?;
    let at = words.next()?.strip_prefix("saved=")?.parse().ok()?;
    Some((sum, at))
}

pub(crate) fn digest(text: &str) -> String {
    use fmt::Write;

    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// A last-known-good file could not be used.
#[derive(Debug)]
pub struct LastKnownGoodError {
    path: PathBuf,
    kind: ErrorKind,
    source: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorKind {
    Unreadable,
    Unwritable,
    Damaged(&'static str),
}

impl LastKnownGoodError {
    #[cold]
    fn of(path: &Path, kind: ErrorKind, source: Option<io::Error>) -> LastKnownGoodError {
        LastKnownGoodError { path: path.to_owned(), kind, source }
    }

    /// Whether the file was there and readable, but not what was saved.
    pub fn is_damaged(&self) -> bool {
        matches!(self.kind, ErrorKind::Damaged(_))
    }
}

impl fmt::Display for LastKnownGoodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.kind {
            ErrorKind::Unreadable => write!(f, "last-known-good file `{path}` cannot be read"),
            ErrorKind::Unwritable => write!(f, "last-known-good file `{path}` cannot be written"),
            ErrorKind::Damaged(what) => {
                write!(f, "last-known-good file `{path}` is damaged: {what}")
            }
        }
    }
}

impl Error for LastKnownGoodError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = LastKnownGood::at(folder.path().join("flags.lkg"));
        file.save("{\"flags\": {}}\n").unwrap();
        let good = fs::read(file.path()).unwrap();
        let header = good.iter().position(|byte| *byte == b'\n').unwrap();
        for length in 0..good.len() {
            fs::write(file.path(), &good[..length]).unwrap();
            assert!(file.load().unwrap_err().is_damaged(), "cut to {length} bytes");
        }
        // The time stands outside the checksum: a wrong one does no harm.
        let checked = (0..header - "saved=1700000000".len()).chain(header + 1..good.len());
        for position in checked {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(file.path(), bad).unwrap();
            assert!(file.load().unwrap_err().is_damaged(), "byte {position} changed");
        }
        fs::write(file.path(), [0xff, 0xfe, b'\n']).unwrap();
        assert!(file.load().unwrap_err().is_damaged());
    }

    #[test]
    fn a_save_that_fails_leaves_what_was_saved_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let file = LastKnownGood::at(folder.path().join("absent").join("flags.lkg"));
        let error = file.save("text").unwrap_err();
        assert!(!error.is_damaged() && error.source().is_some(), "{error}");

        // A folder in the place of the file: the rename fails after the writing.
        let blocked = LastKnownGood::at(folder.path().join("blocked"));
        fs::create_dir(blocked.path()).unwrap();
        fs::write(blocked.path().join("inside"), "x").unwrap();
        assert!(blocked.save("text").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only `blocked` is left");
    }

    #[test]
    fn a_document_that_could_not_be_loaded_again_does_not_replace_one_that_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = LastKnownGood::at(folder.path().join("flags.lkg"));
        file.save("good").unwrap();
        let error = file.save(&" ".repeat(MAX_BYTES as usize)).unwrap_err();
        assert!(error.source().unwrap().to_string().contains("268435456 bytes"), "{error:?}");
        assert_eq!(file.load().unwrap().unwrap().text(), "good");
    }

    #[test]
    fn a_save_replaces_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = LastKnownGood::at(folder.path().join("flags.lkg"));
        for text in ["one", "two", ""] {
            file.save(text).unwrap();
            assert_eq!(file.load().unwrap().unwrap().text(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
