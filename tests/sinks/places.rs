//! The JSONL sink's file is where its path says: also when it is moved, removed or linked while the
//! sink writes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use modelgate::{
    compare::{
        Agreement, Comparison, Run,
        sink::{ComparisonSink, JsonlSink},
    },
    shadow::{DropCause, Dropped},
};

/// A comparison that carries this number as its revision.
fn numbered(number: u64) -> Comparison<f64> {
    let mut comparison = Comparison::new(
        Run::new("v1", Ok(0.25), Duration::from_micros(80)),
        Run::new("v2", Ok(0.75), Duration::from_micros(90)),
    );
    comparison.revision = number;
    comparison.agreement = Agreement::of("score", false);
    comparison
}

fn revisions(path: &Path) -> Vec<u64> {
    let records = fs::read_to_string(path).unwrap();
    let revision =
        |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["revision"].as_u64();
    records.lines().map(|line| revision(line).unwrap()).collect()
}

fn with_suffix(path: &Path, number: usize) -> PathBuf {
    format!("{}.{number}", path.display()).into()
}

/// What all kept files hold, the oldest first.
fn all(path: &Path) -> Vec<u64> {
    let older = (1..).map(|number| with_suffix(path, number)).take_while(|path| path.exists());
    let mut files: Vec<PathBuf> = older.collect();
    files.reverse();
    files.push(path.to_owned());
    files.iter().flat_map(|path| revisions(path)).collect()
}

#[test]
fn rotation_keeps_every_file_when_the_live_one_was_moved_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::builder(&path).rotate(1_000, 4).create().unwrap();
    (0..18).for_each(|number| sink.record(&numbered(number)));
    sink.flush().unwrap();
    let kept: Vec<Vec<u64>> = (1..=4).map(|n| revisions(&with_suffix(&path, n))).collect();
    let taken = folder.path().join("taken-away.jsonl");
    fs::rename(&path, &taken).unwrap();

    for number in 18..20 {
        sink.record(&numbered(number));
        sink.flush().unwrap();
    }
    assert_eq!(revisions(&path), [18, 19], "a new file is begun");
    assert!(revisions(&taken).last() == Some(&17), "what was moved is left alone");
    for (number, kept) in (1..=4).zip(kept) {
        assert_eq!(revisions(&with_suffix(&path, number)), kept);
    }
    assert_eq!((sink.counts().recorded, sink.counts().failed), (20, 0));
}

#[test]
fn a_folder_that_was_removed_and_made_again_gets_the_records_that_follow() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("logs");
    fs::create_dir(&home).unwrap();
    let path = home.join("comparisons.jsonl");
    let sink = JsonlSink::create(&path).unwrap();
    sink.record(&numbered(0));
    sink.flush().unwrap();

    fs::remove_dir_all(&home).unwrap();
    sink.record(&numbered(1));
    assert_eq!(sink.flush().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!((sink.counts().recorded, sink.counts().failed), (1, 1));

    fs::create_dir(&home).unwrap();
    (2..7).for_each(|number| sink.record(&numbered(number)));
    sink.flush().unwrap();
    assert_eq!(revisions(&path), [2, 3, 4, 5, 6]);
    assert_eq!((sink.counts().recorded, sink.counts().failed), (6, 1));
}

#[cfg(unix)]
#[test]
fn a_file_that_was_removed_after_it_was_written_to_is_no_flushed_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::create(&path).unwrap();
    sink.record(&numbered(0));
    // Written, and not flushed yet.
    while sink.counts().recorded == 0 {
        std::thread::yield_now();
    }
    fs::remove_file(&path).unwrap();
    let error = sink.flush().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    sink.record(&numbered(1));
    sink.flush().unwrap();
    assert_eq!(revisions(&path), [1]);
}

#[test]
fn all_files_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::builder(&path).rotate(1_000, usize::MAX).create().unwrap();
    (0..40).for_each(|number| sink.record(&numbered(number)));
    sink.flush().unwrap();
    assert!(with_suffix(&path, 9).exists());
    assert!(all(&path).into_iter().eq(0..40));
}

#[cfg(unix)]
#[test]
fn a_linked_path_keeps_its_volume_when_it_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    let here = folder.path().join("here");
    fs::create_dir(&volume).unwrap();
    fs::create_dir(&here).unwrap();
    let (link, target) = (here.join("link.jsonl"), volume.join("comparisons.jsonl"));
    // The file need not be there yet.
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let sink = JsonlSink::builder(&link).rotate(1_000, 9).create().unwrap();
    (0..18).for_each(|number| sink.record(&numbered(number)));
    sink.flush().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link stays");
    assert_eq!(fs::read_dir(&here).unwrap().count(), 1, "nothing stands beside the link");
    assert!(with_suffix(&target, 3).exists());
    assert!(all(&target).into_iter().eq(0..18));
}

