use super::{super::rotation::numbered, *};

fn open(path: &Path, rotation: Option<Rotation>) -> io::Result<RotatingFile> {
    RotatingFile::open(path.to_owned(), rotation, 0o600)
}

fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn files_are_rotated_before_they_grow_too_large_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut file = open(&path, Some(Rotation { bytes: 8, keep: 2 })).unwrap();
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
            let mut file = open(&path, None).unwrap();
            file.append(b"{\"time\":2}\n").unwrap();
            assert_eq!(content(&path), format!("{before}{{\"time\":2}}\n"));
        }
    }
    let long = format!("{{\"time\":1}}\n{{\"time\":{}", "1".repeat(200_000));
    fs::write(&path, long).unwrap();
    drop(open(&path, None).unwrap());
    assert_eq!(content(&path), "{\"time\":1}\n");
}

#[test]
fn an_unfinished_line_of_somebody_else_is_kept_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "do not lose me").unwrap();
    let mut file = open(&path, None).unwrap();
    file.append(b"{\"time\":2}\n").unwrap();
    assert_eq!(content(&path), "do not lose me\n{\"time\":2}\n");
}

#[test]
fn a_file_that_cannot_be_moved_grows_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    // A folder that is not empty stands where the rotated file should go.
    fs::create_dir_all(numbered(&path, 1).join("in the way")).unwrap();
    let mut file = open(&path, Some(Rotation { bytes: 4, keep: 1 })).unwrap();
    for line in ["aaa\n", "bbb\n", "ccc\n"] {
        file.append(line.as_bytes()).unwrap();
    }
    assert_eq!(content(&path), "aaa\nbbb\nccc\n");
}

#[test]
fn a_closed_file_waits_for_the_next_flush_and_only_so_many_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut file = open(&path, Some(Rotation { bytes: 1, keep: 99 })).unwrap();
    for _ in 0..4 {
        file.append(b"aaa\n").unwrap();
    }
    assert_eq!(file.unsynced.len(), 3, "the fourth is open");
    file.sync().unwrap();
    assert!(file.unsynced.is_empty() && !file.open.as_ref().unwrap().dirty);
    for _ in 0..4 * MOST_UNSYNCED {
        file.append(b"aaa\n").unwrap();
    }
    assert_eq!(file.unsynced.len(), MOST_UNSYNCED);
    file.sync_error = Some(io::Error::other("a file did not get to the disk before the flush"));
    assert!(file.sync().unwrap_err().to_string().contains("before the flush"));
    file.sync().unwrap();
}

#[test]
fn a_rotation_that_fails_half_way_loses_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    for (number, text) in [(1, "1"), (2, "2")] {
        fs::write(numbered(&path, number), text).unwrap();
    }
    // The live file is not there to be moved.
    for _ in 0..5 {
        rotate(&path, 2).unwrap_err();
    }
    assert_eq!(
        (content(&numbered(&path, 2)), content(&numbered(&path, 3))),
        ("1".into(), "2".into())
    );
    fs::write(&path, "0").unwrap();
    rotate(&path, 2).unwrap();
    assert_eq!(
        (content(&numbered(&path, 1)), content(&numbered(&path, 2))),
        ("0".into(), "1".into())
    );
}
