mod fixtures;

use std::path::{Path, PathBuf};

use super::{Report, html};

/// The pages as they are kept, and as `browser.sh` opens them.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/report/golden/{name}.html"))
}

#[test]
fn pages_are_what_they_were_byte_for_byte() {
    let renew = std::env::var_os("MODELGATE_RENEW_PAGES").is_some();
    for (name, content) in fixtures::all() {
        let page = html::page(&content, None);
        let path = golden(name);
        if renew {
            std::fs::write(&path, &page).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(
            page == kept,
            "{} differs from the page as drawn now; after a look at it, MODELGATE_RENEW_PAGES=1 keeps \
             the new one",
            path.display()
        );
    }
}

#[test]
fn no_page_is_large_or_asks_for_anything() {
    for (name, content) in fixtures::all() {
        let page = html::page(&content, None);
        assert!(page.len() <= 150_000, "{name}: {} bytes", page.len());
        // In a page of hostile names these words stand as text, escaped.
        for forbidden in
            ["<script", "<img", "<link", "<iframe", "src=\"", "url(", "@import", "javascript:"]
        {
            assert!(!page.contains(forbidden), "{name}: {forbidden}");
        }
        assert!(!page.contains("http:") && !page.contains("https:"), "{name}: an address");
        assert!(!page.contains("NaN") && !page.contains("inf"), "{name}: a number that is none");
    }
}

#[test]
fn every_section_says_what_is_missing_where_there_is_no_data() {
    let page = html::page(&fixtures::no_data(), None);
    assert_eq!(page.matches("<section").count(), 12);
    assert_eq!(page.matches("class=\"missing\"").count(), 12);
}

#[test]
fn the_json_holds_what_the_page_shows_and_cannot_end_a_script() {
    for (name, content) in fixtures::all() {
        let report = Report { content };
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["schema"], 1, "{name}");
        assert_eq!(json["metrics"].as_array().unwrap().len(), report.content.metrics.len());
        assert!(!report.json().contains("</"), "{name}");
    }
}

#[test]
fn a_written_page_replaces_the_old_one_whole_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, "an older page").unwrap();
    let report = Report { content: fixtures::a_million_pairs() };
    report.write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), report.html());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(report.write(folder.path().join("no/such/folder/report.html")).is_err());
}
