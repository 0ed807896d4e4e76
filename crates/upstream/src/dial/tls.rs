//! TLS towards services: rustls, the roots that browsers trust, and perhaps one's own.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Whom TLS to services trusts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(pub(crate) Arc<ClientConfig>);

/// The file of one's own roots cannot be used: a sentence for the operator.
#[derive(Debug)]
pub enum TlsError {
    /// It cannot be read, or is no PEM.
    File(PathBuf, pem::Error),
    /// It has no certificate.
    Empty(PathBuf),
    /// One of its certificates is none that others can be signed by, or rustls has no cipher in common with itself.
    Certificate(PathBuf, rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read certificates from {}: {error}", path.display()),
            Self::Empty(path) => write!(f, "{} has no certificate in PEM", path.display()),
            Self::Certificate(path, error) => {
                write!(f, "a certificate of {} is of no use: {error}", path.display())
            }
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Empty(_) => None,
            Self::Certificate(_, error) => Some(error),
        }
    }
}

impl Tls {
    /// Trusts the roots that are built in, and those of the file `ca`, which has certificates in PEM.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or has no certificates that are of use.
    pub fn new(ca: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let path = ca.unwrap_or(Path::new(""));
        if ca.is_some() {
            add(&mut roots, path)?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Certificate(path.to_owned(), error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let failed = |error| TlsError::File(path.to_owned(), error);
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
        roots
            .add(certificate.map_err(failed)?)
            .map_err(|error| TlsError::Certificate(path.to_owned(), error))?;
    }
    if roots.len() == before { Err(TlsError::Empty(path.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        assert!(matches!(Tls::new(Some(&file)), Err(TlsError::File(..))));
        fs::write(&file, "nothing").unwrap();
        assert!(matches!(Tls::new(Some(&file)), Err(TlsError::Empty(_))));
        fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let error = Tls::new(Some(&file)).unwrap_err();
        assert!(
            matches!(error, TlsError::Certificate(..)) && error.to_string().contains("ca.pem"),
            "{error}"
        );
        assert!(Tls::new(None).is_ok());
    }
}
