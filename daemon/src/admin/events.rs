//! What happens, as it happens: server-sent events.
//!
//! In: the pulse. Out: one event for each happening; `lagged` with a count when the reader was too slow.
//! Never: makes anybody wait for a reader, or keeps what nobody read.

use super::{App, Phase};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame};
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// Events on their way to one reader.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn event(name: &str, data: &serde_json::Value) -> Bytes {
    // JSON on one line has no line break in it, which is all the format asks for.
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// `GET /v1/events`
pub(super) async fn events(State(app): State<Arc<App>>) -> Response {
    let (to, from) = mpsc::channel(16);
    let mut happenings = app.engine.pulse.listen();
    let mut phase = app.phase();
    tokio::spawn(async move {
        // At once, so that whoever connects knows that from here on nothing is missed.
        if to.send(Bytes::from_static(b": connected\n\n")).await.is_err() {
            return;
        }
        loop {
            let next = tokio::select! {
                next = happenings.recv() => next,
                () = to.closed() => return,
                _ = phase.wait_for(|phase| *phase == Phase::Ended) => return,
            };
            let bytes = match next {
                Ok(happening) => event(happening.kind, &serde_json::to_value(&happening).unwrap_or_default()),
                Err(RecvError::Lagged(missed)) => event("lagged", &json!({ "missed": missed })),
                Err(RecvError::Closed) => return,
            };
            if to.send(bytes).await.is_err() {
                return;
            }
        }
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::new(Stream(from))).into_response()
}
