//! Settings of a cluster that cannot work, or would let strangers in.

use holdfast_cluster::envelope::OVERHEAD_MAX;

use super::url::{is_encrypted, is_here};
use crate::settings::Settings;
use crate::settings::text::show_bytes;

/// Refuses what contradicts itself, in one sentence.
pub(in crate::settings) fn check(settings: &Settings) -> Result<(), String> {
    if settings.cluster.is_empty() {
        return check_without(settings);
    }
    if settings.hubs.is_empty() {
        return Err(
            "cluster is set but there is no hub, and only what hubs say goes from node to node: set hub, or \
                    remove cluster"
                .to_owned(),
        );
    }
    if settings.cluster_name.is_none() {
        return Err(
            "cluster is set but cluster-name is not: name the cluster, such as prod, by the same name on \
                    each node"
                .to_owned(),
        );
    }
    check_sizes(settings)?;
    check_tls(settings)?;
    if settings.cluster_insecure {
        return Ok(());
    }
    settings.cluster.iter().try_for_each(|url| check_secure(settings, url))
}

/// Without a cluster, whoever says more of one has left out where it is, and would be alone without a word.
fn check_without(settings: &Settings) -> Result<(), String> {
    let set = [
        ("cluster-name", settings.cluster_name.is_some()),
        ("cluster-credentials", settings.cluster_credentials.is_some()),
        ("cluster-ca", settings.cluster_ca.is_some()),
        ("cluster-certificate", settings.cluster_certificate.is_some()),
        ("cluster-insecure", settings.cluster_insecure),
    ];
    match set.iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) => Err(format!(
            "{key} is set but cluster is not, so this node would be alone: say where NATS is, such as \
             nats://127.0.0.1:4222, or remove {key}"
        )),
        None => Ok(()),
    }
}

fn check_sizes(settings: &Settings) -> Result<(), String> {
    let least = settings.message_bytes_max + OVERHEAD_MAX;
    if settings.cluster_queue_bytes < least {
        return Err(format!(
            "cluster-queue-bytes ({}) cannot hold one message of message-bytes-max ({}) and what is said with it \
             ({}): raise the first or lower the second",
            show_bytes(settings.cluster_queue_bytes),
            show_bytes(settings.message_bytes_max),
            show_bytes(OVERHEAD_MAX)
        ));
    }
    Ok(())
}

fn check_tls(settings: &Settings) -> Result<(), String> {
    let set = [
        ("cluster-ca", settings.cluster_ca.is_some()),
        ("cluster-certificate", settings.cluster_certificate.is_some()),
    ];
    let key = set.iter().find(|(_, is_set)| *is_set).map(|(key, _)| key);
    match (key, settings.cluster.iter().find(|url| !is_encrypted(url))) {
        (Some(key), Some(url)) => Err(format!(
            "{key} is set but cluster names {url}, which need not be TLS: begin its URL with tls://, or remove {key}"
        )),
        _ => Ok(()),
    }
}

/// Whoever can speak on the bus can write to every client.
fn check_secure(settings: &Settings, url: &str) -> Result<(), String> {
    if is_here(url) {
        return Ok(());
    }
    if !is_encrypted(url) {
        return Err(format!(
            "cluster names {url}, which is beyond this machine and not encrypted: begin its URL with tls://, or set \
             cluster-insecure to true where nobody else can read or write on the way"
        ));
    }
    if settings.cluster_credentials.is_none() && settings.cluster_certificate.is_none() {
        return Err(format!(
            "cluster names {url}, which is beyond this machine, but neither cluster-credentials nor \
             cluster-certificate is set, so whoever reaches that server could write to every client: set one of \
             them, or set cluster-insecure to true where nobody else reaches it"
        ));
    }
    Ok(())
}
