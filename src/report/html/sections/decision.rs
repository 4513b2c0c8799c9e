//! What the findings are based on, with everything that is needed to recompute them.

use super::super::{
    super::content::Content,
    markup::{Page, put},
};

pub(super) fn decision(page: &mut Page, content: &Content) {
    let Some(decision) = &content.decision else { return };
    put!(page; "<p>Each metric keeps counts of what happened on the same request in both versions. \
         Evidence is a bet against “no worse” and against “worse by the margin”, with fixed stakes: \
         if the claim were true, it would reach 1/a with a chance of at most a, however often one \
         looks. So it may be looked at after every request.</p>"
        "<p>Worse: ln E⁺(½) ≥ ln(1/a). Not worse by the margin g: ln E⁻((1+g)/2) ≥ ln(1/a). \
         E is the weighted mean over stakes c of ∏ (1 − c + c·x/m)^count, with x from 0 to 1.</p>"
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Settings\">\
         <table class=\"settings\">"
        "<caption>Settings, frozen when the attempt began</caption><tbody>"
        "<tr><th scope=\"row\">Configuration</th><td><code>" {&decision.config_hash} "</code></td></tr>");
    for (name, value) in &decision.settings {
        put!(page; "<tr><th scope=\"row\">" {name} "</th><td>" {value} "</td></tr>");
    }
    put!(page; "</tbody></table></div><details><summary>The sums, to recompute it</summary>"
        "<pre tabindex=\"0\">");
    let text = serde_json::to_string_pretty(&decision.evidence).unwrap_or_default();
    put!(page; {text.replace('<', "\\u003c")} "</pre></details>");
}
