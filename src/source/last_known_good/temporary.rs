//! The file beside a file, which takes its place once it is whole.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How often another name is tried. Two that meet are a wonder, three are a broken file system.
const ATTEMPTS: u32 = 8;

/// Nobody writes for this long: the process that began it is gone.
const STALE: Duration = Duration::from_secs(3600);

const SUFFIX: &str = ".tmp";

/// Makes a file beside `path` that no one else writes to. A process id would not tell two
/// containers on one volume apart: each of them is process 1.
pub(super) fn create(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut attempt = 0;
    loop {
        attempt += 1;
        let temporary = named(path);
        match options.open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

fn named(path: &Path) -> PathBuf {
    // The standard library seeds each `RandomState` from the system's randomness, and makes each
    // one differ from the one before.
    let random = RandomState::new().hash_one("modelgate temporary file");
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(format!(".{random:016x}{SUFFIX}"));
    path.with_file_name(name)
}

/// Removes what processes left here that were killed while they wrote. Best effort: it is litter,
/// and does no harm.
pub(super) fn remove_stale(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_temporary(&entry.file_name(), name)
            && let Ok(metadata) = entry.metadata()
            && metadata.is_file()
            && let Ok(changed) = metadata.modified()
            && SystemTime::now().duration_since(changed).is_ok_and(|age| age > STALE)
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether it is a name as given above, or as earlier releases gave: with a process id and a
/// number.
fn is_temporary(found: &OsStr, name: &OsStr) -> bool {
    let inside = found
        .as_encoded_bytes()
        .strip_prefix(name.as_encoded_bytes())
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    let is_ours = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'.';
    inside.is_some_and(|inside| !inside.is_empty() && inside.iter().all(is_ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::LastKnownGood;

    #[test]
    fn a_file_that_a_killed_process_of_the_same_number_left_keeps_nobody_from_saving() {
        let folder = tempfile::tempdir().unwrap();
        let file = LastKnownGood::at(folder.path().join("flags.lkg"));
        // In a container every process is number 1, and counts from the beginning.
        for count in 0..50 {
            let left = format!("flags.lkg.{}.{count}.tmp", std::process::id());
            fs::write(folder.path().join(left), "half").unwrap();
        }
        for text in ["one", "two"] {
            file.save(text).unwrap();
            assert_eq!(file.load().unwrap().unwrap().text(), text);
        }
    }

    #[test]
    fn what_was_left_an_hour_ago_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, age: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        let hours = 2 * 3600;
        write("flags.lkg.0123456789abcdef.tmp", hours);
        write("flags.lkg.1.7.tmp", hours);
        write("flags.lkg.fedcba9876543210.tmp", 60);
        write("flags.lkg.notes.tmp", hours);
        write("other.lkg.0123456789abcdef.tmp", hours);
        LastKnownGood::at(folder.path().join("flags.lkg")).save("text").unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let fresh = "flags.lkg.fedcba9876543210.tmp";
        let foreign = ["flags.lkg.notes.tmp", "other.lkg.0123456789abcdef.tmp"];
        assert_eq!(left, ["flags.lkg", fresh, foreign[0], foreign[1]]);
    }
}
