//! A file of whole lines that is rotated by size.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// Appends whole lines. After any error the file is closed, and the next line opens it again,
/// which cuts off what the error left behind.
pub(super) struct RotatingFile {
    path: PathBuf,
    rotation: Option<(u64, usize)>,
    open: Option<Open>,
    rotation_failed: bool,
}

struct Open {
    file: File,
    length: u64,
}

impl RotatingFile {
    pub(super) fn open(path: PathBuf, rotation: Option<(u64, usize)>) -> io::Result<RotatingFile> {
        let open = open_file(&path)?;
        Ok(RotatingFile { path, rotation, open: Some(open), rotation_failed: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, which brings its newline along.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => open_file(&self.path)?,
        };
        let grown = open.length.saturating_add(line.len() as u64);
        if let Some((bytes, keep)) = self.rotation
            && grown > bytes
            && open.length > 0
        {
            open = self.rotate(open, keep)?;
        }
        // One `write` unless the system takes less: a reader, and a kill, then see whole lines.
        if let Err(error) = open.file.write_all(line) {
            // Part of it may have been written. Should cutting that off fail as well, it is done
            // when the file is opened again.
            let _ = open.file.set_len(open.length);
            return Err(error);
        }
        open.length = open.length.saturating_add(line.len() as u64);
        self.open = Some(open);
        Ok(())
    }

    /// Begins a new file. Where the old one cannot be moved away it goes on: records matter more
    /// than the size of a file.
    fn rotate(&mut self, full: Open, keep: usize) -> io::Result<Open> {
        for number in (1..keep).rev() {
            // The older ones move best-effort: there may be fewer than `keep`.
            let _ = fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1));
        }
        match fs::rename(&self.path, numbered(&self.path, 1)) {
            Ok(()) => {
                self.rotation_failed = false;
                open_file(&self.path)
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

    pub(super) fn sync(&mut self) -> io::Result<()> {
        match &self.open {
            Some(open) => match open.file.sync_data() {
                // Pipes and devices have nothing to sync.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
                result => result,
            },
            None => Ok(()),
        }
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

fn open_file(path: &Path) -> io::Result<Open> {
    let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let metadata = file.metadata()?;
    // Only a regular file has an end that can be looked at.
    let length =
        if metadata.is_file() { mend(path, &file, metadata.len())? } else { metadata.len() };
    Ok(Open { file, length })
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
mod tests {
    use super::*;

    fn content(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn files_are_rotated_before_they_grow_too_large_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut file = RotatingFile::open(path.clone(), Some((8, 2))).unwrap();
        for line in ["aaa\n", "bbb\n", "ccc\n", "ddd\n", "eee\n", "fff\n", "longer than all\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        assert_eq!(content(&path), "longer than all\n");
        assert_eq!(content(&numbered(&path, 1)), "eee\nfff\n");
        assert_eq!(content(&numbered(&path, 2)), "ccc\nddd\n");
        assert!(!numbered(&path, 3).exists());
    }

    #[test]
    fn an_incomplete_record_at_the_end_is_cut_off_when_the_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        for torn in ["{", "{\"ti", "{\"time\":17000", "{\"time\":1, \"prediction_id\":\"0"] {
            for before in ["", "{\"time\":1}\n"] {
                fs::write(&path, format!("{before}{torn}")).unwrap();
                let mut file = RotatingFile::open(path.clone(), None).unwrap();
                file.append(b"{\"time\":2}\n").unwrap();
                assert_eq!(content(&path), format!("{before}{{\"time\":2}}\n"));
            }
        }
        let long = format!("{{\"time\":1}}\n{{\"time\":{}", "1".repeat(200_000));
        fs::write(&path, long).unwrap();
        drop(RotatingFile::open(path.clone(), None).unwrap());
        assert_eq!(content(&path), "{\"time\":1}\n");
    }

    #[test]
    fn an_unfinished_line_of_somebody_else_is_kept_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        fs::write(&path, "do not lose me").unwrap();
        let mut file = RotatingFile::open(path.clone(), None).unwrap();
        file.append(b"{\"time\":2}\n").unwrap();
        assert_eq!(content(&path), "do not lose me\n{\"time\":2}\n");
    }

    #[test]
    fn a_file_that_cannot_be_moved_grows_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        // A folder that is not empty stands where the rotated file should go.
        fs::create_dir_all(numbered(&path, 1).join("in the way")).unwrap();
        let mut file = RotatingFile::open(path.clone(), Some((4, 1))).unwrap();
        for line in ["aaa\n", "bbb\n", "ccc\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        assert_eq!(content(&path), "aaa\nbbb\nccc\n");
    }
}
