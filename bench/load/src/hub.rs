//! A hub and its clients: who each of them is, by its index, and what a service has the hub send.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_webpubsub::Endpoint;
use holdfast_webpubsub::token::{AccessKey, Audiences, ClientToken, sign_client, sign_rest};

use crate::hold::protocol::Meant;

/// Its name.
pub(crate) const HUB: &str = "bench";
/// The group of all clients that are in groups.
const COMMON: &str = "common";
/// One client in so many is in groups: that one, and one of its own and its nine neighbours'.
const EVERY: u32 = 100;
const NEIGHBOURS: u32 = 10;
/// How long a token is good.
const GOOD_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A new access key in a file that only its owner can read; the file goes with this.
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut random = [0; 33];
        File::open("/dev/urandom")?.read_exact(&mut random).context("/dev/urandom")?;
        let path = std::env::temp_dir().join(format!("holdfast-load-{}.key", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.as_mut().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        file.write_all(URL_SAFE_NO_PAD.encode(random).as_bytes())?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn read_key(path: &Path) -> anyhow::Result<AccessKey> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(AccessKey::new(&text)?)
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The clients of the hub: each has a user of its own, and some are in two groups.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    key: AccessKey,
    audience: String,
}

impl Clients {
    /// Those of the gateway at `authority`.
    pub(crate) fn new(key_file: &Path, authority: &str) -> anyhow::Result<Self> {
        let endpoint = Endpoint::parse(&format!("http://{authority}"))?;
        Ok(Self { key: read_key(key_file)?, audience: Audiences::client(&endpoint, HUB) })
    }

    /// What a client asks for, with a token of its own.
    pub(crate) fn path(&self, index: u32) -> String {
        let issued_s = seconds();
        let token = ClientToken {
            audience: &self.audience,
            user: Some(&format!("user-{index:08}")),
            roles: &[],
            groups: &groups(index),
            issued_s,
            expires_s: issued_s + GOOD_FOR.as_secs(),
        };
        format!("/client/hubs/{HUB}?access_token={}", sign_client(&self.key, &token))
    }
}

/// The groups that a client is in.
fn groups(index: u32) -> Vec<String> {
    let own = format!("group-{:06}", index / (EVERY * NEIGHBOURS));
    if index.is_multiple_of(EVERY) { vec![COMMON.to_owned(), own] } else { Vec::new() }
}

/// A group of the hub, and its members.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) members: Meant,
}

impl Group {
    /// That of all clients that are in groups.
    pub(crate) fn common() -> Self {
        Self { name: COMMON.to_owned(), members: Meant { every: EVERY, ..Meant::ALL } }
    }

    /// That of a client that is in groups, if it is, and its neighbours.
    pub(crate) fn around(index: u32) -> Self {
        let number = index / (EVERY * NEIGHBOURS);
        let first = number * EVERY * NEIGHBOURS;
        let members = Meant { every: EVERY, first, end: first + EVERY * NEIGHBOURS };
        Self { name: format!("group-{number:06}"), members }
    }
}

/// A service of the hub.
pub(crate) struct Service {
    key: AccessKey,
    hub: String,
}

impl Service {
    /// One that speaks to the gateway at `ws://HOST:PORT/`.
    pub(crate) fn new(key_file: &Path, url: &str) -> anyhow::Result<Self> {
        let authority = url.strip_prefix("ws://").context("only ws:// is known here")?.trim_end_matches('/');
        Ok(Self { key: read_key(key_file)?, hub: format!("http://{authority}/api/hubs/{HUB}") })
    }

    /// The request to send to all or to a group: its URL, and the token for it.
    pub(crate) fn send(&self, group: Option<&Group>) -> (String, String) {
        let url = match group {
            Some(group) => format!("{}/groups/{}/:send", self.hub, group.name),
            None => format!("{}/:send", self.hub),
        };
        let now = seconds();
        let token = sign_rest(&self.key, &url, now, now + GOOD_FOR.as_secs());
        (url, token)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_webpubsub::token::{Keys, verify};

    use super::*;

    #[test]
    fn who_hears_a_group_are_those_whose_tokens_say_it() {
        for group in [Group::common(), Group::around(0), Group::around(3456)] {
            let told = (0..10_000).filter(|&index| groups(index).contains(&group.name));
            let heard = (0..10_000).filter(|&index| group.members.has(index));
            assert!(told.eq(heard), "{}", group.name);
        }
        assert_eq!((Group::around(3456).members.of(10_000), Group::common().members.of(10_000)), (10, 100));
    }

    #[test]
    fn tokens_are_good_for_the_gateway_and_say_who_it_is() {
        let file = KeyFile::new().unwrap();
        let authority = "127.0.0.1:8085";
        let path = Clients::new(file.path(), authority).unwrap().path(3400);
        let (_, token) = path.split_once("access_token=").unwrap();
        let keys = Keys { primary: read_key(file.path()).unwrap(), secondary: None };
        let endpoints = [Endpoint::parse(&format!("http://{authority}")).unwrap()];
        let claims = verify(token, &keys, &Audiences::of_client(&endpoints, HUB), seconds()).unwrap();
        assert_eq!(claims.user.as_deref(), Some("user-00003400"));
        assert_eq!(claims.groups, ["common", "group-000003"]);
        let service = Service::new(file.path(), &format!("ws://{authority}/")).unwrap();
        let (url, token) = service.send(Some(&Group::around(3400)));
        assert_eq!(url, "http://127.0.0.1:8085/api/hubs/bench/groups/group-000003/:send");
        let target = url.strip_prefix("http://127.0.0.1:8085").unwrap();
        assert!(verify(&token, &keys, &Audiences::of_request(&endpoints, target), seconds()).is_ok());
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }
}
