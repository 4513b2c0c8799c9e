//! A file of whole lines that is rotated by size.

use std::{
    collections::VecDeque,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::rotation::{Rotation, rotate};

/// How many files that were written to and closed may wait for the next flush. Beyond them the oldest
/// is synced at once, so that they cannot use up the process's open files.
const MOST_UNSYNCED: usize = 8;

/// Appends whole lines. After any error the file is closed, and the next line opens it again,
/// which cuts off what the error left behind.
pub(super) struct RotatingFile {
    path: PathBuf,
    rotation: Option<Rotation>,
    mode: u32,
    open: Option<Open>,
    /// Written to since the last flush, and closed since.
    unsynced: VecDeque<File>,
    /// The error of syncing one of them at once, which the system reports only once: for the next flush.
    sync_error: Option<io::Error>,
    /// The folder has new names that a power cut would lose.
    renamed: bool,
    rotation_failed: bool,
}

struct Open {
    file: File,
    /// The path without symbolic links: old files stay on the same volume.
    place: PathBuf,
    identity: Identity,
    is_regular: bool,
    length: u64,
    /// Written to since the last flush.
    dirty: bool,
}

impl RotatingFile {
    pub(super) fn open(
        path: PathBuf,
        rotation: Option<Rotation>,
        mode: u32,
    ) -> io::Result<RotatingFile> {
        let open = Open::at(&path, mode)?;
        Ok(RotatingFile {
            path,
            rotation,
            mode,
            open: Some(open),
            unsynced: VecDeque::new(),
            sync_error: None,
            renamed: true,
            rotation_failed: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, which brings its newline along.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut open = self.take()?;
        let grown = open.length.saturating_add(line.len() as u64);
        if let Some(rotation) = self.rotation
            && grown > rotation.bytes
            && open.length > 0
            && open.is_regular
        {
            open = self.rotate(open, rotation)?;
        }
        // One `write` unless the system takes less: a reader, and a kill, then see whole lines.
        if let Err(error) = open.file.write_all(line) {
            // Part of it may have been written. Should cutting that off fail as well, it is done
            // when the file is opened again.
            let _ = open.file.set_len(open.length);
            self.put_aside(open);
            return Err(error);
        }
        open.length = open.length.saturating_add(line.len() as u64);
        open.dirty = true;
        self.open = Some(open);
        Ok(())
    }

    /// The file at the path. One that was moved or removed meanwhile is not it any more: a record
    /// in a file that nobody can find is a record lost.
    fn take(&mut self) -> io::Result<Open> {
        match self.open.take() {
            Some(open) if open.identity.is_at(&self.path) => Ok(open),
            Some(gone) => {
                self.put_aside(gone);
                self.reopen()
            }
            None => self.reopen(),
        }
    }

    fn reopen(&mut self) -> io::Result<Open> {
        let open = Open::at(&self.path, self.mode)?;
        self.renamed = true;
        Ok(open)
    }

    fn put_aside(&mut self, open: Open) {
        if !open.dirty {
            return;
        }
        self.unsynced.push_back(open.file);
        if self.unsynced.len() > MOST_UNSYNCED
            && let Some(oldest) = self.unsynced.pop_front()
        {
            self.sync_error = sync(&oldest).err().or(self.sync_error.take());
        }
    }

    /// Begins a new file. Where the old one cannot be moved away it goes on: records matter more
    /// than the size of a file.
    fn rotate(&mut self, full: Open, rotation: Rotation) -> io::Result<Open> {
        match rotate(&full.place, rotation.keep) {
            Ok(()) => {
                self.rotation_failed = false;
                // Somebody may have let a group read the old one: the new one is like it.
                let mode = mode_of(&full.file).unwrap_or(self.mode);
                self.put_aside(full);
                self.renamed = true;
                Open::at(&self.path, mode)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.rotation_failed, true) {
                    tracing::warn!(
                        target: "modelgate::compare",
                        path = %self.path.display(),
                        %error,
                        "the file cannot be rotated and grows on"
                    );
                }
                Ok(full)
            }
        }
    }

    /// Syncs all that was written since this was last called, in whichever file it is by now.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(error) = self.sync_error.take() {
            return Err(error);
        }
        while let Some(file) = self.unsynced.front() {
            sync(file)?;
            self.unsynced.pop_front();
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.dirty {
            sync(&open.file)?;
            if open.identity.is_removed(&open.file) {
                let gone = "the file was removed while it was written to";
                self.open = None;
                return Err(io::Error::new(io::ErrorKind::NotFound, gone));
            }
            open.dirty = false;
        }
        if std::mem::take(&mut self.renamed) {
            sync_folder(&open.place);
        }
        Ok(())
    }
}

fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        // Pipes and devices have nothing to sync.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// Makes new names survive a power cut. Not every platform can open a folder.
fn sync_folder(place: &Path) {
    #[cfg(unix)]
    if let Some(folder) = place.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    #[cfg(not(unix))]
    let _ = place;
}

impl Open {
    fn at(path: &Path, mode: u32) -> io::Result<Open> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        let is_regular = metadata.is_file();
        // Only a regular file has an end that can be read.
        let length = if is_regular { mend(path, &file, metadata.len())? } else { metadata.len() };
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let identity = Identity::of(&metadata);
        Ok(Open { file, place, identity, is_regular, length, dirty: false })
    }
}

/// The identity of a file, by which one sees whether a path still leads to it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Identity {
        use std::os::unix::fs::MetadataExt;

        Identity { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Without the file's number only its absence can be seen.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Identity {
        Identity {}
    }

    fn is_at(self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| Identity::of(&metadata) == self)
    }

    /// Whether the open file has no name left anywhere.
    #[cfg(unix)]
    fn is_removed(self, file: &File) -> bool {
        use std::os::unix::fs::MetadataExt;

        file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    #[cfg(not(unix))]
    fn is_removed(self, _: &File) -> bool {
        false
    }
}

#[cfg(unix)]
fn mode_of(file: &File) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;

    Some(file.metadata().ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode_of(_: &File) -> Option<u32> {
    None
}

/// Every record begins like this; nothing else is ever cut off.
const BEGINNING: &[u8] = br#"{"time":"#;

/// Sees to it that the file ends in a newline, and returns its length. An incomplete record of
/// ours is cut off. Any other unfinished line is not ours to remove: it is ended.
fn mend(path: &Path, file: &File, length: u64) -> io::Result<u64> {
    let start = last_line(file, length)?;
    if start == length {
        return Ok(length);
    }
    let mut beginning = Vec::new();
    // Reading moves the place to read from; what is written still goes to the end.
    let mut reader = file;
    reader.seek(SeekFrom::Start(start))?;
    reader.take(BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    let ours = BEGINNING.starts_with(&beginning);
    tracing::warn!(
        target: "modelgate::compare",
        path = %path.display(),
        bytes = length - start,
        cut = ours,
        "the file ended in an incomplete line"
    );
    if ours {
        file.set_len(start)?;
        Ok(start)
    } else {
        (&mut &*file).write_all(b"\n")?;
        Ok(length.saturating_add(1))
    }
}

/// Where the line begins that the file ends in; the file's length if it ends in a newline.
fn last_line(mut reader: &File, length: u64) -> io::Result<u64> {
    const BLOCK: u64 = 64 * 1024;
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.clear();
        reader.seek(SeekFrom::Start(start))?;
        reader.take(end - start).read_to_end(&mut block)?;
        if let Some(place) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start.saturating_add(place as u64).saturating_add(1));
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests;
