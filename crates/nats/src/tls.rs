//! TLS towards NATS: rustls with the provider that all of the gateway has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::unusable::Unusable;

/// What is trusted, and what is shown: the roots that are built in, and those of the operator.
pub(crate) fn config(
    ca: Option<&Path>,
    certificate: Option<&(PathBuf, PathBuf)>,
) -> Result<ClientConfig, Unusable> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| of_no_use(path, &error))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| of_no_use(Path::new("TLS"), &error))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = certificate else { return Ok(config.with_no_client_auth()) };
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| Unusable(format!("cannot read a private key from {}: {error}", key.display())))?;
    config.with_client_auth_cert(chain, private).map_err(|error| of_no_use(certificate, &error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            Err(Unusable(format!("{} has no certificate in PEM", path.display())))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(Unusable(format!("cannot read certificates from {}: {error}", path.display()))),
    }
}

fn of_no_use(path: &Path, error: &rustls::Error) -> Unusable {
    Unusable(format!("{} is of no use: {error}", path.display()))
}