#[cfg(unix)]
#[test]
fn files_are_their_owners_alone_unless_said_otherwise() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let sink = JsonlSink::builder(&path).rotate(1_000, 9).create().unwrap();
    (0..9).for_each(|number| sink.record(&numbered(number)));
    sink.flush().unwrap();
    assert_eq!((mode(&path), mode(&with_suffix(&path, 1))), (0o600, 0o600));

    // Whoever lets a group read the file does so once.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    (9..18).for_each(|number| sink.record(&numbered(number)));
    sink.flush().unwrap();
    assert_eq!((mode(&path), mode(&with_suffix(&path, 1))), (0o640, 0o640));
}

/// A pipe that nobody reads from takes a few lines and then none.
#[cfg(target_os = "linux")]
#[test]
fn the_queue_is_bounded_by_bytes_as_well_as_by_lines() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let sink = JsonlSink::builder(&pipe)
        .queue_bytes(1 << 20)
        .patience(Duration::from_millis(1))
        .create()
        .unwrap();
    let mut large = numbered(0);
    large.features = Some("x".repeat(100_000).into());
    // A thousand lines would have a place in the queue by their number.
    (0..1_000).for_each(|_| sink.record(&large));
    let counts = sink.counts();
    assert_eq!((counts.recorded, counts.failed), (0, 0));
    assert!((985..=991).contains(&counts.dropped), "{counts:?}");

    let longer =
        JsonlSink::builder(folder.path().join("file")).queue_bytes(99_999).create().unwrap();
    longer.record(&large);
    longer.flush().unwrap();
    assert_eq!((longer.counts().recorded, longer.counts().dropped), (0, 1));
}

#[test]
fn every_record_says_its_schema_and_is_as_the_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::builder(&path).dropped_runs().create().unwrap();
    let mut full = numbered(1);
    full.primary.cpu_time = Some(Duration::from_micros(7));
    full.targeting_key = Some("user-42".into());
    full.features = Some(3.into());
    full.candidate.outcome =
        Err(modelgate::ModelError::invalid_input("features", "3", "64 values"));
    full.agreement = Agreement::of("score", false).with_distance(0.5);
    sink.record(&numbered(0));
    sink.record(&full);
    ComparisonSink::<f64>::dropped(&sink, &Dropped::new("v1", "v2", DropCause::Unanswered));
    ComparisonSink::<f64>::dropped_unreported(&sink, &"v2".into(), 7);
    sink.flush().unwrap();

    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/comparisons.schema.json");
    let schema: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    for line in fs::read_to_string(&path).unwrap().lines() {
        assert!(line.starts_with(r#"{"time":"#), "what tells a torn record of ours: {line}");
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["schema"], 1);
        assert_eq!(problems(&schema, &schema, &record), Vec::<String>::new());
        // The form before the number.
        record.as_object_mut().unwrap().remove("schema");
        assert_eq!(problems(&schema, &schema, &record), Vec::<String>::new());
        if record["dropped"] == "unreported" {
            assert_eq!((&record["runs"], record.get("primary")), (&7.into(), None));
            continue;
        }
        record["primary"].as_object_mut().unwrap().remove("version");
        assert_eq!(problems(&schema, &schema, &record), ["version is missing"]);
    }
}

/// As much of JSON Schema as that schema uses. Every field must be one that it names.
fn problems(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    value: &serde_json::Value,
) -> Vec<String> {
    use serde_json::Value;

    if let Some(reference) = schema["$ref"].as_str() {
        let place = reference.strip_prefix('#').unwrap();
        return problems(root, root.pointer(place).expect(place), value);
    }
    let mut found = Vec::new();
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "object" => value.is_object(),
        kind => panic!("unknown type {kind}"),
    };
    match &schema["type"] {
        Value::Null => {}
        Value::Array(kinds) if kinds.iter().any(is) => {}
        kind @ Value::String(_) if is(kind) => {}
        kind => found.push(format!("{value} is none of {kind}")),
    }
    for field in schema["required"].as_array().into_iter().flatten() {
        if value.get(field.as_str().unwrap()).is_none() {
            found.push(format!("{} is missing", field.as_str().unwrap()));
        }
    }
    let applies = schema.get("if").map(|condition| problems(root, condition, value).is_empty());
    if let (Some(false), Some(otherwise)) = (applies, schema.get("else")) {
        // Only what it requires: its fields are named elsewhere.
        let named = |found: &String| !found.ends_with("is not in the schema");
        found.extend(problems(root, otherwise, value).into_iter().filter(named));
    }
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    {
        for (name, field) in fields {
            match properties.get(name) {
                Some(schema) => found.extend(problems(root, schema, field)),
                None => found.push(format!("{name} is not in the schema")),
            }
        }
    }
    found
}
