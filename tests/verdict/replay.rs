//! Judging files: every form, and whatever else is in them.

use std::io::{self, BufReader, Read};

use modelgate::verdict::{
    Finding, Metric, RecordedLabel, RecordedOutput, Replayed, Unit, Verdict, read_labels,
};

type Recorded = Verdict<RecordedOutput, RecordedLabel>;

fn verdict() -> Recorded {
    Verdict::builder("v2")
        .metric(Metric::failures())
        .metric(Metric::disagreement())
        .metric(Metric::recorded_accuracy())
        .unit(Unit::Request)
        .build()
        .unwrap()
}

/// A record, with more members before its end.
fn record(id: u32, primary: &str, candidate: &str, more: &str) -> String {
    format!(
        r#"{{"time":1700000000123,"prediction_id":"{id:032x}","revision":7,"key_hash":null,"primary":{{"version":"v1",{primary},"service_us":80}},"candidate":{{"version":"v2",{candidate},"service_us":90}},"queue_wait_us":12{more}}}"#
    )
}

fn replay(lines: &[String], labels: &str) -> (Recorded, Replayed) {
    let verdict = verdict();
    let labels = read_labels(labels.as_bytes()).unwrap().labels;
    let read = verdict.replay_labelled(lines.join("\n").as_bytes(), labels).unwrap();
    (verdict, read)
}

#[test]
fn the_first_form_and_the_numbered_one_are_read_alike() {
    let agrees = r#","agrees":true,"distance":0.5,"measure":"label""#;
    let first = record(1, r#""output":{"label":3,"probabilities":[1.0]}"#, r#""output":3"#, agrees);
    let numbered = first.replacen('{', r#"{"schema":1,"#, 1);
    let later = first.replacen('{', r#"{"schema":9,"something":{"new":[1]},"#, 1);
    for line in [first, numbered, later] {
        let (verdict, read) = replay(&[line], "00000000000000000000000000000001,3");
        assert_eq!((read.comparisons, read.malformed), (1, 0));
        let judgement = verdict.judge();
        for name in ["failures", "disagreement", "accuracy"] {
            let metric = judgement.metric(name).unwrap();
            assert_eq!((metric.pairs, metric.estimate), (1, Some(0.0)), "{name}");
        }
    }
}

#[test]
fn an_error_of_each_kind_is_a_failure_and_a_refusal_by_both_is_no_pair() {
    let kinds =
        ["error", "panic", "non_finite", "deadline", "not_loaded", "overloaded", "yet unknown"];
    let mut lines: Vec<String> = kinds
        .iter()
        .enumerate()
        .map(|(id, kind)| {
            let error = format!(r#""error":{{"kind":"{kind}","message":"no"}}"#);
            record(id as u32, r#""output":1"#, &error, r#","agrees":null,"distance":null"#)
        })
        .collect();
    let refused = r#""error":{"kind":"invalid_input","message":"no"}"#;
    lines.push(record(90, refused, refused, ""));
    lines.push(record(91, r#""output":1"#, refused, ""));
    let (verdict, read) = replay(&lines, "");
    assert_eq!(read.malformed, 0);
    let tally = verdict.tally();
    assert_eq!((tally.pairs.scored, tally.pairs.both_refused), (8, 1));
    let judgement = verdict.judge();
    assert_eq!(judgement.metric("failures").unwrap().candidate, Some(1.0));
    assert_eq!(judgement.metric("disagreement").unwrap().finding, Finding::NoData);
}

#[test]
fn lines_that_are_no_records_are_counted_and_named_and_stop_nothing() {
    let good = |id| record(id, r#""output":"a""#, r#""output":"b""#, r#","agrees":false"#);
    let lines = [
        good(1),
        String::new(),
        "not JSON".into(),
        "{}".into(),
        "[1,2,3]".into(),
        "null".into(),
        good(2).replace("primary", "secondary"),
        good(3).replace(&format!("{:032x}", 3), "3"),
        record(4, r#""nothing":1"#, r#""output":1"#, ""),
        good(5).replace(r#""key_hash":null"#, r#""key_hash":"zz""#),
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        good(6).trim_end_matches('}').into(),
        good(7),
        good(7),
    ];
    let (verdict, read) = replay(&lines, "");
    assert_eq!((read.lines, read.comparisons, read.malformed), (13, 3, 10));
    assert_eq!((read.problems[0].line, read.problems.len()), (3, 10));
    assert!(read.problems.iter().all(|problem| !problem.problem.is_empty()));
    assert!(verdict.tally().pairs.scored >= 2);
    // Bytes that are no text at all.
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let read = verdict.replay(&noise[..]).unwrap();
    assert_eq!(read.comparisons, 0);
}

#[test]
fn outputs_without_a_class_are_compared_and_not_scored_by_labels() {
    let lines = [
        record(1, r#""output":[0.1,0.9]"#, r#""output":[0.9,0.1]"#, r#","agrees":false"#),
        record(2, r#""output":null"#, r#""output":{"value":1}"#, r#","agrees":null"#),
        record(3, r#""output":"cat""#, r#""output":{"label":"cat"}"#, r#","agrees":true"#),
        record(4, r#""output":1"#, r#""output":1.5"#, r#","agrees":null,"measure":"none""#),
    ];
    let ids: String = (1..=4).map(|id| format!("{id:032x},cat\r\n")).collect();
    let (verdict, read) = replay(&lines, &ids);
    assert_eq!(read.malformed, 0);
    let tally = verdict.tally();
    assert_eq!((tally.labels.joined, tally.labels.not_scored), (4, 2));
    let judgement = verdict.judge();
    // Where nothing compared them, the classes tell.
    assert_eq!(judgement.metric("disagreement").unwrap().pairs, 3);
    assert_eq!(judgement.metric("accuracy").unwrap().pairs, 2);
    assert!(judgement.health.notes.iter().any(|note| note.contains("names no class")));
}

#[test]
fn labels_are_read_with_whatever_their_file_puts_around_them() {
    let file = "\u{feff}prediction_id,label,extra\r\n\
                00000000000000000000000000000001,\"a,b\",x\n\
                \n\
                00000000000000000000000000000002, 3.0 \n\
                00000000000000000000000000000002,4\n\
                00000000000000000000000000000003\n\
                00000000000000000000000000000004,\n\
                nonsense,1\n\
                \"00000000000000000000000000000005\",\"say \"\"no\"\"\"";
    let read = read_labels(file.as_bytes()).unwrap();
    assert_eq!((read.labels.len(), read.duplicates, read.malformed), (3, 1, 3));
    let label = |id: u128| read.labels[&modelgate::PredictionId::from_u128(id)].as_str();
    assert_eq!((label(1), label(2), label(5)), ("a,b", "3", "say \"no\""));
    assert_eq!(read.problems[0].line, 6);
    let no_header = read_labels("00000000000000000000000000000001,1".as_bytes()).unwrap();
    assert_eq!((no_header.labels.len(), no_header.malformed), (1, 0));
}

#[test]
fn a_line_of_labels_that_is_too_long_to_be_held_is_refused_and_not_cut() {
    let endless = io::repeat(b'7').take(65 << 20);
    let file = b"00000000000000000000000000000001,"
        .chain(endless)
        .chain(&b"\n00000000000000000000000000000002,cat\n"[..]);
    let read = read_labels(BufReader::new(file)).unwrap();
    assert_eq!((read.labels.len(), read.malformed), (1, 1));
    assert_eq!(read.problems[0].line, 1);
    assert!(read.problems[0].problem.starts_with("longer than"), "{:?}", read.problems);
}
