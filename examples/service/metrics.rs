//! `GET /metrics`: the router's counts, in the text format of Prometheus.

use std::fmt::{self, Write};

use modelgate::{
    flag::store::FlagsStatus,
    router::stats::{RouterStats, VersionState, VersionStats},
    shadow::DropCause,
};

/// Everything there is to scrape.
pub fn render(stats: &RouterStats, status: &FlagsStatus) -> String {
    let mut page = Page(String::with_capacity(4096));
    // Writing into a text cannot fail.
    let _ = versions(&mut page, &stats.versions)
        .and_then(|()| fallbacks(&mut page, stats))
        .and_then(|()| shadows(&mut page, stats))
        .and_then(|()| flags(&mut page, status));
    page.0
}

fn versions(page: &mut Page, versions: &[VersionStats]) -> fmt::Result {
    page.family("modelgate_predictions_total", "counter", "Answers, by version and reason.")?;
    for version in versions {
        for (reason, count) in version.answered.iter() {
            let labels = [("version", version.version.as_str()), ("reason", reason)];
            page.sample("modelgate_predictions_total", &labels, count)?;
        }
    }
    page.family("modelgate_model_failures_total", "counter", "Calls that gave no answer.")?;
    for version in versions {
        for (kind, count) in [
            ("invalid_input", version.invalid_inputs),
            ("error", version.errors),
            ("panic", version.panics),
            ("non_finite", version.non_finite),
            ("deadline", version.deadlines),
        ] {
            let labels = [("version", version.version.as_str()), ("kind", kind)];
            page.sample("modelgate_model_failures_total", &labels, count)?;
        }
    }
    page.family("modelgate_service_time_seconds", "summary", "How long a model took.")?;
    for version in versions {
        let (name, time) = (version.version.as_str(), &version.service_time);
        for (quantile, value) in [("0.5", time.p50), ("0.9", time.p90), ("0.99", time.p99)] {
            let labels = [("version", name), ("quantile", quantile)];
            page.sample("modelgate_service_time_seconds", &labels, value.as_secs_f64())?;
        }
        page.sample("modelgate_service_time_seconds_count", &[("version", name)], time.count)?;
    }
    page.family("modelgate_version_eligible", "gauge", "Whether a version may answer.")?;
    for version in versions {
        let eligible = u8::from(version.state == VersionState::Eligible);
        let labels = [("version", version.version.as_str())];
        page.sample("modelgate_version_eligible", &labels, eligible)?;
    }
    Ok(())
}

fn fallbacks(page: &mut Page, stats: &RouterStats) -> fmt::Result {
    let name = "modelgate_fallbacks_total";
    page.family(name, "counter", "Answers of the fallback in place of the version wanted.")?;
    for (cause, count) in stats.fallbacks.iter() {
        // The flags named no version that there is.
        page.sample(name, &[("wanted", ""), ("cause", cause)], count)?;
    }
    for version in &stats.versions {
        for (cause, count) in version.replaced.iter() {
            let labels = [("wanted", version.version.as_str()), ("cause", cause)];
            page.sample(name, &labels, count)?;
        }
    }
    Ok(())
}

fn shadows(page: &mut Page, stats: &RouterStats) -> fmt::Result {
    let candidates = || stats.shadows.iter().flat_map(|line| &line.candidates);
    page.family("modelgate_shadows_total", "counter", "Shadow runs that ended in time.")?;
    for candidate in candidates() {
        for (outcome, count) in [
            ("agreed", candidate.agreed()),
            ("disagreed", candidate.disagreed()),
            ("not_compared", candidate.not_compared()),
        ] {
            let labels = [("candidate", candidate.candidate().as_str()), ("outcome", outcome)];
            page.sample("modelgate_shadows_total", &labels, count)?;
        }
    }
    page.family("modelgate_shadows_dropped_total", "counter", "Shadow runs that were dropped.")?;
    for candidate in candidates() {
        for cause in DropCause::ALL {
            let labels = [("candidate", candidate.candidate().as_str()), ("cause", cause.as_str())];
            page.sample("modelgate_shadows_dropped_total", &labels, candidate.dropped(cause))?;
        }
    }
    page.family("modelgate_shadows_waiting", "gauge", "Shadow runs that wait for a thread.")?;
    let waiting = stats.shadows.iter().fold(0, |sum: usize, line| sum.saturating_add(line.waiting));
    page.sample("modelgate_shadows_waiting", &[], waiting)?;
    page.family("modelgate_comparisons_total", "counter", "What became of comparisons.")?;
    for line in &stats.shadows {
        for (outcome, count) in [
            ("recorded", line.sinks.recorded),
            ("dropped", line.sinks.dropped),
            ("failed", line.sinks.failed),
        ] {
            page.sample("modelgate_comparisons_total", &[("outcome", outcome)], count)?;
        }
    }
    Ok(())
}

fn flags(page: &mut Page, status: &FlagsStatus) -> fmt::Result {
    page.family("modelgate_ready", "gauge", "Whether every flag source has delivered.")?;
    page.sample("modelgate_ready", &[], u8::from(status.ready))?;
    page.family("modelgate_flag_revision", "gauge", "The revision of the flags in force.")?;
    page.sample("modelgate_flag_revision", &[], status.revision)?;
    page.family("modelgate_flag_source_fresh", "gauge", "Whether a source is up to date.")?;
    for source in &status.sources {
        let labels = [("source", source.name.as_str())];
        page.sample("modelgate_flag_source_fresh", &labels, u8::from(source.is_ready()))?;
    }
    page.family("modelgate_flag_source_age_seconds", "gauge", "Since a source was heard of.")?;
    for source in &status.sources {
        if let Some(age) = source.age {
            let labels = [("source", source.name.as_str())];
            page.sample("modelgate_flag_source_age_seconds", &labels, age.as_secs_f64())?;
        }
    }
    Ok(())
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl fmt::Display,
    ) -> fmt::Result {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            self.0.push(if place == 0 { '{' } else { ',' });
            write!(self.0, "{label}=\"{}\"", Escaped(text))?;
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        writeln!(self.0, " {value}")
    }
}

/// A label's value as the format wants it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str(r"\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str(r"\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
