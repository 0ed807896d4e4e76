//! Pages of the members of a group: of one shard after the other, and in a cluster of one node after the other.

use std::sync::Arc;

use holdfast_cluster::NodeId;
use holdfast_cluster::envelope::{Member as WireMember, Members, Operation};
use holdfast_cluster::questions::Outcome;
use holdfast_webpubsub::rest::{Member, NextPage, RestError, write_page};

use super::super::cluster::Cluster;
use super::super::deeds::{Page as Here, Place};
use super::calls::{Answer, unknown};
use super::{Asked, Rest};

/// Where a page begins: at which node, in a cluster, and at which place there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Start {
    node: Option<NodeId>,
    /// At its beginning where there is none.
    place: Option<String>,
}

/// Some members, by their names, and where their node goes on.
#[derive(Debug, Default)]
struct Page {
    members: Vec<(String, Option<String>)>,
    next: Option<String>,
}

impl Rest {
    /// A page of a group's members. Where it goes on is said as the place in a shard, in a cluster behind the node.
    pub(super) async fn list(
        &self,
        asked: &Asked,
        group: &str,
        page_size: u16,
        top: Option<u32>,
        continuation: Option<&str>,
    ) -> Answer {
        let start = continuation.map_or(Some(Start::default()), |text| self.start(text));
        let start = start.ok_or_else(|| {
            RestError::bad_request("continuationToken", "this is no token that was given out here")
        })?;
        let wanted = u32::from(page_size).min(top.unwrap_or(u32::MAX));
        let Page { members, next } = match &self.cluster {
            None => self.here(asked, group, wanted, start.place.as_deref()).await,
            Some(cluster) => self.everywhere(cluster, asked, group, wanted, start).await?,
        };
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let top = top.map(|top| top.saturating_sub(count));
        let continuation = next.filter(|_| top != Some(0));
        let next = continuation.as_ref().map(|continuation| NextPage {
            endpoint: &asked.endpoint,
            hub: &asked.hub.name,
            group,
            page_size,
            top,
            continuation,
        });
        let page = members.iter().map(|(id, user)| Member { connection_id: id, user: user.as_deref() });
        Ok(Some(write_page(page, next.as_ref())))
    }

    /// Where a page begins that this or another node has given out.
    fn start(&self, text: &str) -> Option<Start> {
        let (node, place) = match (&self.cluster, text.split_once('.')) {
            (Some(_), Some((node, place))) => (Some(NodeId::parse(node)?), place),
            (None, None) => (None, text),
            _ => return None,
        };
        let place = Some(place).filter(|place| !place.is_empty()).map(str::to_owned);
        // Another node's places have the same form.
        let is_place = place.as_deref().is_none_or(|place| Place::parse(place).is_some());
        is_place.then_some(Start { node, place })
    }

    /// So many members of one node after the other, in order of their ids.
    async fn everywhere(
        &self,
        cluster: &Arc<Cluster>,
        asked: &Asked,
        group: &str,
        wanted: u32,
        start: Start,
    ) -> Result<Page, RestError> {
        let nodes = cluster.serving(&asked.hub.name).ok_or_else(unknown)?;
        let mut members = Vec::new();
        // One that has gone meanwhile is passed over.
        for node in nodes.into_iter().filter(|node| start.node.is_none_or(|first| *node >= first)) {
            let mut place = start.place.clone().filter(|_| start.node == Some(node));
            // Each round has some members or is the last.
            loop {
                let most = wanted - u32::try_from(members.len()).unwrap_or(wanted);
                if most == 0 {
                    let next = Some(format!("{node}.{}", place.unwrap_or_default()));
                    return Ok(Page { members, next });
                }
                let page = match node == cluster.own() {
                    true => self.here(asked, group, most, place.as_deref()).await,
                    false => there(cluster, node, asked, group, most, place.as_deref()).await?,
                };
                let is_empty = page.members.is_empty();
                members.extend(page.members);
                match page.next {
                    None => break,
                    // Whoever asks goes on, if it likes.
                    Some(next) if is_empty => {
                        return Ok(Page { members, next: Some(format!("{node}.{next}")) });
                    }
                    next => place = next,
                }
            }
        }
        Ok(Page { members, next: None })
    }

    /// Members of this node.
    async fn here(&self, asked: &Asked, group: &str, most: u32, place: Option<&str>) -> Page {
        let place = place.and_then(Place::parse).unwrap_or_default();
        let Here { members, next } = self.deeds().page(asked.hub.index, group.to_owned(), most, place).await;
        let members = members.into_iter().map(|(name, user)| (name.to_string(), user)).collect();
        Page { members, next: next.map(|place| place.to_string()) }
    }
}

/// Members of another node.
async fn there(
    cluster: &Arc<Cluster>,
    node: NodeId,
    asked: &Asked,
    group: &str,
    most: u32,
    place: Option<&str>,
) -> Result<Page, RestError> {
    let size = u16::try_from(most).unwrap_or(u16::MAX);
    let operation = Operation::List { group, size, place };
    let said = cluster.ask_node(node, asked.hub.index, &operation).said().await;
    match (said.outcome, said.page) {
        (Outcome::Some(_) | Outcome::Nobody, None) => Ok(Page::default()),
        (Outcome::Some(_) | Outcome::Nobody, Some(page)) => {
            let members = Members::of(&page.payload).ok_or_else(unknown)?;
            let member = |it: WireMember<'_>| (it.connection.to_string(), it.user.map(str::to_owned));
            let members: Vec<_> = members.iter().map(member).take(usize::from(size)).collect();
            Ok(Page { members, next: page.place })
        }
        _ => Err(unknown()),
    }
}
