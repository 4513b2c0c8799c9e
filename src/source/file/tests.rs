use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use super::FileSource;
use crate::{
    flag::store::{self, Flags, SourceState},
    source::testing::{PATIENCE, constants, expect, expect_text, text},
};

/// With notices only: a poll would hide that one was missed.
fn noticed(path: &Path) -> Flags {
    build(FileSource::watch(path).poll_interval(Duration::MAX))
}

fn build(source: FileSource) -> Flags {
    Flags::builder().source(source.dialect(constants)).build().unwrap()
}

fn document(value: &str) -> String {
    format!(r#"{{"a": "{value}"}}"#)
}

fn folder_with(value: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    fs::write(&path, document(value)).unwrap();
    (folder, path)
}

fn stale_for(reason: &str) -> impl FnMut(&store::Status) -> bool {
    let reason = reason.to_owned();
    move |status| match &status.sources[0].state {
        SourceState::Stale { reason: found, .. } => found.contains(&reason),
        _ => false,
    }
}

fn is_ready(status: &store::Status) -> bool {
    status.sources[0].is_ready()
}

#[test]
fn a_good_file_is_ready_when_the_store_is_built() {
    let (_folder, path) = folder_with("1");
    let flags = noticed(&path);
    assert!(flags.is_ready());
    assert_eq!(text(&flags, "a"), "1");
    let revision = flags.status().sources[0].revision.clone().unwrap();
    assert!(revision.starts_with("sha256:") && revision.len() == 19, "{revision}");
}

#[test]
fn an_edit_and_a_rename_over_the_file_are_noticed_every_time() {
    let (folder, path) = folder_with("0");
    let flags = noticed(&path);
    for round in 1..=5 {
        let value = format!("edit {round}");
        fs::write(&path, document(&value)).unwrap();
        expect_text(&flags, "a", &value);

        let value = format!("rename {round}");
        let beside = folder.path().join("flags.json.new");
        fs::write(&beside, document(&value)).unwrap();
        fs::rename(&beside, &path).unwrap();
        expect_text(&flags, "a", &value);
    }
}

#[test]
fn one_edit_is_one_update() {
    let (_folder, path) = folder_with("0");
    let flags = noticed(&path);
    let (send, told) = mpsc::channel();
    flags.on_change(move |snapshot| send.send(snapshot.revision()).unwrap());
    for round in 1..=5 {
        fs::write(&path, document(&round.to_string())).unwrap();
        expect_text(&flags, "a", &round.to_string());
        // The same content again is no update.
        fs::write(&path, document(&round.to_string())).unwrap();
    }
    fs::write(&path, document("last")).unwrap();
    expect_text(&flags, "a", "last");
    for revision in 2..=7 {
        assert_eq!(told.recv_timeout(PATIENCE), Ok(revision));
    }
    assert_eq!(flags.status().revision, 7);
}

#[test]
fn a_half_written_file_leaves_the_last_good_flags_in_force() {
    let (_folder, path) = folder_with("1");
    let flags = noticed(&path);
    fs::write(&path, r#"{"a": "2"#).unwrap();
    let status = expect(&flags, stale_for("document refused: not an object"));
    assert!(status.ready);
    assert_eq!((status.revision, text(&flags, "a")), (1, "1".into()));
    fs::write(&path, document("2")).unwrap();
    expect_text(&flags, "a", "2");
    expect(&flags, is_ready);
}

#[test]
fn garbage_followed_by_the_old_content_is_well_again_without_an_update() {
    let (_folder, path) = folder_with("1");
    let flags = noticed(&path);
    for garbage in [&b"\xff\xfe"[..], b"", b"[]", b"\0\0\0\0"] {
        fs::write(&path, garbage).unwrap();
        expect(&flags, |status| status.sources[0].is_stale());
        fs::write(&path, document("1")).unwrap();
        expect(&flags, is_ready);
    }
    assert_eq!(flags.status().revision, 1);
}

#[test]
fn a_deleted_file_leaves_the_last_good_flags_in_force() {
    let (_folder, path) = folder_with("1");
    let flags = noticed(&path);
    fs::remove_file(&path).unwrap();
    expect(&flags, stale_for("missing"));
    assert_eq!(text(&flags, "a"), "1");
    fs::write(&path, document("2")).unwrap();
    expect_text(&flags, "a", "2");
}

#[test]
fn a_file_that_is_absent_at_the_start_is_picked_up_when_it_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let flags = noticed(&path);
    let last_error = Some(format!("file `{}`: missing", path.display()));
    let state = flags.status().sources[0].state.clone();
    assert_eq!(state, SourceState::Starting { attempts: 1, last_error });
    let error = flags.wait_ready(Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("`file`") && error.contains("missing"), "{error}");
    fs::write(&path, document("1")).unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    assert_eq!(text(&flags, "a"), "1");
}

#[test]
fn a_folder_that_is_absent_at_the_start_may_appear_as_well_and_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("one").join("two");
    let path = deep.join("flags.json");
    let flags = noticed(&path);
    for round in ["1", "2", "3"] {
        fs::create_dir_all(&deep).unwrap();
        fs::write(&path, document(round)).unwrap();
        expect_text(&flags, "a", round);
        fs::remove_dir_all(folder.path().join("one")).unwrap();
        expect(&flags, stale_for("missing"));
    }
}

