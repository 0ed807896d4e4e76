//! The service: wants events, and answers each with its own body, which an event of WebSocket-over-HTTP (Pushpin) takes
//! for an echo too.

use std::cell::Cell;
use std::convert::Infallible;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::{LocalSet, spawn_local};

use crate::request::Recorded;

pub(crate) async fn serve(record: Option<PathBuf>) -> anyhow::Result<()> {
    let listener = crate::listen().await?;
    let record = Rc::new(Cell::new(record));
    LocalSet::new()
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let record = Rc::clone(&record);
                spawn_local(async move {
                    let service = service_fn(|request| {
                        let record = Rc::clone(&record);
                        async move { Ok::<_, Infallible>(answer(request, &record).await) }
                    });
                    // An error is how a connection ends.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        })
        .await
}

async fn answer(request: Request<Incoming>, record: &Cell<Option<PathBuf>>) -> Response<Full<Bytes>> {
    if request.method() == Method::OPTIONS {
        let mut answer = Response::new(Full::default());
        answer.headers_mut().insert("WebHook-Allowed-Origin", hyper::header::HeaderValue::from_static("*"));
        return answer;
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    // What a client has said, not that it has come or gone.
    let is_said =
        head.headers.get("ce-type").is_some_and(|it| it.as_bytes().starts_with(b"azure.webpubsub.user."));
    if is_said && let Some(file) = record.take() {
        let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let recorded = Recorded { path, headers: head.headers.clone(), body: body.clone() };
        if let Err(error) = recorded.write(&file) {
            eprintln!("bare: {error:#}");
        }
    }
    let is_said_or_spoken = is_said || !head.headers.contains_key("ce-type");
    let mut answer = Response::new(Full::new(if is_said_or_spoken { body } else { Bytes::new() }));
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        answer.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    answer
}
