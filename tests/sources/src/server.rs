//! What the stand-ins have in common: a server on a runtime of its own.

use std::net::SocketAddr;

use tokio::{net::TcpListener, runtime::Runtime};

/// Any free port of this machine.
pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A running server. Dropping it ends its streams and its port.
pub struct Server {
    pub address: SocketAddr,
    /// Taken when dropped: a runtime must not be dropped in an async context.
    runtime: Option<Runtime>,
}

impl Server {
    /// Serves these routes.
    pub fn of(address: SocketAddr, routes: axum::Router) -> Server {
        Server::start(address, |listener| async move { axum::serve(listener, routes).await })
    }

    /// Serves in whatever way.
    pub fn start<F>(address: SocketAddr, serve: impl FnOnce(TcpListener) -> F) -> Server
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // A server before this one may not quite have let go of the address.
        let mut listener = None;
        crate::eventually("the address is free", || {
            listener = runtime.block_on(TcpListener::bind(address)).ok();
            listener.is_some()
        });
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener));
        Server { address, runtime: Some(runtime) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
