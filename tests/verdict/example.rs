//! `examples/verdict`, as its users call it: files in, a judgement out.

#[allow(dead_code, reason = "the program's own `main` is not called")]
#[path = "../../examples/verdict.rs"]
mod verdict;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use self::verdict::options::Options;

fn ask(arguments: &[&str]) -> Result<String, String> {
    let options = Options::of(arguments.iter().map(|one| (*one).to_owned()))?;
    let mut out = Vec::new();
    verdict::judge(&options, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// The one object that `--json` prints.
#[track_caller]
fn judged(arguments: &[&str]) -> Value {
    let printed = ask(&[arguments, &["--json"]].concat()).unwrap();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    serde_json::from_str(&printed).unwrap()
}

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/verdict");
    folder.join(name).to_str().unwrap().to_owned()
}

/// A file in a folder that stays as long as the first of the two.
fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("made-up");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn what_is_printed_has_an_overall_and_the_metrics_with_their_default_roles_and_margins() {
    let (records, labels) = (data("comparisons.jsonl"), data("labels.csv"));
    let found = judged(&[&records, "--labels", &labels, "--unit", "request"]);
    assert_eq!(found["overall"], "roll_back");
    let expected = json!([
        ["failures", "guardrail", 0.005, "undecided", 200],
        ["disagreement", "signal", null, "undecided", 200],
        ["accuracy", "guardrail", 0.01, "worse", 200],
    ]);
    let metrics: Vec<Value> = found["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let interval = one["interval"].as_array().unwrap();
            let [low, estimate, high] =
                [&interval[0], &one["estimate"], &interval[1]].map(|it| it.as_f64().unwrap());
            assert!(low <= estimate && estimate <= high, "{one}");
            json!([one["name"], one["role"], one["margin"], one["finding"], one["pairs"]])
        })
        .collect();
    assert_eq!(json!(metrics), expected);
    // Without labels nothing is said of accuracy.
    let without = judged(&[&records, "--unit", "request"]);
    assert_eq!(without["metrics"].as_array().unwrap().len(), 2);
    assert_eq!(without["overall"], "hold");
}

#[test]
fn options_change_roles_margins_and_errors() {
    let (records, labels) = (data("comparisons.jsonl"), data("labels.csv"));
    let common = [records.as_str(), "--labels", &labels, "--unit=request"];
    let asked = ["--role", "accuracy=signal", "--margin", "failures=0.03"];
    let more = ["--margin=disagreement=0.4", "--alpha", "0.1", "--min-pairs=10"];
    let judged = judged(&[&common[..], &asked, &more].concat());
    let of = |name: &str, what: &str| {
        let metrics = judged["metrics"].as_array().unwrap();
        metrics.iter().find(|one| one["name"] == name).unwrap()[what].clone()
    };
    assert_eq!((of("accuracy", "role"), of("failures", "margin")), (json!("signal"), json!(0.03)));
    assert_eq!(of("disagreement", "margin"), json!(0.4));
    let threshold = of("failures", "threshold")["not_worse"].as_f64().unwrap();
    assert!((threshold - 10_f64.ln()).abs() < 1e-12);
    assert_ne!(judged["overall"], "roll_back", "a signal rolls nothing back");
}

#[test]
fn what_cannot_be_asked_is_refused_and_named() {
    let records = data("comparisons.jsonl");
    for (option, value, named) in [
        ("--margin", "failures=0.7", "margin"),
        ("--margin", "failures=NaN", "margin"),
        ("--margin", "failures=x", "--margin"),
        ("--margin", "failures", "--margin"),
        ("--margin", "accuracy=0.1", "accuracy needs labels"),
        ("--role", "failures=boss", "--role"),
        ("--alpha", "0", "budget"),
        ("--alpha", "NaN", "budget"),
        ("--unit", "week", "--unit"),
        ("--min-pairs", "-1", "--min-pairs"),
        ("--labels", "no/such/file", "no/such/file"),
        ("--nonsense", "x", "--nonsense"),
    ] {
        let refused = ask(&[&records, option, value]).unwrap_err();
        assert!(refused.contains(named), "{option} {value}: {refused}");
    }
}

#[test]
fn files_that_hold_nothing_are_named_and_said_to_be_so() {
    let missing = ask(&["no/such/file.jsonl"]).unwrap_err();
    assert!(missing.starts_with("no/such/file.jsonl: "), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    assert!(ask(&[folder]).unwrap_err().contains(folder));
    for text in ["", "\n\r\n", "not JSON\n{}\n[1]\n", "{\"candidate\":{\"version\":2}}"] {
        let (_folder, path) = file(text);
        let empty = ask(&[&path]).unwrap_err();
        assert!(empty.contains(&path) && empty.contains("no record names a candidate"), "{empty}");
        // Asked for one by name, there is no data.
        let judged = judged(&[&path, "--candidate", "v2"]);
        assert_eq!((&judged["overall"], &judged["candidate"]), (&json!("hold"), &json!("v2")));
        assert!(judged["metrics"].as_array().unwrap().iter().all(|it| it["finding"] == "no_data"));
    }
}

#[test]
fn broken_lines_and_other_line_ends_change_nothing_of_the_rest() {
    let text = fs::read_to_string(data("comparisons.jsonl")).unwrap();
    let mut broken = String::from("\u{feff}not a record\r\n");
    for (place, line) in text.lines().enumerate() {
        broken.push_str(line);
        broken.push_str("\r\n");
        if place % 50 == 0 {
            broken.push_str(&line[..line.len() / 2]);
            broken.push_str("\r\n\r\n{\"schema\":1}\r\n");
        }
    }
    let (_folder, path) = file(broken);
    let plain = judged(&[&data("comparisons.jsonl"), "--unit", "request"]);
    let judged = judged(&[&path, "--unit", "request"]);
    assert_eq!(judged["metrics"], plain["metrics"]);
    assert_eq!(judged["read"][0]["malformed"], 9, "{}", judged["read"]);
    let printed = ask(&[&path, "--unit", "request"]).unwrap();
    assert!(printed.starts_with("v2: hold\n"), "{printed}");
}

#[test]
fn labels_are_joined_whatever_else_their_file_holds() {
    let records = data("comparisons.jsonl");
    let text = fs::read_to_string(data("labels.csv")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| !line.contains("label")).collect();
    let mut odd = String::from("\u{feff}prediction_id,label\r\n");
    for row in &rows {
        // Twice, and an id that nobody predicted.
        odd.push_str(&format!("{row}\r\n{row}\r\n"));
    }
    odd.push_str("ffffffffffffffffffffffffffffffff,1\r\nNaN,NaN\r\n,\r\n\r\nnonsense\r\n");
    let (_folder, path) = file(odd);
    let ask = |labels: &str| judged(&[&records, "--labels", labels, "--unit", "request"]);
    let (plain, odd) = (ask(&data("labels.csv")), ask(&path));
    assert_eq!(odd["metrics"], plain["metrics"]);
    assert_eq!(odd["read"][0]["unused_labels"], 1, "{}", odd["read"]);
    // A label that is no number is a class like any other, and neither version gave it.
    let not_numbers: String =
        rows.iter().map(|row| format!("{},NaN\n", row.split_once(',').unwrap().0)).collect();
    let (_folder, path) = file(not_numbers);
    let wrong = ask(&path);
    let accuracy = wrong["metrics"].as_array().unwrap().last().unwrap().clone();
    let figures = [&accuracy["champion"], &accuracy["candidate"], &accuracy["estimate"]];
    assert_eq!(figures, [&json!(1.0), &json!(1.0), &json!(0.0)]);
}
