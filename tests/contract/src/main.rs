//! Serves on port 8000, or on the one that `PORT` says, until `DELETE /` stops it.

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT: found {port:?}, expected a port"))?,
        Err(_) => 8000_u16,
    };
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    println!("modelgate's contract test service listens on port {port}");
    let (app, stop) = modelgate_contract_tests::app();
    axum::serve(listener, app).with_graceful_shutdown(async move { stop.notified().await }).await?;
    Ok(())
}
