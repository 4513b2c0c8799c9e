//! The stage of the rollout, what it waits for, and its history.

use super::super::{
    super::{
        content::{Content, Gate, Progress},
        figure::{Moment, Percent, Seconds, Whole},
    },
    badge,
    markup::{Page, put},
};

pub(super) fn stages(page: &mut Page, content: &Content) {
    let Some(rollout) = &content.rollout else { return };
    put!(page; "<dl class=\"figures\"><div><dt>Phase</dt><dd>" {&rollout.phase}
        "</dd></div><div><dt>Share in force</dt><dd>" {Percent(rollout.share / 100.0)}
        "</dd></div><div><dt>Advancing</dt><dd>" {&rollout.advancing}
        "</dd></div><div><dt>Attempt</dt><dd>" {Whole(rollout.attempt)} "</dd></div>");
    if let Some(replicas) = &rollout.replicas {
        put!(page; "<div><dt>Replicas heard</dt><dd>" {replicas} "</dd></div>");
    }
    if let Some(age) = rollout.state_age_seconds {
        put!(page; "<div><dt>Age of the shared state</dt><dd>" {Seconds(age)} "</dd></div>");
    }
    put!(page; "</dl><ol class=\"stages\">");
    for stage in &rollout.stages {
        let (class, word, shape) = match stage.progress {
            Progress::Done => ("done", "done", "\u{2713}"),
            Progress::Current => ("current", "now", "\u{25b6}"),
            Progress::ToCome => ("to-come", "to come", "\u{25cb}"),
            Progress::Stopped => ("stopped", "stopped here", "\u{25b2}"),
            Progress::NotReached => ("to-come", "not reached", "\u{25cb}"),
        };
        put!(page; "<li class=\"" {class} "\"");
        if stage.progress == Progress::Current {
            put!(page; " aria-current=\"step\"");
        }
        put!(page; "><b>" {&stage.name} "</b> <span class=\"word\"><span aria-hidden=\"true\">"
            {shape} "</span> " {word} "</span><small>" {&stage.note} "</small></li>");
    }
    put!(page; "</ol>");
}

pub(super) fn gates(page: &mut Page, content: &Content) {
    let told = |gate: &&Gate| !gate.reason.is_empty() || !quiet(gate);
    if content.gates.iter().any(|gate| told(&gate)) {
        table(page, content.gates.iter().filter(told));
    }
    for outcome in QUIET {
        let of: Vec<&str> = content
            .gates
            .iter()
            .filter(|gate| gate.reason.is_empty() && gate.outcome == outcome)
            .map(|gate| gate.name.as_str())
            .collect();
        if !of.is_empty() {
            put!(page; "<p><b>" {sentence_case(outcome)} ":</b> " {of.join(", ")} ".</p>");
        }
    }
}

/// Outcomes that get no row of their own unless they have a detail to show.
const QUIET: [&str; 2] = ["passed", "not applicable"];

fn quiet(gate: &Gate) -> bool {
    QUIET.contains(&gate.outcome.as_str())
}

fn sentence_case(outcome: &str) -> &'static str {
    if outcome == "passed" { "Passed" } else { "Not asked in this phase" }
}

fn table<'g>(page: &mut Page, gates: impl Iterator<Item = &'g Gate>) {
    put!(page; "<p>In this order; the first that holds decides.</p><div class=\"wide\" role=\"region\" "
        "tabindex=\"0\" aria-label=\"Table: Gates\"><table><caption>What must hold before the share grows"
        "</caption><thead><tr><th scope=\"col\">Gate</th><th scope=\"col\">Outcome</th>"
        "<th scope=\"col\">Why</th></tr></thead><tbody>");
    for gate in gates {
        put!(page; "<tr><th scope=\"row\">" {&gate.name} "</th><td>");
        badge(page, gate.standing, &gate.outcome);
        put!(page; "</td><td>" {&gate.reason} "</td></tr>");
    }
    put!(page; "</tbody></table></div>");
}

pub(super) fn history(page: &mut Page, content: &Content) {
    put!(page; "<ol class=\"history\" reversed>");
    for event in content.history.iter().rev() {
        put!(page; "<li><p><b>" {&event.from} " → " {&event.to} "</b> <span class=\"soft\">"
            {Moment(event.at_ms)} ", " {&event.cause} "</span></p><p>" {&event.sentence} "</p></li>");
    }
    put!(page; "</ol>");
}

pub(super) fn acting(page: &mut Page, content: &Content) {
    let Some(rollout) = &content.rollout else { return };
    put!(page; "<p>In phase " {&rollout.phase} " these calls are there; routes for them are the service's \
         own, behind its own authorisation.</p><ul>"
        "<li><code>autopilot.abort(reason)</code>: everybody back to the champion, at once.</li>"
        "<li><code>autopilot.pause(reason)</code>: the share stays, nothing advances.</li>"
        "<li><code>autopilot.resume(reason)</code>: goes on from where it was paused.</li>"
        "<li><code>autopilot.approve(reason)</code>: lets a stage that waits for a person begin.</li>"
        "<li><code>autopilot.retry(reason)</code>: a new attempt after a rollback, which needs twice \
         the evidence.</li></ul>");
}
