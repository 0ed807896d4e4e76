//! What every command needs that asks the admin server of a gateway which runs here.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, value_parser};

use super::error::CommandError;
use crate::settings::{Secret, SettingsError, key_in, one_setting, tcp};

const ADMIN: &str = "admin";
const CONFIG: &str = "config";
const TOKEN_FILE: &str = "admin-token-file";
/// How long the admin server may take to be there, and between two pieces of its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is read of an answer.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// The admin server of a gateway.
#[derive(Debug)]
pub(super) struct AdminServer {
    address: SocketAddr,
    token: Option<Secret>,
}

/// Where a setting of a gateway is read from by itself.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) matches: &'a ArgMatches,
    pub(super) env: Vec<(OsString, OsString)>,
}

impl Asked<'_> {
    /// The text of one setting of the gateway.
    pub(super) fn setting(&self, key: &str) -> Result<Option<String>, CommandError> {
        let usage = |error: SettingsError| CommandError::usage(error.to_string());
        // Not every command has a flag for it.
        let flag = self.matches.try_get_one::<String>(key).ok().flatten();
        one_setting(key, flag, &self.env, self.matches.get_one::<PathBuf>(CONFIG)).map_err(usage)
    }
}

impl AdminServer {
    pub(super) fn args() -> [Arg; 2] {
        [
            Arg::new(ADMIN)
                .long(ADMIN)
                .value_name("ADDR:PORT")
                .help("The gateway's admin server [env: HOLDFAST_ADMIN] [default: 127.0.0.1:9085]"),
            Arg::new(CONFIG)
                .long(CONFIG)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The gateway's settings file, if it says where that is [env: HOLDFAST_CONFIG]"),
        ]
    }

    pub(super) fn token_arg() -> Arg {
        let help =
            "File with the admin token, where the admin server is elsewhere [env: HOLDFAST_ADMIN_TOKEN_FILE]";
        Arg::new(TOKEN_FILE).long(TOKEN_FILE).value_name("FILE").help(help)
    }

    /// That of the gateway with these settings, for whoever only asks.
    pub(super) fn find(asked: &Asked<'_>) -> Result<Self, CommandError> {
        let address = match asked.setting(ADMIN)?.as_deref() {
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 9085)),
            Some("off") => return Err(CommandError::usage("admin is off: there is nobody to ask")),
            Some(text) => {
                let address = tcp(text);
                address.map_err(|expected| CommandError::usage(format!("admin \"{text}\": {expected}")))?
            }
        };
        Ok(Self { address: reachable(address), token: None })
    }

    /// The same, for whoever changes something.
    pub(super) fn find_to_change(asked: &Asked<'_>) -> Result<Self, CommandError> {
        let file = asked.setting(TOKEN_FILE)?.filter(|file| file != "off");
        let token = file.map(|file| key_in(TOKEN_FILE, &PathBuf::from(file)).map_err(CommandError::usage));
        Ok(Self { token: token.transpose()?, ..Self::find(asked)? })
    }

    /// What it says where all is well: the body of a 2xx. Anything else is an error that says what it says.
    pub(super) fn ask(&self, method: &str, path: &str) -> Result<String, CommandError> {
        match self.answer(method, path)? {
            (200..300, said) => Ok(said),
            (status, said) => Err(CommandError::failed(format!("{status}: {}", said.trim_end()))),
        }
    }

    /// Status and body of what it answers.
    fn answer(&self, method: &str, path: &str) -> Result<(u16, String), CommandError> {
        self.exchange(method, path)
            .map_err(|error| CommandError::failed(format!("the admin server at {}: {error}", self.address)))
    }

    fn exchange(&self, method: &str, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let bearer = |token: &Secret| format!("Authorization: Bearer {}\r\n", token.expose());
        let token = self.token.as_ref().map(bearer).unwrap_or_default();
        let host = self.address;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{token}Content-Length: 0\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "what answers there is no admin server")
        })
    }
}

/// Where something that listens on all addresses is reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Status and body of a response that ends with its connection (RFC 9112 section 4).
fn parse(response: &str) -> Option<(u16, String)> {
    let (head, body) = response.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_on_all_addresses_is_asked_on_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:9085", "127.0.0.1:9085"),
            ("[::]:9085", "[::1]:9085"),
            ("10.1.2.3:9085", "10.1.2.3:9085"),
        ] {
            assert_eq!(reachable(listens.parse().expect("an address")), reached.parse().expect("an address"));
        }
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nshard 1\n");
        assert_eq!(answer, Some((503, "shard 1\n".to_owned())));
        for other in ["", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
