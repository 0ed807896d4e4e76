//! A certificate of our own, from files.

use std::fmt;

use rustls_pki_types::pem::{Error, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::leaf::Leaf;

/// A chain of certificates, the own one first, and its key.
pub struct Certificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    leaf: Leaf,
}

impl fmt::Debug for Certificate {
    /// No key is shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a chain and a key in PEM. Both may be the same file's bytes.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with which of them.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = authorities(chain)?;
        let leaf = Leaf::read(&chain[0]).ok_or("its first certificate cannot be read")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            Error::NoItemsFound => {
                "it has no private key in PEM (an encrypted one cannot be used)".to_owned()
            }
            other => format!("its private key cannot be read: {other}"),
        })?;
        Ok(Self { chain, key, leaf })
    }

    /// Whom it is for, and until when.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }
}

/// Certificates in PEM, at least one.
///
/// # Errors
///
/// A sentence.
pub(crate) fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| format!("its certificates cannot be read: {error}"))?;
    match chain.len() {
        0 => Err("it has no certificate in PEM".into()),
        _ => Ok(chain),
    }
}
