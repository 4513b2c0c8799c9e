//! Whose cryptography TLS uses.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::source::Error;

/// The provider that the process has installed, or ring, where the feature `tls-ring` is on.
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, Error> {
    match CryptoProvider::get_default() {
        Some(installed) => Ok(Arc::clone(installed)),
        None => fallback(),
    }
}

#[cfg(feature = "tls-ring")]
fn fallback() -> Result<Arc<CryptoProvider>, Error> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(feature = "tls-ring"))]
fn fallback() -> Result<Arc<CryptoProvider>, Error> {
    Err(Error::new(
        "TLS provider: found none, expected the feature `tls-ring`, or one that the process has \
         installed by `CryptoProvider::install_default` of rustls",
    ))
}
