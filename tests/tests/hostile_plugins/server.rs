//! Small servers on this machine, for attacks that need somebody at the other end.
//!
//! In: what to answer. Out: a place to call, and what was sent there. Never: anything beyond the loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Server {
    host: String,
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

type Act = dyn Fn(usize, &str, &mut TcpStream) + Send + Sync;

impl Server {
    /// Hands every request (head and body) to this, which writes the answer.
    pub(crate) fn new(act: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1", 0, act)
    }

    pub(crate) fn at(host: &str, port: u16, act: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((host, port)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (seen, connections): (Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) = Default::default();
        let (act, log, count): (Arc<Act>, _, _) = (Arc::new(act), seen.clone(), connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let (act, log) = (act.clone(), log.clone());
                thread::spawn(move || serve(stream, &*act, &log));
            }
        });
        Self { host: host.into(), port, seen, connections }
    }

    /// Answers every request with the same bytes and closes the connection.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, _, stream| {
            drop(stream.write_all(&answer));
            drop(stream.shutdown(Shutdown::Both));
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.host, self.port)
    }

    /// As a line of `allow_private`.
    pub(crate) fn rule(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("not poisoned").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, act: &Act, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    loop {
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = Vec::new();
            if !matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                return;
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap_or(0);
            }
            request.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        request.push_str(&String::from_utf8_lossy(&body));
        let nth = {
            let mut log = log.lock().expect("not poisoned");
            log.push(request.clone());
            log.len()
        };
        act(nth, &request, &mut stream);
    }
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn redirect(status: u16, to: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}
