//! A report from files alone.

use std::{collections::HashMap, fmt::Write};

use modelgate::{
    report::Report,
    verdict::{RecordedLabel, Unit, read_labels},
};

fn records(pairs: u32, differing: u32) -> (String, String) {
    let (mut lines, mut labels) = (String::new(), String::from("prediction_id,label\n"));
    for pair in 0..pairs {
        let candidate = if pair % differing == 0 { 4 } else { 3 };
        let _ = writeln!(
            lines,
            "{{\"time\":{},\"prediction_id\":\"{pair:032x}\",\"revision\":7,\"key_hash\":\"{pair:032x}\",\
             \"primary\":{{\"version\":\"v1\",\"output\":3,\"service_us\":{}}},\
             \"candidate\":{{\"version\":\"v2\",\"output\":{candidate},\"service_us\":{}}},\
             \"queue_wait_us\":1,\"agrees\":{},\"distance\":null,\"measure\":\"label\"}}",
            1_700_000_000_000_u64 + u64::from(pair),
            80 + pair % 7,
            90 + pair % 11,
            candidate == 3,
        );
        let _ = writeln!(labels, "{pair:032x},3");
    }
    (lines, labels)
}

fn labels(text: &str) -> HashMap<modelgate::PredictionId, RecordedLabel> {
    read_labels(text.as_bytes()).unwrap().labels
}

#[test]
fn a_candidate_that_is_wrong_more_often_is_reported_as_worse_with_all_that_shows_it() {
    let (lines, truth) = records(4_000, 10);
    let recorded =
        Report::of_records("digits", Unit::Key, lines.as_bytes(), labels(&truth)).unwrap();
    assert_eq!(recorded.replayed.comparisons, 4_000);
    let json: serde_json::Value = serde_json::from_str(&recorded.report.json()).unwrap();
    let accuracy = json["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "accuracy");
    assert_eq!(accuracy.unwrap()["finding"], "worse");
    assert_eq!(json["agreement"]["disagreed"], 400);
    assert_eq!(json["latency"].as_array().unwrap().len(), 2);
    assert_eq!(json["candidate"], "v2");
    let page = recorded.report.html();
    assert!(page.contains("v2 should be rolled back"), "{page}");
    assert!(page.len() < 150_000);
}

#[test]
fn a_file_without_records_is_a_report_that_says_so() {
    for lines in ["", "\n\n", "no json\n", "{\"neither\": \"record\"}\n"] {
        let recorded =
            Report::of_records("digits", Unit::Key, lines.as_bytes(), HashMap::new()).unwrap();
        assert_eq!(recorded.report.headline(), "There is no data yet.");
    }
}

#[test]
fn unreadable_lines_are_named_and_stop_nothing() {
    let (lines, _) = records(50, 7);
    let broken = lines.replacen('\n', "\n{\"time\":\n", 1);
    let recorded =
        Report::of_records("digits", Unit::Key, broken.as_bytes(), HashMap::new()).unwrap();
    assert_eq!((recorded.replayed.comparisons, recorded.replayed.malformed), (50, 1));
    assert_eq!(recorded.replayed.problems[0].line, 2);
}

#[test]
fn a_record_cut_off_at_the_end_of_the_file_is_malformed_and_a_whole_one_without_newline_is_not() {
    let (lines, _) = records(3, 7);
    let whole = lines.trim_end();
    let recorded =
        Report::of_records("digits", Unit::Key, whole.as_bytes(), HashMap::new()).unwrap();
    assert_eq!((recorded.replayed.comparisons, recorded.replayed.malformed), (3, 0));
    let cut = &whole[..whole.len() - 5];
    let recorded = Report::of_records("digits", Unit::Key, cut.as_bytes(), HashMap::new()).unwrap();
    assert_eq!((recorded.replayed.comparisons, recorded.replayed.malformed), (2, 1));
}
