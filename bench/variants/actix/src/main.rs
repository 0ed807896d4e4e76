//! Echo over WebSocket on actix-web with actix-ws: one worker, a task per connection.

use std::net::SocketAddr;

use actix_web::rt::spawn;
use actix_web::web::{self, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Session};
use clap::Parser;

/// Enough for a message of a MiB, in one frame or in several.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:8085")]
    listen: SocketAddr,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let server = HttpServer::new(|| App::new().route("/", web::get().to(open)))
        .workers(1)
        .backlog(4096)
        .tcp_nodelay(true)
        .bind(arguments.listen)?;
    for address in server.addrs() {
        println!("listening on ws://{address}/");
    }
    server.run().await?;
    Ok(())
}

async fn open(request: HttpRequest, body: Payload) -> actix_web::Result<HttpResponse> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let messages = messages.max_frame_size(MESSAGE_BYTES_MAX).aggregate_continuations();
    spawn(echo(session, messages.max_continuation_size(MESSAGE_BYTES_MAX)));
    Ok(response)
}

async fn echo(mut session: Session, mut messages: AggregatedMessageStream) {
    while let Some(Ok(message)) = messages.recv().await {
        let sent = match message {
            AggregatedMessage::Text(text) => session.text(text).await,
            AggregatedMessage::Binary(bytes) => session.binary(bytes).await,
            AggregatedMessage::Ping(bytes) => session.pong(&bytes).await,
            AggregatedMessage::Pong(_) => Ok(()),
            AggregatedMessage::Close(reason) => {
                let _ = session.close(reason).await;
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}
