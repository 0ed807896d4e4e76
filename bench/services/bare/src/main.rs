//! Three bare ends of HTTP, each on one thread: a client, a route and a service. `bench/services/costs` starts them.
#![forbid(unsafe_code)]

mod client;
mod request;
mod route;
mod service;

use std::process::ExitCode;

const USAGE: &str = "\
bare service [RECORD]                   echoes the body of each POST; writes the first event of a user to RECORD
bare route                              answers each POST with 202
bare client RECORD HOST:PORT CONNECTIONS REQUESTS STATUS
                                        sends that request so many times, over so many connections at once";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match arguments[..] {
                ["service"] => service::serve(None).await,
                ["service", record] => service::serve(Some(record.into())).await,
                ["route"] => route::serve().await,
                ["client", record, address, connections, requests, status] => {
                    let request = request::Recorded::read(record.as_ref())?;
                    let load = client::Load {
                        connections: connections.parse()?,
                        requests: requests.parse()?,
                        status: status.parse()?,
                    };
                    client::run(request, address, load).await
                }
                _ => anyhow::bail!("{USAGE}"),
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A listener on any free port; says where.
async fn listen() -> anyhow::Result<tokio::net::TcpListener> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    Ok(listener)
}
