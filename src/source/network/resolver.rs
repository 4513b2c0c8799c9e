//! Name look-ups, which block, and may hang for as long as the system likes.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::sync::oneshot;

/// So many look-ups of one source may be under way; more only means that the system hangs.
const MOST: usize = 2;

/// Looks names up on threads of its own. Each source has one, so that the names of one that hang
/// hold up no other: the threads of a shared pool would all be waiting for them.
#[derive(Clone)]
pub(crate) struct Resolver {
    under_way: Arc<AtomicUsize>,
    look_up: Lookup,
}

pub(super) type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver::with(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }
}

impl Resolver {
    pub(super) fn with(look_up: Lookup) -> Resolver {
        Resolver { under_way: Arc::default(), look_up }
    }

    /// The addresses of a name; the caller says how long it waits for them.
    ///
    /// # Errors
    /// What the system says; and that earlier look-ups have not come back.
    pub(crate) async fn addresses(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let Some(place) = LookUpPermit::take(&self.under_way) else {
            let text = "earlier name look-ups have not come back";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        };
        let (tell, told) = oneshot::channel();
        let look_up = self.look_up;
        thread::Builder::new().name("modelgate-resolver".to_owned()).spawn(move || {
            let found = look_up(&host, port);
            drop(place);
            // Whoever asked may have stopped waiting.
            let _ = tell.send(found);
        })?;
        told.await.unwrap_or_else(|_| Err(io::Error::other("the look-up panicked")))
    }
}

/// A look-up that is under way.
struct LookUpPermit(Arc<AtomicUsize>);

impl LookUpPermit {
    fn take(under_way: &Arc<AtomicUsize>) -> Option<LookUpPermit> {
        // Relaxed: only the number matters.
        let more = |count| (count < MOST).then_some(count + 1);
        under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(LookUpPermit(Arc::clone(under_way)))
    }
}

impl Drop for LookUpPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            // The client puts the port in itself.
            let found = resolver.addresses(name.as_str().to_owned(), 0).await?;
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Mutex, time::Duration};

    /// Held by the test for as long as names are to hang.
    static HANGS: Mutex<()> = Mutex::new(());

    fn run<T>(task: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().max_blocking_threads(1).build().unwrap().block_on(task)
    }

    #[test]
    fn names_that_hang_hold_up_their_own_source_and_no_other() {
        let hung = Resolver::with(|_, _| {
            drop(HANGS.lock());
            Ok(vec![([127, 0, 0, 1], 9).into()])
        });
        let ask = |resolver: &Resolver| {
            let resolver = resolver.clone();
            async move { resolver.addresses("localhost".to_owned(), 80).await }
        };
        let hanging = HANGS.lock().unwrap();
        run(async {
            let mut waiting = Vec::new();
            for _ in 0..MOST {
                let asked = tokio::spawn(ask(&hung));
                waiting.push(asked);
                tokio::task::yield_now().await;
            }
            let refused = ask(&hung).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::TimedOut, "{refused}");
            let found = ask(&Resolver::default()).await.unwrap();
            assert!(found.iter().all(|address| address.port() == 80) && !found.is_empty());
            assert!(waiting.iter().all(|asked| !asked.is_finished()));
            drop(hanging);
            for asked in waiting {
                let asked = tokio::time::timeout(Duration::from_secs(30), asked).await;
                assert_eq!(asked.unwrap().unwrap().unwrap().len(), 1);
            }
            assert!(ask(&hung).await.is_ok(), "the places are free again");
        });
    }
}
