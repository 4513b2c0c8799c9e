//! The JSONL sink keeps whole lines through kills, rotation and full disks, and never fails anybody.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use modelgate::{
    compare::{
        Agreement, Comparison, Run,
        key::KeyHasher,
        sink::{self, ComparisonSink, JsonlSink},
    },
    value::Value,
};

/// A comparison that carries this number as its revision.
fn numbered(number: u64) -> Comparison<f64> {
    let mut comparison = Comparison::new(
        Run::new("v1", Ok(0.25), Duration::from_micros(80)),
        Run::new("v2", Ok(f64::NAN), Duration::from_micros(90)),
    );
    comparison.revision = number;
    comparison.agreement = Agreement::of("score", false);
    comparison
}

/// The same, with features that fill several pages of memory.
fn long(number: u64) -> Comparison<f64> {
    let mut comparison = numbered(number);
    comparison.features =
        Some(Value::List((0..4_000).map(|n| Value::from(f64::from(n))).collect()));
    comparison
}

/// The revisions in a file that holds nothing but whole records.
fn revisions(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{path:?} ends in an incomplete line");
    text.lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).expect(line);
            assert!(record["measure"].is_string(), "{line}");
            record["revision"].as_u64().unwrap()
        })
        .collect()
}

fn with_suffix(path: &Path, number: usize) -> PathBuf {
    format!("{}.{number}", path.display()).into()
}

const CHILD: &str = "MODELGATE_TEST_JSONL";

/// Not a test by itself: the program that the next test starts and kills.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let sink = JsonlSink::builder(path).rotate(1 << 20, 1_000).create().unwrap();
    for number in 0.. {
        let comparison = if number % 8 == 0 { long(number) } else { numbered(number) };
        sink.record(&comparison);
        if number % 100 == 99 {
            sink.flush().unwrap();
            println!("\nwritten {}", number + 1);
        }
    }
}

#[test]
fn a_kill_leaves_whole_lines_only_and_loses_nothing_that_was_flushed() {
    for round in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comparisons.jsonl");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "jsonl::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let flushed = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .filter_map(|line| line.unwrap().strip_prefix("written ")?.parse::<u64>().ok())
            .find(|written| *written >= 300 + 137 * round)
            .expect("the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();

        // A reader skips an incomplete last line; opening the file again cuts it off.
        let text = fs::read(&path).unwrap();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            serde_json::from_slice::<serde_json::Value>(line).unwrap();
        }
        drop(JsonlSink::create(&path).unwrap());

        let mut all = revisions(&path);
        let mut older = 1;
        while with_suffix(&path, older).exists() {
            let mut earlier = revisions(&with_suffix(&path, older));
            earlier.append(&mut all);
            all = earlier;
            older += 1;
        }
        assert!(all.len() as u64 >= flushed, "{} of {flushed}", all.len());
        assert!(all.iter().copied().eq(0..all.len() as u64), "a record is missing or doubled");
    }
}

#[test]
fn dropping_the_sink_writes_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::create(&path).unwrap();
    (0..500).for_each(|number| sink.record(&numbered(number)));
    drop(sink);
    assert!(revisions(&path).into_iter().eq(0..500));
}

#[test]
fn rotation_keeps_the_newest_files_and_every_record_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::builder(&path).rotate(2_000, 3).create().unwrap();
    (0..100).for_each(|number| sink.record(&numbered(number)));
    sink.flush().unwrap();
    let mut kept = Vec::new();
    for file in [with_suffix(&path, 3), with_suffix(&path, 2), with_suffix(&path, 1), path.clone()]
    {
        assert!(fs::metadata(&file).unwrap().len() <= 2_000);
        kept.extend(revisions(&file));
    }
    assert!(!with_suffix(&path, 4).exists());
    let first = kept[0];
    assert!(first > 0, "nothing was rotated away");
    assert!(kept.into_iter().eq(first..100));
}

