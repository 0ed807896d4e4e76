//! Who is told to send a message to all.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use anyhow::{Context, bail, ensure};

use super::FanOutArguments;
use crate::frame::{Opcode, server_frame};

#[derive(Clone, Debug)]
pub(crate) enum Sender {
    /// A gateway: `POST /broadcast` at its admin address.
    Admin(String),
    /// `holdfast-floor fan-out`: a connection to its control address.
    Floor(String),
    /// Whoever takes a message by POST: the URL, and headers, NAME: VALUE.
    Post(String, Vec<String>),
    /// A NATS server: HOST:PORT/SUBJECT.
    Nats(String),
}

impl Sender {
    /// The one that is asked for.
    pub(super) fn of(arguments: &FanOutArguments) -> anyhow::Result<Self> {
        let FanOutArguments { admin, control, post, header, nats, .. } = arguments;
        Ok(match (post, nats, control, admin) {
            (Some(url), ..) => Self::Post(url.clone(), header.clone()),
            (_, Some(at), ..) => Self::Nats(at.clone()),
            (_, _, Some(control), _) => Self::Floor(control.clone()),
            (_, _, _, Some(admin)) => Self::Admin(admin.clone()),
            _ => bail!("who sends? --admin, --post, --nats, or --raw and --control (holdfast-floor fan-out)"),
        })
    }

    /// Has the server send it. Returns its answer.
    pub(super) fn send(&self, payload: &[u8]) -> anyhow::Result<String> {
        match self {
            Self::Admin(admin) => {
                post(&format!("{}/broadcast?kind=binary", admin.trim_end_matches('/')), &[], payload)
            }
            Self::Post(url, headers) => post(url, headers, payload),
            Self::Floor(control) => {
                let mut stream = TcpStream::connect(control.as_str()).context(control.clone())?;
                // The very bytes that a gateway sends.
                stream.write_all(&server_frame(Opcode::Binary, payload))?;
                stream.shutdown(Shutdown::Write)?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                ensure!(!answer.is_empty(), "{control} does not say how many it sent to");
                if answer.contains("failed") {
                    bail!("{control}: {answer}");
                }
                Ok(answer.trim().to_owned())
            }
            Self::Nats(at) => publish(at, payload),
        }
    }
}

fn post(url: &str, headers: &[String], payload: &[u8]) -> anyhow::Result<String> {
    let mut request = ureq::post(url);
    for header in headers {
        let (name, value) = header.split_once(':').with_context(|| format!("{header} is no NAME: VALUE"))?;
        request = request.header(name.trim(), value.trim());
    }
    let mut answer = request.send(payload).with_context(|| format!("POST {url}"))?;
    Ok(answer.body_mut().read_to_string()?.trim().to_owned())
}

/// Publishes over NATS' own protocol, and waits until the server has it.
fn publish(at: &str, payload: &[u8]) -> anyhow::Result<String> {
    let (address, subject) = at.split_once('/').with_context(|| format!("{at} is no HOST:PORT/SUBJECT"))?;
    let mut stream = TcpStream::connect(address).with_context(|| address.to_owned())?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    ensure!(
        lines.next().transpose()?.is_some_and(|line| line.starts_with("INFO ")),
        "{address} is no NATS server"
    );
    let mut request =
        format!("CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", payload.len()).into_bytes();
    request.extend_from_slice(payload);
    request.extend_from_slice(b"\r\nPING\r\n");
    stream.write_all(&request)?;
    let answer = lines.next().transpose()?.unwrap_or_default();
    ensure!(answer == "PONG", "{address} answered {answer:?}");
    Ok("published".to_owned())
}
