//! Which certificates are trusted towards Graph: the platform's, or those of a named file. Checking cannot be switched off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::reason;

/// Why nothing can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The named file cannot be used.
    #[error("cannot read certificates from '{}': {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The platform has none.
    #[error(
        "this machine's certificate store is empty, so no https upstream can be trusted{0}; install the platform's CA certificates (the package is often called ca-certificates), or name a PEM file in upstream.roots"
    )]
    Empty(String),
    /// The provider does not have the protocol versions.
    #[error("upstream: TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The TLS configuration towards Graph.
pub fn client_config(file: Option<&Path>) -> Result<Arc<ClientConfig>, RootsError> {
    let roots = match file {
        Some(file) => from_file(file)?,
        None => from_platform()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn from_file(file: &Path) -> Result<RootCertStore, RootsError> {
    let wrong = |reason: String| RootsError::File { path: file.to_owned(), reason };
    let text = std::fs::read(file).map_err(|e| wrong(reason::of(&e)))?;
    of_pem(&text).map_err(wrong)
}

/// The certificates of a file in PEM, at least one; or why it is of no use.
pub(crate) fn of_pem(text: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|e| e.to_string())?;
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(roots) }
}

fn from_platform() -> Result<RootCertStore, RootsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store may hold certificates that rustls does not take; the others are still good.
    let (_added, ignored) = roots.add_parsable_certificates(found.certs);
    if ignored > 0 {
        tracing::debug!(ignored, "certificates of the platform that cannot be used");
    }
    if roots.is_empty() {
        let why = found
            .errors
            .first()
            .map(|error| format!(" ({})", reason::plain(&error.to_string())))
            .unwrap_or_default();
        return Err(RootsError::Empty(why));
    }
    Ok(roots)
}
