//! [`LivePage`]: a report that is kept rendered for a route of a service.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::RwLock;

use super::Report;

/// Keeps a [`Report`] rendered, for a route of the service.
///
/// A thread of its own, `modelgate-report`, renders the report every ten seconds, and every second
/// while somebody is looking. A request for the page takes the latest rendering, so that it costs the
/// service two reference counts, however expensive the report is. Predictions never wait for any of
/// this.
///
/// The page tells browsers to reload it every five seconds, which keeps the scroll position.
///
/// ```
/// use modelgate::report::{CONTENT_SECURITY_POLICY, LivePage, Report};
///
/// let page = LivePage::start(|| Report::builder("ml-model-version").build())?;
/// // In a handler: the type, the policy, the text.
/// let answer = ("text/html; charset=utf-8", CONTENT_SECURITY_POLICY, page.html());
/// assert!(answer.2.contains("There is no data yet."));
/// assert!(page.json().starts_with('{'));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct LivePage {
    shared: Arc<Rendered>,
    // Dropping the last handle ends the thread.
    _thread: Arc<Renderer>,
}

/// Options for a [`LivePage`]; made by [`LivePage::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct LivePageBuilder {
    idle: Duration,
    watched: Duration,
    refresh: u32,
}

struct Rendered {
    page: RwLock<(Arc<str>, Arc<str>)>,
    looked_at: AtomicBool,
}

struct Renderer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The shortest time between two renderings.
const SHORTEST: Duration = Duration::from_secs(1);

impl LivePage {
    /// Renders once here, and then on a thread. `report` is called there, never on a request.
    ///
    /// # Errors
    ///
    /// The operating system's, when it gives no thread.
    pub fn start(report: impl FnMut() -> Report + Send + 'static) -> std::io::Result<LivePage> {
        LivePage::builder().start(report)
    }

    /// Options for a live page.
    pub fn builder() -> LivePageBuilder {
        LivePageBuilder { idle: Duration::from_secs(10), watched: SHORTEST, refresh: 5 }
    }

    /// The page as it was last rendered.
    pub fn html(&self) -> Arc<str> {
        self.shared.looked_at.store(true, Ordering::Relaxed);
        Arc::clone(&self.shared.page.read().0)
    }

    /// The same content as JSON.
    pub fn json(&self) -> Arc<str> {
        self.shared.looked_at.store(true, Ordering::Relaxed);
        Arc::clone(&self.shared.page.read().1)
    }
}

impl LivePageBuilder {
    /// How often the report is rendered while nobody is looking; at least a second.
    pub fn idle(mut self, interval: Duration) -> LivePageBuilder {
        self.idle = interval.max(SHORTEST);
        self
    }

    /// How often the report is rendered while somebody is looking; at least a second.
    pub fn watched(mut self, interval: Duration) -> LivePageBuilder {
        self.watched = interval.max(SHORTEST);
        self
    }

    /// After how many seconds browsers reload the page.
    pub fn refresh_seconds(mut self, seconds: u32) -> LivePageBuilder {
        self.refresh = seconds.max(1);
        self
    }

    /// Renders once here, and then on a thread.
    ///
    /// # Errors
    ///
    /// The operating system's, when it gives no thread.
    pub fn start(
        self,
        mut report: impl FnMut() -> Report + Send + 'static,
    ) -> std::io::Result<LivePage> {
        let LivePageBuilder { idle, watched, refresh } = self;
        let render = move |report: &Report| -> (Arc<str>, Arc<str>) {
            (report.refreshing_html(refresh).into(), report.json().into())
        };
        let shared = Arc::new(Rendered {
            page: RwLock::new(render(&report())),
            looked_at: AtomicBool::new(false),
        });
        let (stop, stopped) = bounded::<()>(1);
        let kept = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("modelgate-report".to_owned()).spawn(move || {
                let mut waited = Duration::ZERO;
                while goes_on(&stopped, watched) {
                    waited += watched;
                    if kept.looked_at.swap(false, Ordering::Relaxed) || waited >= idle {
                        waited = Duration::ZERO;
                        // If the caller's closure panics, the last page stays.
                        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                            render(&report())
                        }));
                        match made {
                            Ok(page) => *kept.page.write() = page,
                            Err(_) => tracing::error!(
                                target: "modelgate::report",
                                "making the report panicked; the page shows the one before"
                            ),
                        }
                    }
                }
            })?;
        let thread = Renderer { stop: Some(stop), thread: Some(thread) };
        Ok(LivePage { shared, _thread: Arc::new(thread) })
    }
}

/// Waits for the next rendering; false if the page has been dropped.
fn goes_on(stopped: &Receiver<()>, interval: Duration) -> bool {
    matches!(stopped.recv_timeout(interval), Err(RecvTimeoutError::Timeout))
}

impl Drop for Renderer {
    fn drop(&mut self) {
        self.stop = None;
        // The thread may be rendering: it ends by itself after that, and is not waited for.
        drop(self.thread.take());
    }
}

impl fmt::Debug for LivePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivePage").finish_non_exhaustive()
    }
}
