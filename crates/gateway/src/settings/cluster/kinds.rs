//! What a cluster is called, and what a node does without its bus.

use std::path::PathBuf;

use holdfast_cluster::subject::{CLUSTER_LEN_MAX, ClusterName};
use toml::Value as Toml;

use crate::settings::kinds::Kind;

/// What becomes of what is published while the bus is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Away {
    /// The clients of this node get it.
    #[default]
    Serve,
    /// Nobody gets it, and whoever publishes is told.
    Refuse,
}

impl Away {
    pub(in crate::settings) const ALL: &[(&str, Self)] = &[("serve", Self::Serve), ("refuse", Self::Refuse)];
}

/// When a node is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadyWhen {
    /// From the first time on that it hears the others, whatever becomes of the bus.
    #[default]
    Start,
    /// While the bus is there.
    Bus,
}

impl ReadyWhen {
    pub(in crate::settings) const ALL: &[(&str, Self)] = &[("start", Self::Start), ("bus", Self::Bus)];
}

/// The name of a cluster.
pub(in crate::settings) struct Called;

impl Kind for Called {
    type Value = String;

    fn placeholder(&self) -> String {
        "NAME".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        let expected =
            || format!("expected 1 to {CLUSTER_LEN_MAX} of a to z, 0 to 9 and -, such as prod or eu-west-1");
        ClusterName::parse(text).map(|name| name.as_str().to_owned()).ok_or_else(expected)
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// Files of a certificate and of its key, with a comma between them.
pub(in crate::settings) struct CertificateAndKey;

impl Kind for CertificateAndKey {
    type Value = (PathBuf, PathBuf);

    fn placeholder(&self) -> String {
        "FILE,FILE".to_owned()
    }

    fn parse(&self, text: &str) -> Result<(PathBuf, PathBuf), String> {
        let files: Vec<_> = text.split(',').map(str::trim).collect();
        match files[..] {
            [certificate, key] if !certificate.is_empty() && !key.is_empty() => {
                Ok((certificate.into(), key.into()))
            }
            _ => {
                Err("expected the files of a certificate and of its key, such as node.pem,node.key"
                    .to_owned())
            }
        }
    }

    fn show(&self, (certificate, key): &(PathBuf, PathBuf)) -> Toml {
        Toml::String(format!("{},{}", certificate.display(), key.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_with_its_key() {
        let pair = CertificateAndKey.parse("/a.pem, /a.key").expect("two files");
        assert_eq!(pair, ("/a.pem".into(), "/a.key".into()));
        assert_eq!(CertificateAndKey.show(&pair), Toml::String("/a.pem,/a.key".to_owned()));
        for text in ["", "/a", "/a,", ",/a", "/a,/b,/c"] {
            assert!(CertificateAndKey.parse(text).is_err(), "{text}");
        }
    }
}