#[test]
fn an_existing_file_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    for number in 0..3 {
        JsonlSink::create(&path).unwrap().record(&numbered(number));
    }
    assert_eq!(revisions(&path), [0, 1, 2]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_counted_and_reported_by_flush_and_nothing_else() {
    let sink = JsonlSink::create("/dev/full").unwrap();
    (0..20).for_each(|number| sink.record(&numbered(number)));
    let error = sink.flush().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(error.to_string(), "cannot write `/dev/full`");
    let counts = sink.counts();
    assert_eq!((counts.recorded, counts.dropped, counts.failed), (0, 0, 20));
}

/// A child of its own, because the limit holds for the whole process.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_line_leaves_whole_lines_and_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let status = Command::new("sh")
        // A write that meets the limit of the file size stops short, as on a full disk. The
        // signal that comes with it is ignored, so that the write reports an error.
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact jsonl::child_that_fills_its_disk")
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, &path)
        // What the child prints may go to a file, where the limit holds as well.
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let kept = revisions(&path);
    assert!(!kept.is_empty() && kept.len() < 100, "{kept:?}");
    // There is room again: the next record follows the last whole one.
    JsonlSink::create(&path).unwrap().record(&numbered(1_000));
    assert_eq!(revisions(&path).last(), Some(&1_000));
    assert_eq!(revisions(&path).len(), kept.len() + 1);
}

/// Not a test by itself: the program that the test above starts.
#[cfg(target_os = "linux")]
#[test]
fn child_that_fills_its_disk() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let sink = JsonlSink::create(path).unwrap();
    (0..100).for_each(|number| sink.record(&numbered(number)));
    assert!(sink.flush().is_err());
    let counts = sink.counts();
    assert_eq!(counts.recorded + counts.failed, 100);
    assert!(counts.recorded > 0 && counts.failed > 0, "{counts:?}");
}

#[test]
fn a_folder_that_comes_back_is_written_to_again() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("logs");
    fs::create_dir(&home).unwrap();
    let path = home.join("comparisons.jsonl");
    // Every record begins a new file, so that each needs the folder.
    let sink = JsonlSink::builder(&path).rotate(1, 9).create().unwrap();
    sink.record(&numbered(0));
    sink.flush().unwrap();
    fs::rename(&home, folder.path().join("away")).unwrap();
    // Nobody would look for it where the folder has gone to.
    sink.record(&numbered(1));
    assert_eq!(sink.flush().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    fs::rename(folder.path().join("away"), &home).unwrap();
    sink.record(&numbered(2));
    sink.flush().unwrap();
    assert_eq!(revisions(&path), [2]);
    assert_eq!(revisions(&with_suffix(&path, 1)), [0]);
    let counts = sink.counts();
    assert_eq!((counts.recorded, counts.failed), (2, 1));
}

#[test]
fn what_cannot_be_opened_or_set_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no such folder/comparisons.jsonl");
    let error = JsonlSink::create(&missing).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("no such folder"), "{error}");
    let path = folder.path().join("comparisons.jsonl");
    for builder in [
        JsonlSink::builder(&path).queue(0),
        JsonlSink::builder(&path).queue_bytes(0),
        JsonlSink::builder(&path).rotate(0, 1),
        JsonlSink::builder(&path).rotate(1, 0),
    ] {
        assert_eq!(builder.create().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn neither_key_nor_features_are_written_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::create(&path).unwrap();
    let mut comparison = numbered(1);
    let hash = KeyHasher::random().hash("user-42");
    comparison.key_hash = Some(hash);
    sink.record(&comparison);
    comparison.targeting_key = Some("user-42".into());
    comparison.features = Some(Value::from(3));
    sink.record(&comparison);
    drop(sink);
    let text = fs::read_to_string(&path).unwrap();
    let (redacted, open) = text.trim_end().split_once('\n').unwrap();
    assert!(!redacted.contains("user-42") && !redacted.contains("features"), "{redacted}");
    assert!(redacted.contains(&hash.to_string()), "{redacted}");
    assert!(open.contains(r#""targeting_key":"user-42","features":3"#), "{open}");
}

#[test]
fn an_answer_that_cannot_be_written_as_json_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let sink = JsonlSink::create(folder.path().join("comparisons.jsonl")).unwrap();
    // JSON has only text for keys.
    let output = || Ok(std::collections::BTreeMap::from([(vec![1], 2)]));
    sink.record(&Comparison::new(
        Run::new("v1", output(), Duration::ZERO),
        Run::new("v2", output(), Duration::ZERO),
    ));
    let counts: sink::Counts = sink.counts();
    assert_eq!((counts.recorded, counts.failed), (0, 1));
}
