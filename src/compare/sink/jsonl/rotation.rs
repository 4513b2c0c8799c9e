//! Moving a full file out of the way of the next.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// When a new file is begun, and how many old ones stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) bytes: u64,
    pub(super) keep: usize,
}

/// Moves the file at `place` to `place.1`, and the earlier ones each a number on. The one beyond
/// the last that is kept is removed when, and only when, the file has been moved.
///
/// # Errors
///
/// When the file cannot be moved; then no record is lost, and the next attempt goes on from here.
pub(super) fn rotate(place: &Path, keep: usize) -> io::Result<()> {
    // The first free number: only the files before it have to make room. There is one even if all are
    // to be kept, because no folder holds `usize::MAX` files.
    let mut free: usize = 1;
    while free <= keep
        && let Ok(metadata) = fs::symlink_metadata(numbered(place, free))
    {
        if !metadata.is_file() {
            let name = numbered(place, free);
            return Err(io::Error::other(format!("`{}` is no file of ours", name.display())));
        }
        free = free.saturating_add(1);
    }
    for number in (1..free).rev() {
        fs::rename(numbered(place, number), numbered(place, number.saturating_add(1)))?;
    }
    fs::rename(place, numbered(place, 1))?;
    if free > keep {
        // Should it stay, the next rotation removes it.
        let _ = fs::remove_file(numbered(place, keep.saturating_add(1)));
    }
    Ok(())
}

pub(super) fn numbered(place: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(place);
    name.push(format!(".{number}"));
    name.into()
}
