//! The route: takes a body, answers 202.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;

pub(crate) async fn serve() -> anyhow::Result<()> {
    let router = Router::new().route("/{*path}", post(async |_: Bytes| StatusCode::ACCEPTED));
    let listener = axum::serve::ListenerExt::tap_io(crate::listen().await?, |stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}
