//! The state of versions, shadows, sources and checks.

use super::super::{
    super::{
        content::{Content, Count},
        figure::{Seconds, Whole},
    },
    badge,
    markup::{Page, Truncated, put},
};

pub(super) fn health(page: &mut Page, content: &Content) {
    if !content.health.is_empty() {
        put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Checks\"><table>"
            "<caption>Checks</caption><thead><tr><th scope=\"col\">Check</th>"
            "<th scope=\"col\">Result</th><th scope=\"col\">In numbers</th></tr></thead><tbody>");
        for check in &content.health {
            put!(page; "<tr><th scope=\"row\">" {&check.name} "</th><td>");
            badge(page, check.standing, &check.word);
            put!(page; "</td><td>" {&check.detail} "</td></tr>");
        }
        put!(page; "</tbody></table></div>");
    }
    versions(page, content);
    shadows(page, content);
    sources(page, content);
}

fn versions(page: &mut Page, content: &Content) {
    if content.versions.is_empty() {
        return;
    }
    put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Versions\"><table>"
        "<caption>Versions</caption><thead><tr><th scope=\"col\">Version</th><th scope=\"col\">State</th>"
        "<th scope=\"col\" class=\"number\">Answered</th><th scope=\"col\">Fallback stood in</th>"
        "<th scope=\"col\">Failures</th></tr></thead><tbody>");
    for version in &content.versions {
        put!(page; "<tr><th scope=\"row\">" {Truncated(&version.version, 40)} "</th><td>");
        badge(page, version.standing, &version.state);
        put!(page; "</td><td class=\"number\">" {Whole(version.answered)} "</td><td>");
        counts(page, &version.replaced);
        put!(page; "</td><td>");
        counts(page, &version.failures);
        put!(page; "</td></tr>");
    }
    put!(page; "</tbody></table></div>");
}

fn shadows(page: &mut Page, content: &Content) {
    if content.shadows.is_empty() {
        return;
    }
    put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Shadows\"><table>"
        "<caption>Shadow runs</caption><thead><tr><th scope=\"col\">Candidate</th>"
        "<th scope=\"col\" class=\"number\">Wanted</th><th scope=\"col\" class=\"number\">Completed</th><th scope=\"col\">Dropped</th></tr>"
        "</thead><tbody>");
    for shadow in &content.shadows {
        put!(page; "<tr><th scope=\"row\">" {Truncated(&shadow.candidate, 40)} "</th><td class=\"number\">"
            {Whole(shadow.wanted)} "</td><td class=\"number\">" {Whole(shadow.completed)} "</td><td>");
        counts(page, &shadow.dropped);
        put!(page; "</td></tr>");
    }
    put!(page; "</tbody></table></div>");
}

fn sources(page: &mut Page, content: &Content) {
    if content.sources.is_empty() {
        return;
    }
    put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Flag sources\"><table>"
        "<caption>Flag sources</caption><thead><tr><th scope=\"col\">Source</th><th scope=\"col\">State</th>"
        "<th scope=\"col\" class=\"number\">Age</th><th scope=\"col\" class=\"number\">Flags</th><th scope=\"col\" class=\"number\">Problems</th></tr></thead>"
        "<tbody>");
    for source in &content.sources {
        put!(page; "<tr><th scope=\"row\">" {Truncated(&source.name, 60)} "</th><td>");
        badge(page, source.standing, &source.state);
        put!(page; "</td><td class=\"number\">");
        match source.age_seconds {
            Some(age) => put!(page; {Seconds(age)}),
            None => put!(page; "–"),
        }
        put!(page; "</td><td class=\"number\">" {Whole(source.flags)} "</td><td class=\"number\">"
            {Whole(source.problems)} "</td></tr>");
    }
    put!(page; "</tbody></table></div>");
}

/// Counts by cause, or a word that says there are none.
fn counts(page: &mut Page, counts: &[Count]) {
    if counts.is_empty() {
        put!(page; "none");
    }
    for (place, count) in counts.iter().enumerate() {
        if place > 0 {
            put!(page; ", ");
        }
        put!(page; {count.name.replace('_', " ")} "\u{a0}" {Whole(count.count)});
    }
}

pub(super) fn users(page: &mut Page, content: &Content) {
    put!(page; "<dl class=\"figures\">");
    for count in &content.users {
        put!(page; "<div><dt>" {&count.name} "</dt><dd>" {Whole(count.count)} "</dd></div>");
    }
    put!(page; "</dl>");
}
