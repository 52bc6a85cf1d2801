//! Runs through the admin socket: 16 clients, each on a connection of its own, each waiting for its run's commit.
//!
//! In: a daemon started by the program's own binary. Out: one figure; none when the binary cannot start a daemon.
//! Never: counts an answer that does not say that the run is done.

use crate::place::{Place, Watch};
use crate::runs::{CLIENTS, COUNT, COUNT_SECTION, KEYS};
use crate::starts::{Daemon, binary};
use crate::{Figure, median};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;

/// The request that runs a workflow and, with `wait`, answers when it has ended.
const PATH: &str = "/v1/workflows/count/run";
const ROUND: Duration = Duration::from_millis(1_500);
const ROUNDS: usize = 5;

/// Runs in a second through the socket.
pub(crate) fn measure() -> Vec<Figure> {
    if binary().is_none() {
        return Vec::new();
    }
    let place = Place::new(COUNT_SECTION).script("count", COUNT);
    let daemon = Daemon::start(&place);
    let socket = place.folder().join("beffroi.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the machine gives a runtime");
    let mut rates: Vec<f64> = (0..=ROUNDS).map(|_| runtime.block_on(round(&socket))).collect();
    rates.remove(0);
    daemon.stop();
    vec![Figure::above("durable runs through the socket, 16 clients", 4_000.0, "1/s", median(rates), String::new())]
}

async fn round(socket: &Path) -> f64 {
    let watch = Arc::new(Watch::start());
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let stream = UnixStream::connect(socket).await.expect("the daemon listens");
        let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.expect("the daemon speaks HTTP");
        tokio::spawn(connection);
        let (watch, next) = (watch.clone(), next.clone());
        clients.push(tokio::spawn(async move {
            let mut count = 0_u64;
            while watch.span() < ROUND {
                ask(&mut send, next.fetch_add(1, Ordering::Relaxed) % KEYS).await;
                count += 1;
            }
            count
        }));
    }
    let mut done = 0;
    for client in clients {
        done += client.await.expect("no client fails");
    }
    done as f64 / watch.span().as_secs_f64()
}

async fn ask(send: &mut SendRequest<Full<Bytes>>, key: u64) {
    let request = Request::post(PATH)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(format!("{{\"wait\":true,\"payload\":\"key/{key}\"}}"))))
        .expect("a whole request");
    send.ready().await.expect("the connection stays open");
    let response = send.send_request(request).await.expect("the daemon answers");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert!(status.is_success() && text.contains("\"done\""), "{status}: {text}");
}
