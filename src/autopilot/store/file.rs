//! A store in a folder.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Error, Expect, StateStore, Tag, is_name, probe};

const LOCK: &str = "state.lock";

/// Documents in a folder that every replica of the fleet can reach: on one machine, or on a volume
/// whose locks work.
///
/// A document is written to a temporary file, synced, and renamed; replacing one under a condition takes
/// a lock on a file of its own, which the system releases when a process dies. That is enough for local
/// file systems, and for NFS 4 and SMB with locking. It is not for NFS 3 without a lock daemon, nor for
/// object storage mounted as files: use a store with conditional writes there. [`open`](FileStore::open)
/// tests what one process can test.
///
/// The folder belongs to the fleet, and its files are readable by its owner alone.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    /// Tells this process's temporary files apart.
    unique: String,
    written: AtomicU64,
}

impl FileStore {
    /// Opens a folder, created if need be, and tests it: whether it can be written, renamed in and locked.
    ///
    /// # Errors
    ///
    /// [`Error`] with what the folder does not support.
    pub fn open(folder: impl Into<PathBuf>) -> Result<FileStore, Error> {
        let folder = folder.into();
        let store = FileStore {
            folder,
            unique: crate::prediction_id::PredictionId::generate().to_string(),
            written: AtomicU64::new(0),
        };
        let failed =
            |what: &str, error| Error::new(format!("{}: {what}", store.folder.display()), error);
        make_folder(&store.folder).map_err(|error| failed("cannot be made", error))?;
        store.try_locks().map_err(|error| failed("its locks do not hold", error))?;
        probe(&store).map_err(|error| {
            Error::new(format!("{}: cannot be used", store.folder.display()), error)
        })?;
        Ok(store)
    }

    /// Tests that a lock keeps another handle out.
    fn try_locks(&self) -> io::Result<()> {
        let name = self.folder.join(format!("probe-{}.lock", self.unique));
        let result = (|| {
            let one = open_lock(&name)?;
            let other = open_lock(&name)?;
            one.lock()?;
            match other.try_lock() {
                Err(fs::TryLockError::WouldBlock) => Ok(()),
                Err(fs::TryLockError::Error(error)) => Err(error),
                Ok(()) => Err(io::Error::other("a file was locked twice at once")),
            }
        })();
        let _ = fs::remove_file(&name);
        result
    }

    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        match is_name(name) && name != LOCK {
            true => Ok(self.folder.join(name)),
            false => Err(Error::bad_name(name)),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.folder);
        make_folder(folder)?;
        let count = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!(".{}-{count}.tmp", self.unique));
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        // So that the name survives a power cut too; not every system can sync a folder.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

impl StateStore for FileStore {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Error> {
        let path = self.path(name)?;
        let found = read(&path)
            .map_err(|error| Error::new(format!("{}: cannot be read", path.display()), error))?;
        Ok(found.map(|bytes| {
            let tag = Tag::of(&bytes);
            (bytes, tag)
        }))
    }

    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, Error> {
        let path = self.path(name)?;
        let failed = |error| Error::new(format!("{}: cannot be written", path.display()), error);
        if expect == Expect::Any {
            self.write(&path, bytes).map_err(failed)?;
            return Ok(Tag::of(bytes));
        }
        // Held to the end of the function; the system releases it when the process is killed.
        let lock = open_lock(&self.folder.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let found = read(&path).map_err(failed)?.map(|bytes| Tag::of(&bytes));
        let fits = match &expect {
            Expect::Absent => found.is_none(),
            Expect::Tag(tag) => found.as_ref() == Some(tag),
            Expect::Any => true,
        };
        if !fits {
            return Err(Error::conflict(name));
        }
        self.write(&path, bytes).map_err(failed)?;
        Ok(Tag::of(bytes))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let (folder, _) = prefix.rsplit_once('/').unwrap_or_default();
        let path = self.folder.join(folder);
        let failed = |error| Error::new(format!("{}: cannot be listed", path.display()), error);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let name = match folder {
                "" => name.to_owned(),
                folder => format!("{folder}/{name}"),
            };
            if is_name(&name) && name.starts_with(prefix) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(format!("{}: cannot be removed", path.display()), error))
            }
            _ => Ok(()),
        }
    }
}
