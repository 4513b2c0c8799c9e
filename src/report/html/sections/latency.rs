//! How long calls took, and where that was measured.

use super::super::{
    super::{
        content::Content,
        figure::{Micros, Whole},
    },
    chart,
    markup::{Page, Truncated, put},
};

pub(super) fn latency(page: &mut Page, content: &Content) {
    let reading = content
        .latency
        .iter()
        .map(|latency| {
            format!(
                "{}, {}: half within {}, 99 of 100 within {}",
                latency.version,
                latency.measured,
                Micros(latency.p50_us),
                Micros(latency.p99_us)
            )
        })
        .collect::<Vec<_>>()
        .join("; ");
    chart::latency(page, &content.latency, &reading);
    put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Latency\"><table>"
        "<caption>Service times</caption><thead><tr><th scope=\"col\">Version</th>"
        "<th scope=\"col\">Measured</th><th scope=\"col\" class=\"number\">Calls</th><th scope=\"col\" class=\"number\">p50</th>"
        "<th scope=\"col\" class=\"number\">p90</th><th scope=\"col\" class=\"number\">p99</th><th scope=\"col\" class=\"number\">longest</th></tr></thead>"
        "<tbody>");
    for latency in content.latency.iter().filter(|latency| latency.count > 0) {
        put!(page; "<tr><th scope=\"row\">" {Truncated(&latency.version, 40)} "</th><td>"
            {&latency.measured} "</td><td class=\"number\">" {Whole(latency.count)} "</td>");
        for micros in [latency.p50_us, latency.p90_us, latency.p99_us, latency.max_us] {
            put!(page; "<td class=\"number\">" {Micros(micros)} "</td>");
        }
        put!(page; "</tr>");
    }
    put!(page; "</tbody></table></div><p class=\"soft\">Times of a shadow and of a live answer are \
         not comparable by the clock: only what was measured at the same place is.</p>");
}
