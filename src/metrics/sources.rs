//! How fresh the flags are, and how the connections to their servers fare.

use std::time::Duration;

use super::counter;
use crate::flag::store::{self, SourceState, SourceStatus};

/// Publishes what `status` says of each source to the installed recorder, under the labels `store`
/// and `source`.
///
/// | name | kind | what |
/// |---|---|---|
/// | `modelgate_ready` | gauge | of the store alone: 1 once every source that is not optional has delivered |
/// | `modelgate_source_ready` | gauge | 1 while the flags in force are what the source has, 0 while it is starting or stale |
/// | `modelgate_source_rejected` | gauge | 1 while the origin refuses the source: its key, its URL |
/// | `modelgate_source_age_seconds` | gauge | since the flags were delivered or confirmed; infinite while that is not known |
/// | `modelgate_source_failed_attempts` | gauge | since the source was last fresh |
/// | `modelgate_source_flags` | gauge | in force |
/// | `modelgate_source_problems` | gauge | flags that are refused or warned about |
/// | `modelgate_source_refused_total` | counter | sets older than the one in force |
///
/// and of a source that has a [connection](crate::flag::store::ConnectionStatus):
///
/// | name | kind | what |
/// |---|---|---|
/// | `modelgate_connection_streaming` | gauge | 1 while a stream is open |
/// | `modelgate_connection_requests_total` | counter | requests for flags |
/// | `modelgate_connection_failures_total` | counter | of them, and of open streams |
/// | `modelgate_connection_reconnects_total` | counter | streams opened after the first |
/// | `modelgate_connection_received_bytes_total` | counter | after decompression |
/// | `modelgate_connection_last_status` | gauge | HTTP status or gRPC code |
/// | `modelgate_connection_last_success_seconds` | gauge | since the server last brought something |
/// | `modelgate_connection_reports_total` | counter | reports of usage and registrations |
/// | `modelgate_connection_report_failures_total` | counter | of them, those not taken |
pub fn publish_source_metrics(store: &str, status: &store::Status) {
    metrics::gauge!("modelgate_ready", "store" => store.to_owned()).set(f64::from(status.ready));
    for source in &status.sources {
        Published { store, source: &source.name }.publish(source);
    }
}

struct Published<'p> {
    store: &'p str,
    source: &'p str,
}

impl Published<'_> {
    fn publish(&self, source: &SourceStatus) {
        let attempts = match &source.state {
            SourceState::Starting { attempts, .. }
            | SourceState::Stale { attempts, .. }
            | SourceState::Rejected { attempts, .. } => *attempts,
            SourceState::Ready => 0,
        };
        self.gauge("modelgate_source_ready", f64::from(source.is_ready()));
        self.gauge("modelgate_source_rejected", f64::from(source.is_rejected()));
        // An alert on a large age must not miss flags that never came.
        let age = source.age.as_ref().map_or(f64::INFINITY, Duration::as_secs_f64);
        self.gauge("modelgate_source_age_seconds", age);
        self.gauge("modelgate_source_failed_attempts", attempts as f64);
        self.gauge("modelgate_source_flags", source.flags as f64);
        self.gauge("modelgate_source_problems", source.problems.len() as f64);
        self.count("modelgate_source_refused_total", source.refused);

        let Some(connection) = &source.connection else { return };
        self.gauge("modelgate_connection_streaming", f64::from(connection.streaming));
        self.count("modelgate_connection_requests_total", connection.requests);
        self.count("modelgate_connection_failures_total", connection.failures);
        self.count("modelgate_connection_reconnects_total", connection.reconnects);
        self.count("modelgate_connection_received_bytes_total", connection.bytes_received);
        self.count("modelgate_connection_reports_total", connection.reports);
        self.count("modelgate_connection_report_failures_total", connection.report_failures);
        if let Some(status) = connection.last_status {
            self.gauge("modelgate_connection_last_status", f64::from(status));
        }
        if let Some(success) = connection.last_success {
            self.gauge("modelgate_connection_last_success_seconds", success.as_secs_f64());
        }
    }

    fn labels(&self) -> [(&'static str, String); 2] {
        [("store", self.store.to_owned()), ("source", self.source.to_owned())]
    }

    fn gauge(&self, name: &'static str, value: f64) {
        metrics::gauge!(name, &self.labels()).set(value);
    }

    fn count(&self, name: &'static str, value: u64) {
        counter(name, self.labels(), value);
    }
}