#[cfg(unix)]
#[test]
fn a_config_map_swap_is_noticed_every_time() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // As the kubelet does it: the content in a dated folder, `..data` a link to it that is
    // exchanged by a rename, the file a link through `..data` that never changes.
    let publish = |round: u32| {
        let dated = format!("..2026_11_22_10_00_{round:02}");
        fs::create_dir(root.join(&dated)).unwrap();
        fs::write(root.join(&dated).join("flags.json"), document(&round.to_string())).unwrap();
        symlink(&dated, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        if let Some(before) = round.checked_sub(1) {
            let _ = fs::remove_dir_all(root.join(format!("..2026_11_22_10_00_{before:02}")));
        }
    };
    publish(0);
    symlink("..data/flags.json", root.join("flags.json")).unwrap();
    let flags = noticed(&root.join("flags.json"));
    assert_eq!(text(&flags, "a"), "0");
    for round in 1..=5 {
        publish(round);
        expect_text(&flags, "a", &round.to_string());
        expect(&flags, is_ready);
    }
}

#[cfg(unix)]
#[test]
fn the_target_of_a_link_into_another_folder_is_watched_too() {
    let (_there, target) = folder_with("1");
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("linked.json");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let flags = noticed(&path);
    assert_eq!(text(&flags, "a"), "1");
    fs::write(&target, document("2")).unwrap();
    expect_text(&flags, "a", "2");
}

#[test]
fn without_a_notice_the_poll_finds_the_change() {
    let (_folder, path) = folder_with("1");
    let mut source = FileSource::watch(&path).poll_interval(Duration::from_millis(5));
    source.notices = false;
    let flags = build(source);
    fs::write(&path, document("2")).unwrap();
    expect_text(&flags, "a", "2");
    fs::remove_file(&path).unwrap();
    expect(&flags, stale_for("missing"));
}

#[test]
fn a_file_that_is_too_large_or_no_file_is_refused() {
    let (folder, path) = folder_with("1");
    let flags = build(FileSource::watch(&path).max_bytes(10).poll_interval(Duration::MAX));
    assert!(flags.is_ready(), "ten bytes are still good");
    fs::write(&path, document("22")).unwrap();
    expect(&flags, stale_for("found more than 10 bytes"));

    let flags = noticed(folder.path());
    let state = flags.status().sources[0].state.clone();
    let last_error = Some(format!("file `{}`: not a regular file", folder.path().display()));
    assert_eq!(state, SourceState::Starting { attempts: 1, last_error });
}

#[test]
fn a_dialect_that_panics_is_a_document_refused() {
    let (_folder, path) = folder_with("1");
    let source = FileSource::watch(&path).dialect(|text: &str| {
        assert!(!text.contains("trap"), "a user's mistake");
        constants(text)
    });
    let flags = Flags::builder().source(source.poll_interval(Duration::MAX)).build().unwrap();
    fs::write(&path, document("trap")).unwrap();
    expect(&flags, stale_for("the dialect panicked"));
    assert_eq!(text(&flags, "a"), "1");
    fs::write(&path, document("2")).unwrap();
    expect_text(&flags, "a", "2");
}

#[cfg(target_os = "linux")]
#[test]
fn the_thread_ends_with_the_store() {
    fn threads() -> usize {
        fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .filter(|name| name.trim() == "mg-drop-test")
            .count()
    }
    let (_folder, path) = folder_with("1");
    let mut source = FileSource::watch(&path).poll_interval(Duration::MAX);
    source.thread = "mg-drop-test";
    let flags = build(source);
    fs::write(&path, document("2")).unwrap();
    expect_text(&flags, "a", "2");
    // A thread that it starts, the one that frees snapshots say, bears its name for a moment.
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while threads() > 1 {
        assert!(std::time::Instant::now() < until, "a second thread stays");
        std::thread::yield_now();
    }
    assert_eq!(threads(), 1);
    drop(flags);
    assert_eq!(threads(), 0, "dropping waits for the thread");
}
